// Package filekind names a file of another kind by its first bytes, for messages.
// People give a program the file that they have: a PyTorch checkpoint in place of
// safetensors, a pointer of Git LFS or the page of a login in place of either. Such
// a file is whole, so "download it again" is the wrong advice.
package filekind

import (
	"bytes"
	"encoding/binary"
	"path"
	"strings"
)

// Need is how many bytes of a file Of looks at, at most.
const Need = 512

// Kind is a kind of file.
type Kind struct {
	Name string // "a PyTorch file", or "" if it is none of those known
	// What to do to have the weights as safetensors, and the network as ONNX.
	Safetensors, ONNX string
}

const (
	toSafetensors = `write it as safetensors with: python -c "import torch, safetensors.torch as s; m = torch.load('FILE', map_location='cpu'); s.save_file({k: v.contiguous() for k, v in m.items()}, 'FILE.safetensors')" (of a whole module, take m.state_dict())`
	toONNX        = "it holds weights and no network that can be read without its program: load it in PyTorch and write the network with torch.onnx.export(model, inputs, 'model.onnx')"
	again         = "download the file itself"
	lfs           = "fetch the file itself with: git lfs pull"
)

// Of is the kind of the file that begins with b.
func Of(b []byte) Kind {
	begins := func(s string) bool { return bytes.HasPrefix(b, []byte(s)) }
	torch := func(name string) Kind { return Kind{name, toSafetensors, toONNX} }
	switch {
	// First, since the length that it begins with may be the beginning of any
	// other: 0x0480 is that of a pickle.
	case len(b) > 9 && b[8] == '{' && binary.LittleEndian.Uint64(b) < 1<<30:
		return Kind{"a safetensors file", "", "it holds weights alone: weft import safetensors FILE --model NETWORK"}
	case begins("PK\x03\x04"):
		return ofZIP(b)
	case begins("\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"):
		return torch("a PyTorch file of the old form")
	case len(b) > 2 && b[0] == 0x80 && b[1] >= 2 && b[1] <= 5:
		return torch("a Python pickle, perhaps of PyTorch")
	case begins("GGUF"):
		return Kind{"a GGUF file, as llama.cpp uses", "take the safetensors that it was made of, from the model's own page", "take the ONNX or PyTorch files that it was made of, from the model's own page"}
	case begins("\x93NUMPY"):
		return Kind{"a NumPy array", `write it with: python -c "import numpy, safetensors.numpy as s; s.save_file({'NAME': numpy.load('FILE')}, 'FILE.safetensors')"`, "it holds one array and no network"}
	case begins("\x89HDF\r\n\x1a\n"):
		return Kind{"an HDF5 file, perhaps of Keras", "write model.weights as a dictionary of names to arrays with safetensors.numpy.save_file", "load it in Keras and write it with model.export('model.onnx', format='onnx')"}
	case len(b) >= 8 && string(b[4:8]) == "TFL3":
		return Kind{"a TensorFlow Lite model", "convert it with: python -m tf2onnx.convert --tflite FILE --output model.onnx (and import that: weft import onnx model.onnx)", "convert it with: python -m tf2onnx.convert --tflite FILE --output model.onnx"}
	case begins("version https://git-lfs.github.com/spec/"):
		return Kind{"a pointer of Git LFS, not the file that it stands for", lfs, lfs}
	case begins("\x1f\x8b"):
		return Kind{"compressed by gzip", "unpack it with: gunzip", "unpack it with: gunzip"}
	case len(b) > 3 && b[0] == 8 && b[1] > 0 && b[1] < 32 && (b[2] == 0x12 || b[2] == 0x3a || b[2] == 0x42):
		return Kind{"an ONNX model", "import it with: weft import onnx FILE", ""}
	case begins("\x89PNG") || begins("\xff\xd8\xff"):
		return Kind{"a picture", "give the file of the weights", "give the file of the model"}
	}
	text := strings.ToLower(strings.TrimLeft(string(bytes.TrimPrefix(b[:min(len(b), Need)], []byte("\xef\xbb\xbf"))), " \t\r\n"))
	switch {
	case strings.HasPrefix(text, "<!doctype html") || strings.HasPrefix(text, "<html") || strings.HasPrefix(text, "<head"):
		const page = "a web page, as servers send in place of a file that is not there or wants a login"
		return Kind{page, again, again}
	case strings.HasPrefix(text, "<?xml"):
		return Kind{"an XML text, such as a server's error", again, again}
	case strings.HasPrefix(text, "{") && strings.Contains(text, `"`):
		return Kind{"a JSON text, perhaps the index of weights in several files", "give one of the .safetensors files that it names", "give the .onnx file"}
	}
	return Kind{}
}

// ofZIP tells archives apart by the name of their first file.
func ofZIP(b []byte) Kind {
	name := ""
	if len(b) >= 30 {
		n := int(binary.LittleEndian.Uint16(b[26:]))
		name = string(b[30:min(len(b), 30+n)])
	}
	base := path.Base(name)
	switch {
	case base == "data.pkl" || base == "version" || base == "byteorder" || base == ".format_version" || strings.Contains(name, "/data/"):
		return Kind{"a PyTorch file", toSafetensors, toONNX}
	case strings.HasSuffix(base, ".npy"):
		return Kind{"a NumPy archive (npz)", `write it with: python -c "import numpy, safetensors.numpy as s; s.save_file(dict(numpy.load('FILE')), 'FILE.safetensors')"`, "it holds arrays and no network"}
	case base == "metadata.json" || base == "config.json" || base == "model.weights.h5":
		return Kind{"a Keras file", "write model.weights as a dictionary of names to arrays with safetensors.numpy.save_file", "load it in Keras and write it with model.export('model.onnx', format='onnx')"}
	}
	if name == "" { // nobody else writes such
		return Kind{"a PyTorch file, or another ZIP archive", toSafetensors, toONNX}
	}
	return Kind{"a ZIP archive", "unpack it with: unzip", "unpack it with: unzip"}
}
