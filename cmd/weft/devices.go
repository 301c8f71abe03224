// A device is named the same way everywhere: what devices lists is what --device
// takes.

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/internal/gpu"
)

func (a *app) devicesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "devices",
		Short: "List what there is to run on",
		Long: `List the CPU and the adapters that WebGPU finds. An adapter marked "software"
runs on the CPU as well; --device auto never chooses it.`,
		Example: "  weft devices\n  weft devices --json",
		Args:    exactly(0, ""),
		RunE: func(*cobra.Command, []string) error {
			type entry struct {
				Device   string `json:"device"` // what --device takes
				Name     string `json:"name"`
				Software bool   `json:"software"`
			}
			list := []entry{{"cpu", device.CPU().Name(), false}}
			found, err := gpu.Adapters()
			for _, i := range found {
				list = append(list, entry{"webgpu:" + i.Name, i.String(), i.Software})
			}
			for _, e := range list {
				note := ""
				if e.Software {
					note = "  [software]"
				}
				a.printf("%-8s %s%s\n", strings.SplitN(e.Device, ":", 2)[0], e.Name, note)
			}
			reason := ""
			if err != nil {
				reason = err.Error()
				a.printf("%-8s none: %s\n", "webgpu", reason)
			}
			return a.result(map[string]any{"devices": list, "webgpu_error": reason})
		},
	}
}

// openDevice opens what --device asks for and says in one line what it is.
func (a *app) openDevice(name string) (*device.Device, error) {
	d, err := device.Open(name)
	if err != nil {
		return nil, hint(err, "weft devices lists what there is; --device cpu always works")
	}
	note := ""
	if d.Kind() == "cpu" && name == "auto" {
		note = " (no graphics card that WebGPU can use)"
	}
	a.notef("device: %s%s", d.Name(), note)
	return d, nil
}

// memory prints a number of bytes for people.
func memory(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.2f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}
