// Package weft holds no code: it is where the example of the README is tested.
// The framework is in the packages below: tensor, nn, optim, train, data,
// device, zoo and format.
package weft
