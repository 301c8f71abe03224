// A device in a browser can go at any time: the driver is reset, the laptop
// sleeps, the tab is in the background too long. Everything on it is gone
// then, so the weights and the optimizer's state are copied to the host every
// few seconds, and a new device goes on from that copy.

package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/internal/gpu"
	"github.com/weft-ml/weft/internal/webgpu"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

const (
	// snapshotEvery bounds how much training a lost device can cost.
	snapshotEvery = 4 * time.Second
	// A device that is lost so many times within a minute will not stay.
	maxLosses  = 3
	lossWindow = time.Minute
)

// losses remembers when devices were lost.
type losses []time.Time

func (s *Session) init(ctx context.Context, q *InitRequest) (*InitResult, error) {
	r := &InitResult{}
	return r, s.do(ctx, s.slow, func() error {
		s.base, s.parts = q.Base, q.Parts
		s.endRun()
		s.closeModels()
		if s.dev != nil {
			s.dev.Close()
			s.dev = nil
		}
		note, err := s.open(q.Device)
		if err != nil {
			return err
		}
		s.want = q.Device
		s.describe(r)
		r.Note = note
		return nil
	})
}

// open opens the device of that name. With auto a missing GPU is no error: the
// note says that the CPU is used.
func (s *Session) open(name string) (note string, err error) {
	switch name {
	case "cpu":
		s.dev = device.CPU()
		return "Training runs on the CPU, as asked.", nil
	case "webgpu", "auto", "":
		// Also software adapters: they use all cores, which WebAssembly does
		// not.
		if s.dev, err = s.opts.Open("webgpu"); err == nil {
			return "", nil
		}
		if name == "webgpu" {
			s.dev = nil
			return "", hinted("Choose the CPU, or a browser with WebGPU.", fmt.Errorf("WebGPU cannot be used here: %w", err))
		}
		s.dev = device.CPU()
		return "No WebGPU here: training runs on the CPU, which is slower but does the same.", nil
	}
	return "", hinted("Use auto, webgpu or cpu.", fmt.Errorf("no device %q", name))
}

func (s *Session) gpu() *gpu.Device {
	if b, ok := s.dev.Backend().(*webgpu.Backend); ok {
		return b.Device()
	}
	return nil
}

func (s *Session) describe(r *InitResult) {
	r.Device, r.Adapter = s.dev.Kind(), s.dev.Name()
	r.Limits, r.Features = map[string]float64{}, []string{}
	g := s.gpu()
	if g == nil {
		return
	}
	info, l, f := g.Info(), g.Limits(), g.Features()
	r.Adapter, r.Software = info.String(), info.Software
	for name, v := range map[string]uint64{
		"maxBufferSize": l.MaxBufferSize, "maxStorageBufferBindingSize": l.MaxStorageBinding, "maxUniformBufferBindingSize": l.MaxUniformBinding,
		"maxStorageBuffersPerShaderStage": uint64(l.MaxStorageBuffers), "maxComputeWorkgroupStorageSize": uint64(l.MaxWorkgroupStorage),
		"maxComputeInvocationsPerWorkgroup": uint64(l.MaxInvocations), "maxComputeWorkgroupsPerDimension": uint64(l.MaxWorkgroupsPerDim),
		"minStorageBufferOffsetAlignment": uint64(l.MinStorageAlign), "minUniformBufferOffsetAlignment": uint64(l.MinUniformAlign),
	} {
		r.Limits[name] = float64(v)
	}
	for name, have := range map[string]bool{"shader-f16": f.F16, "subgroups": f.Subgroups, "timestamp-query": f.Timestamps} {
		if have {
			r.Features = append(r.Features, name)
		}
	}
}

func (s *Session) deviceMemory() (bytes, buffers int) {
	if g := s.gpu(); g != nil {
		b, n := g.Memory()
		return int(b), n
	}
	return int(s.dev.Memory()), 0
}

// ready reports whether there is a device.
func (s *Session) ready() error {
	if s.dev == nil {
		return hinted("Reload the page.", errors.New("no device is open yet"))
	}
	return nil
}

// isLost reports whether err means that the device must be made again. A
// closed one counts, because only the session itself closes it on purpose.
func (s *Session) isLost(err error) bool {
	return errors.Is(err, gpu.ErrLost) || errors.Is(err, gpu.ErrClosed)
}

// snapshot is a copy of variables on the host.
type snapshot struct {
	vars                []nn.Param
	floats              [][]float32
	ints                [][]int32
	epoch, batch, steps int
}

func takeSnapshot(vars []nn.Param) (*snapshot, error) {
	c := &snapshot{vars: vars, floats: make([][]float32, len(vars)), ints: make([][]int32, len(vars))}
	for i, v := range vars {
		var err error
		if v.Value.DType() == tensor.Int32 {
			c.ints[i], err = v.Value.ReadInts()
		} else {
			c.floats[i], err = v.Value.Read()
		}
		if err != nil {
			return nil, err
		}
	}
	return c, nil
}

// fits reports whether vars are made like those of the snapshot, if there is one:
// as many, of the same names and shapes.
func (c *snapshot) fits(vars []nn.Param) bool {
	return c != nil && slices.EqualFunc(c.vars, vars, func(a, b nn.Param) bool {
		return a.Name == b.Name && a.Value.DType() == b.Value.DType() && slices.Equal(a.Value.Shape(), b.Value.Shape())
	})
}

// restore gives vars, which are those of the snapshot or ones made alike,
// their contents back.
func (c *snapshot) restore(vars []nn.Param) error {
	if len(vars) != len(c.vars) {
		return fmt.Errorf("a snapshot of %d variables for %d", len(c.vars), len(vars))
	}
	return c.fill(vars)
}

// fill gives vars, the first of those of the snapshot, their contents.
func (c *snapshot) fill(vars []nn.Param) error {
	for i, v := range vars {
		var err error
		if v.Value.DType() == tensor.Int32 {
			err = v.Value.SetInts(c.ints[i])
		} else {
			err = v.Value.Set(c.floats[i])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// copyVariables gives to, which are made like from, the contents of from.
func copyVariables(to, from []nn.Param) error {
	c, err := takeSnapshot(from)
	if err != nil {
		return err
	}
	return c.restore(to)
}

// recoverDevice opens the device again after cause and brings everything back
// from the last snapshot. Where that fails the CPU takes over.
func (s *Session) recoverDevice(cause error) error {
	now := time.Now()
	for len(s.lost) > 0 && now.Sub(s.lost[0]) > lossWindow {
		s.lost = s.lost[1:]
	}
	s.lost = append(s.lost, now)
	old := s.dev
	message := "The graphics device was lost; it was opened again and training goes on from the last snapshot."
	var err error
	if len(s.lost) > maxLosses {
		err = errors.New("it is lost again and again")
	} else {
		s.dev, err = s.opts.Open("webgpu")
	}
	if err != nil {
		s.dev = device.CPU()
		message = fmt.Sprintf("The graphics device was lost (%v) and cannot be opened again (%v); training goes on on the CPU.", cause, err)
	}
	old.Close()
	s.preview.close()
	s.closeModels()
	if s.run != nil {
		if err := s.run.rebuild(s); err != nil {
			s.emitTrain(Lost)
			s.endRun()
			return err
		}
	}
	s.opts.Emit("lost", &LostEvent{Message: message})
	return nil
}
