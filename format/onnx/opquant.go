package onnx

var quantizedResults = map[string]int{}
