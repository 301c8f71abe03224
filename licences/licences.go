// Package licences holds the licences of everything by others that is part of
// Weft's programs and pages, which have to travel with it. scripts/licences
// writes the text from what go.mod and web/package-lock.json name.
package licences

import _ "embed"

// Text is all of them.
//
//go:embed LICENCES.txt
var Text string
