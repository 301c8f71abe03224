package device

import "github.com/weft-ml/weft/internal/backend"

// Wrap makes a device of a backend that was opened in another way. It is for
// Weft's own packages and tests: nobody else can name a backend.
func Wrap(be backend.Backend, kind string) *Device { return &Device{be: be, kind: kind} }
