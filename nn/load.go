// Weights come from files of many origins: what a file and a network call the
// same may differ by a prefix, types by the precision of storage, and people
// who bring a file want to know all that does not fit at once, not the first of
// it.

package nn

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weft-ml/weft/format/safetensors"
	"github.com/weft-ml/weft/tensor"
)

// LoadOptions say how lenient Load is. The zero value wants a tensor for each
// variable and a variable for each tensor.
type LoadOptions struct {
	// Ignore reports tensors of the file that are none of the module's
	// business.
	Ignore func(name string) bool
	// Partial loads what fits and leaves other variables as they are.
	Partial bool
	// Foreign is for files of other programs: a prefix that wrappers such as
	// DataParallel put before all names is taken off, and the counter of batch
	// norms, which old files lack, may be missing.
	Foreign bool
}

// LoadReport says how a file's tensors and a module's variables fit together.
type LoadReport struct {
	Loaded     int
	Prefix     string   // that was taken off names of the file
	Missing    []string // variables without a tensor
	Unexpected []string // tensors without a variable
	Mismatched []string // both are there but do not fit: name and both shapes
}

// Complete reports whether everything fitted.
func (r *LoadReport) Complete() bool {
	return len(r.Missing)+len(r.Unexpected)+len(r.Mismatched) == 0
}

// String lists what does not fit, a line for each kind, at most limit names of
// each kind; 0 is no limit.
func (r *LoadReport) String() string { return r.Text(0) }

// Text is String with at most limit names of each kind.
func (r *LoadReport) Text(limit int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d tensors fit", r.Loaded)
	if r.Prefix != "" {
		fmt.Fprintf(&b, ", without the prefix %q of their names", r.Prefix)
	}
	for _, p := range []struct {
		what  string
		names []string
	}{{"missing in the file", r.Missing}, {"unexpected in the file", r.Unexpected}, {"of another shape or type", r.Mismatched}} {
		if len(p.names) == 0 {
			continue
		}
		list, more := p.names, ""
		if limit > 0 && len(list) > limit {
			list, more = list[:limit], fmt.Sprintf(", and %d more", len(list)-limit)
		}
		fmt.Fprintf(&b, "\n%d %s: %s%s", len(p.names), p.what, strings.Join(list, ", "), more)
	}
	return b.String()
}

// wrappers put these before the names of the network that they hold.
var wrappers = []string{"module.", "_orig_mod.", "model.", "net.", "backbone."}

const tracked = "num_batches_tracked"

// Load fills vars, usually Params of a module, with the tensors of f of the
// same names. Types must be of the same kind: a Float32 variable takes any
// floating-point type, an Int32 variable any integer whose values fit. Unless
// opt.Partial is set, nothing is changed if anything does not fit. The report
// is complete in any case; the error says only that reading failed, since the
// caller knows better than this function what to do about the rest.
func Load(vars []Param, f *safetensors.File, opt LoadOptions) (*LoadReport, error) {
	r := &LoadReport{}
	prefix := ""
	if opt.Foreign {
		prefix = commonPrefix(vars, f.Names())
	}
	r.Prefix = prefix
	known := map[string]bool{}
	var fits []Param
	for _, v := range vars {
		known[prefix+v.Name] = true
		info, ok := f.Info(prefix + v.Name)
		switch {
		case !ok && opt.Foreign && (v.Name == tracked || strings.HasSuffix(v.Name, "."+tracked)):
		case !ok:
			r.Missing = append(r.Missing, v.Name)
		case !sameKind(info.DType, v.Value.DType()) || !slices.Equal(info.Shape, v.Value.Shape()):
			r.Mismatched = append(r.Mismatched, fmt.Sprintf("%s is %s%v, want %v%v", v.Name, info.DType, info.Shape, v.Value.DType(), v.Value.Shape()))
		default:
			fits = append(fits, v)
		}
	}
	for _, name := range f.Names() {
		if !known[name] && (opt.Ignore == nil || !opt.Ignore(name)) {
			r.Unexpected = append(r.Unexpected, name)
		}
	}
	slices.Sort(r.Unexpected)
	r.Loaded = len(fits)
	if !r.Complete() && !opt.Partial {
		return r, nil
	}
	floats, ints := make([][]float32, len(fits)), make([][]int32, len(fits))
	var err error
	for i, v := range fits {
		if v.Value.DType() == tensor.Int32 {
			ints[i], _, err = f.ReadI32(prefix + v.Name)
		} else {
			floats[i], _, err = f.ReadF32(prefix + v.Name)
		}
		if err != nil {
			return r, err
		}
	}
	for i, v := range fits {
		if v.Value.DType() == tensor.Int32 {
			err = v.Value.SetInts(ints[i])
		} else {
			err = v.Value.Set(floats[i])
		}
		if err != nil {
			return r, err
		}
	}
	return r, nil
}

// commonPrefix is the wrapper's prefix of all names, "" if the names are the
// variables' own.
func commonPrefix(vars []Param, names []string) string {
	own := map[string]bool{}
	for _, v := range vars {
		own[v.Name] = true
	}
	prefix := ""
	for len(names) > 0 {
		hits := 0
		for _, n := range names {
			if own[strings.TrimPrefix(n, prefix)] && strings.HasPrefix(n, prefix) {
				hits++
			}
		}
		if hits > 0 {
			return prefix
		}
		i := slices.IndexFunc(wrappers, func(w string) bool {
			return !slices.ContainsFunc(names, func(n string) bool { return !strings.HasPrefix(n, prefix+w) })
		})
		if i < 0 {
			break
		}
		prefix += wrappers[i]
	}
	return ""
}

// sameKind reports whether a tensor of a file can fill a variable.
func sameKind(d safetensors.DType, want tensor.DType) bool {
	switch d {
	case safetensors.F16, safetensors.BF16, safetensors.F32, safetensors.F64:
		return want == tensor.Float32
	case safetensors.I8, safetensors.U8, safetensors.I16, safetensors.U16, safetensors.I32, safetensors.U32, safetensors.I64, safetensors.U64:
		return want == tensor.Int32
	}
	return false
}
