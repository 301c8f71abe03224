package cpu

const browser = true
