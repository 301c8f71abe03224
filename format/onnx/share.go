package onnx

import "strconv"

// WriteShared is Write for a model whose weights another file holds already:
// place says where in the file called location the bytes of a weight are, if it
// has them. What is small or not there is written as always.
func (m *Model) WriteShared(location string, place func(raw []byte) (offset int, ok bool)) ([]byte, error) {
	p, g := *m.proto, *m.proto.Graph
	p.Graph = &g
	g.Initializer = nil
	for _, t := range m.proto.Graph.Initializer {
		if len(t.RawData) >= externalMin {
			if at, ok := place(t.RawData); ok {
				moved := *t
				moved.RawData, moved.DataLocation = nil, 1
				moved.External = []*entryProto{{"location", location}, {"offset", strconv.Itoa(at)}, {"length", strconv.Itoa(len(t.RawData))}}
				t = &moved
			}
		}
		g.Initializer = append(g.Initializer, t)
	}
	return (&Model{Metadata: m.Metadata, proto: &p, opset: m.opset}).bytes()
}
