package device

import (
	"errors"

	"github.com/weft-ml/weft/internal/backend"
	"github.com/weft-ml/weft/internal/cpu"
)

func newCPU() backend.Backend { return cpu.New(0) }

func openGPU(adapter string, hardwareOnly bool) (backend.Backend, error) {
	return nil, errors.New("weft: WebGPU is not connected yet")
}
