// Pages decode pictures themselves, so that the program they load need not
// carry decoders.

//go:build !js

package data

import (
	_ "image/jpeg" // Registered with the image package.
	_ "image/png"

	_ "golang.org/x/image/webp"
)
