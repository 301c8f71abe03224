package filekind

import (
	"archive/zip"
	"bytes"
	"strings"
	"testing"
)

func archive(t *testing.T, names ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range names {
		f, err := w.Create(name)
		if err == nil {
			_, err = f.Write([]byte("x"))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestOf(t *testing.T) {
	for name, c := range map[string][2]string{
		"torch":        {archive(t, "archive/data.pkl", "archive/data/0"), "a PyTorch file"},
		"torch old":    {"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.", "a PyTorch file of the old form"},
		"pickle":       {"\x80\x04\x95\x0b\x00\x00\x00", "a Python pickle, perhaps of PyTorch"},
		"npz":          {archive(t, "arr_0.npy"), "a NumPy archive (npz)"},
		"npy":          {"\x93NUMPY\x01\x00v\x00{'descr': '<f4'", "a NumPy array"},
		"keras":        {archive(t, "metadata.json", "config.json", "model.weights.h5"), "a Keras file"},
		"zip":          {archive(t, "readme.txt"), "a ZIP archive"},
		"gguf":         {"GGUF\x03\x00\x00\x00", "a GGUF file, as llama.cpp uses"},
		"hdf5":         {"\x89HDF\r\n\x1a\n\x00", "an HDF5 file, perhaps of Keras"},
		"tflite":       {"\x1c\x00\x00\x00TFL3\x14\x00", "a TensorFlow Lite model"},
		"lfs":          {"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "a pointer of Git LFS, not the file that it stands for"},
		"html":         {"\n<!DOCTYPE html><html>", "a web page, as servers send in place of a file that is not there or wants a login"},
		"gzip":         {"\x1f\x8b\x08\x00", "compressed by gzip"},
		"safetensors":  {"\x40\x00\x00\x00\x00\x00\x00\x00{\"a\":{}}", "a safetensors file"},
		"length 80 05": {"\x80\x05\x00\x00\x00\x00\x00\x00{\"a\":{}}", "a safetensors file"},
		"length 1f 8b": {"\x1f\x8b\x00\x00\x00\x00\x00\x00{\"a\":{}}", "a safetensors file"},
		"onnx":         {"\x08\x08\x12\x07pytorch", "an ONNX model"},
		"json":         {`{"weight_map": {}}`, "a JSON text, perhaps the index of weights in several files"},
		"nothing":      {"", ""},
		"noise":        {strings.Repeat("\x07\xfe", 40), ""},
		"short":        {"PK\x03\x04", "a PyTorch file, or another ZIP archive"},
	} {
		if k := Of([]byte(c[0])); k.Name != c[1] {
			t.Errorf("%s: %q, want %q", name, k.Name, c[1])
		}
	}
}
