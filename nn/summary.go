package nn

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/weft-ml/weft/tensor"
)

// Summary prints the variables of a module with shapes and numbers of
// elements, and the total of trained ones. Given the shape of an input it also
// prints the shape that each module of a Sequential returns; nothing is
// computed for that.
func Summary(m Module, input ...int) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	if len(input) > 0 {
		x := tensor.Zeros(input...)
		fmt.Fprintf(w, "layer\ttype\toutput\n\tinput\t%v\n", x.Shape())
		layers, ok := m.(Sequential)
		if !ok {
			layers = Sequential{m}
		}
		for i, l := range layers {
			x = l.Forward(x)
			fmt.Fprintf(w, "%d\t%s\t%v\n", i, typeName(l), x.Shape())
		}
		w.Flush()
		b.WriteByte('\n')
	}
	params := Params(m)
	buffers := 0
	fmt.Fprintf(w, "name\tshape\telements\n")
	for _, p := range params {
		role := ""
		if p.Buffer {
			role = "  buffer"
			buffers += p.Value.Len()
		}
		fmt.Fprintf(w, "%s\t%v\t%s%s\n", p.Name, p.Value.Shape(), Thousands(p.Value.Len()), role)
	}
	w.Flush()
	n := Count(params)
	fmt.Fprintf(&b, "%s parameters (%.2f MB)", Thousands(n), float64(n)*4/1e6)
	if buffers > 0 {
		fmt.Fprintf(&b, ", %s elements of buffers", Thousands(buffers))
	}
	b.WriteByte('\n')
	return b.String()
}

func typeName(m Module) string {
	s := strings.TrimPrefix(fmt.Sprintf("%T", m), "*")
	return s[strings.LastIndexByte(s, '.')+1:]
}

// Thousands prints n with commas.
func Thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
