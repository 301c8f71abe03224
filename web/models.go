// Package web holds the networks that come with the lab, for the command: the
// site has them too, but a program that was built without the site should know
// the same names.
package web

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
)

//go:embed public/models/models.json public/models/*.safetensors
var files embed.FS

// Model is a network that comes with the lab.
type Model struct {
	Name     string  `json:"name"`
	Title    string  `json:"title"`
	File     string  `json:"file"`
	Accuracy float64 `json:"accuracy"`
}

// Models lists them.
func Models() []Model {
	var list []Model
	b, err := files.ReadFile("public/models/models.json")
	if err == nil {
		err = json.Unmarshal(b, &list)
	}
	if err != nil {
		panic(err) // The list is part of the program.
	}
	return list
}

// ReadModel is the safetensors file of the model of that name. The error of an
// unknown name wraps fs.ErrNotExist.
func ReadModel(name string) ([]byte, error) {
	for _, m := range Models() {
		if m.Name == name {
			return files.ReadFile("public/models/" + m.File)
		}
	}
	return nil, fmt.Errorf("no built-in model %q: %w", name, fs.ErrNotExist)
}
