package train

import "github.com/weft-ml/weft/data"

// sum is not computed in a browser: no run is resumed there, and package
// crypto is a large part of a small program.
func sum(*data.Dataset) string { return "" }
