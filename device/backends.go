package device

import (
	"runtime"

	"github.com/weft-ml/weft/internal/backend"
	"github.com/weft-ml/weft/internal/cpu"
	"github.com/weft-ml/weft/internal/gpu"
	"github.com/weft-ml/weft/internal/webgpu"
)

func newCPU() backend.Backend { return cpu.New(0) }

func openGPU(adapter string, hardwareOnly bool) (backend.Backend, error) {
	if runtime.GOOS == "js" {
		// Even a browser's software adapter is several times faster than the CPU
		// backend, which has neither threads nor SIMD there.
		hardwareOnly = false
	}
	dev, err := gpu.Open(gpu.Options{Adapter: adapter, NoSoftware: hardwareOnly})
	if err != nil {
		return nil, err
	}
	return webgpu.New(dev), nil
}

// Info describes something to run on.
type Info struct {
	Open     string // what to pass to Open
	Name     string
	Software bool // a GPU interface that runs on the processor
}

// List returns what there is to run on, the CPU first. The error says why
// there is no GPU among it, if so.
func List() ([]Info, error) {
	list := []Info{{Open: "cpu", Name: CPU().Name()}}
	adapters, err := gpu.Adapters()
	for _, a := range adapters {
		list = append(list, Info{Open: "webgpu:" + a.Name, Name: a.String(), Software: a.Software})
	}
	return list, err
}
