//go:build cgo && linux && !android && (amd64 || arm64)

package gpu

// wgpu-native as a static archive, with the flags that link it.
import _ "github.com/oliverbestmann/webgpu/libs-linux"
