package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/weft-ml/weft/device"
	"github.com/weft-ml/weft/licences"
)

// version is what the program was built of.
type version struct {
	Version  string   `json:"version"` // "devel" outside of a release
	Commit   string   `json:"commit"`  // with a + if the tree had changes
	Go       string   `json:"go"`
	Platform string   `json:"platform"`
	Backends []string `json:"backends"`
}

func thisVersion() version {
	v := version{Version: "devel", Commit: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Backends: []string{device.CPU().Name()}}
	if b, ok := debug.ReadBuildInfo(); ok {
		if b.Main.Version != "" && b.Main.Version != "(devel)" {
			v.Version = b.Main.Version
		}
		changed := ""
		for _, s := range b.Settings {
			switch s.Key {
			case "vcs.revision":
				v.Commit = s.Value
			case "vcs.modified":
				if s.Value == "true" {
					changed = "+"
				}
			}
		}
		v.Commit += changed
	}
	if withWebGPU {
		v.Backends = append(v.Backends, "webgpu")
	} else {
		v.Backends = append(v.Backends, "no webgpu: built without cgo")
	}
	return v
}

func (v version) String() string {
	s := fmt.Sprintf("weft %s, commit %s, %s, %s\nbackends:", v.Version, v.Commit, v.Go, v.Platform)
	for _, b := range v.Backends {
		s += "\n  " + b
	}
	return s + "\n"
}

func (a *app) licencesCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "licences",
		Aliases: []string{"licenses"},
		Short:   "Print the licences of what is part of this program",
		Long:    "Print the licences of Weft and of everything by others that is part of this program\nor of the pages that it serves.",
		Example: "  weft licences | less",
		Args:    exactly(0, ""),
		RunE: func(*cobra.Command, []string) error {
			a.printf("%s", licences.Text)
			return nil
		},
	}
}
