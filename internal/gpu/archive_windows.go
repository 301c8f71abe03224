//go:build cgo && windows && amd64

package gpu

// wgpu-native as a static archive, with the flags that link it.
import _ "github.com/oliverbestmann/webgpu/libs-windows"
