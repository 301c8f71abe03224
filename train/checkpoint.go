// A checkpoint is one safetensors file, so that other tools can read the
// weights, and is replaced as a whole, so that a crash or a full disk costs at
// most the steps since the last one. Everything that is not a tensor is in the
// file's metadata as JSON, one key for each kind of thing.

package train

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/weft-ml/weft/format/safetensors"
	"github.com/weft-ml/weft/internal/atomicfile"
	"github.com/weft-ml/weft/nn"
	"github.com/weft-ml/weft/tensor"
)

// FormatVersion is of the metadata. Files of a later version are refused,
// since what is unknown in them may matter. Since version 2 files have a sum.
const (
	FormatVersion = 2
	summedVersion = 2
)

// Tensors of a checkpoint beside the model's own, which have plain names.
const (
	optimizerPrefix = "optimizer."
	averagePrefix   = "ema."
)

// MaxClasses is how many classes a file may name.
const MaxClasses = 1 << 12

// ErrCheckpoint is in the error of a file that is no checkpoint of ours, or
// does not fit the model.
var ErrCheckpoint = errors.New("checkpoint does not fit")

// ErrForeign is in the error of a safetensors file of another program: weights
// without a word about the network.
var ErrForeign = fmt.Errorf("%w: it has no weft metadata, so it is a safetensors file of another program", ErrCheckpoint)

// Info is what a checkpoint says besides its tensors.
type Info struct {
	// Kind is "checkpoint" for a file from which training can go on and
	// "model" for one that holds only the weights to use.
	Kind          string
	Recipe        string
	Options       Options
	Preprocessing Preprocessing
	Classes       []string
	Data          DataInfo
	State         State
	// Layers describe the network where the recipe leaves that open.
	Layers []Layer
	// Graph is the structure of an imported network, in its format.
	Graph []byte
	// Test is the result on the test set, of a finished run's model.
	Test *Score
	// Machine is what did the arithmetic: other machines round otherwise.
	Machine string
	// Summed is false for files of older versions, which have no sum.
	Summed bool
}

func (i *Info) metadata() (map[string]string, error) {
	m := map[string]string{"format": "pt", "weft.version": strconv.Itoa(FormatVersion), "weft.kind": i.Kind, "weft.recipe": i.Recipe}
	for k, v := range i.parts() {
		b, err := json.Marshal(v)
		if err != nil {
			return nil, fmt.Errorf("checkpoint metadata %s: %w", k, err)
		}
		m[k] = string(b)
	}
	if len(i.Layers) > 0 {
		b, err := json.Marshal(i.Layers)
		if err != nil {
			return nil, fmt.Errorf("checkpoint metadata weft.layers: %w", err)
		}
		m["weft.layers"] = string(b)
	}
	if i.Machine != "" {
		m["weft.machine"] = i.Machine
	}
	if len(i.Graph) > 0 {
		m["weft.graph"] = base64.StdEncoding.EncodeToString(i.Graph)
	}
	return m, nil
}

func (i *Info) parts() map[string]any {
	return map[string]any{
		"weft.options": &i.Options, "weft.preprocessing": &i.Preprocessing, "weft.classes": &i.Classes,
		"weft.data": &i.Data, "weft.state": &i.State, "weft.test": &i.Test,
	}
}

func parseInfo(path string, m map[string]string) (*Info, error) {
	v, ok := m["weft.version"]
	if !ok {
		return nil, fmt.Errorf("%s: %w", path, ErrForeign)
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 {
		return nil, fmt.Errorf("%w: %s says format version %q", ErrCheckpoint, path, v)
	}
	if n > FormatVersion {
		return nil, fmt.Errorf("%w: %s has format version %d, this program reads up to %d; use a newer weft", ErrCheckpoint, path, n, FormatVersion)
	}
	i := &Info{Kind: m["weft.kind"], Recipe: m["weft.recipe"], Machine: m["weft.machine"], Summed: m[safetensors.SumKey] != ""}
	if n >= summedVersion && !i.Summed {
		return nil, fmt.Errorf("%w: %s has no sum, which files of format version %d have: it is damaged, or other programs have changed it", ErrCheckpoint, path, n)
	}
	if i.Kind != "checkpoint" && i.Kind != "model" {
		return nil, fmt.Errorf("%w: %s is of unknown kind %q", ErrCheckpoint, path, i.Kind)
	}
	for k, dst := range i.parts() {
		text, ok := m[k]
		if !ok {
			return nil, fmt.Errorf("%w: %s lacks the metadata %s", ErrCheckpoint, path, k)
		}
		if err := json.Unmarshal([]byte(text), dst); err != nil {
			return nil, fmt.Errorf("%w: %s: metadata %s: %v", ErrCheckpoint, path, k, err)
		}
	}
	if text, ok := m["weft.layers"]; ok {
		if err := json.Unmarshal([]byte(text), &i.Layers); err != nil {
			return nil, fmt.Errorf("%w: %s: metadata weft.layers: %v", ErrCheckpoint, path, err)
		}
	}
	if i.Graph, err = base64.StdEncoding.DecodeString(m["weft.graph"]); err != nil {
		return nil, fmt.Errorf("%w: %s: metadata weft.graph: %v", ErrCheckpoint, path, err)
	}
	if err := i.Preprocessing.Check(); err != nil {
		return nil, fmt.Errorf("%w: %s: %v", ErrCheckpoint, path, err)
	}
	if len(i.Classes) == 0 || len(i.Classes) > MaxClasses {
		return nil, fmt.Errorf("%w: %s names %d classes, 1 to %d are possible", ErrCheckpoint, path, len(i.Classes), MaxClasses)
	}
	if err := i.Options.Check(); err != nil {
		return nil, fmt.Errorf("%w: %s: options: %v", ErrCheckpoint, path, err)
	}
	if s := &i.State; s.Epoch < 0 || s.Batch < 0 || s.Step < 0 {
		return nil, fmt.Errorf("%w: %s: epoch %d, batch %d, step %d", ErrCheckpoint, path, s.Epoch, s.Batch, s.Step)
	}
	return i, nil
}

func writeFile(path string, write func(io.Writer) error) error {
	return atomicfile.Write(path, 0, write)
}

// save writes variables and info to path as one step. The file that was there
// before is kept under the name kept, unless that is empty.
func save(path, kept string, info *Info, vars []nn.Param) error {
	return encode(info, vars, func(write func(io.Writer) error) error { return atomicfile.WriteKeeping(path, kept, 0, write) })
}

// WriteModel writes m's variables to w with info, whose kind it makes "model":
// the file that LoadModel reads.
func WriteModel(w io.Writer, m nn.Module, info Info) error {
	info.Kind = "model"
	return encode(&info, nn.Params(m), func(write func(io.Writer) error) error { return write(w) })
}

// encode reads the variables and only then lets out write the file.
func encode(info *Info, vars []nn.Param, out func(func(io.Writer) error) error) error {
	meta, err := info.metadata()
	if err != nil {
		return err
	}
	ts := make([]safetensors.Tensor, len(vars))
	for i, v := range vars {
		switch v.Value.DType() {
		case tensor.Float32:
			x, err := v.Value.Read()
			if err != nil {
				return err
			}
			ts[i] = safetensors.Float32(v.Name, v.Value.Shape(), x)
		case tensor.Int32:
			x, err := v.Value.ReadInts()
			if err != nil {
				return err
			}
			ts[i] = safetensors.Int32(v.Name, v.Value.Shape(), x)
		default:
			return fmt.Errorf("variable %q has type %v, which checkpoints do not hold", v.Name, v.Value.DType())
		}
	}
	return out(func(w io.Writer) error { return safetensors.WriteSummed(w, ts, meta) })
}

// prefixed returns vars with names that begin with prefix.
func prefixed(prefix string, vars []nn.Param) []nn.Param {
	out := make([]nn.Param, len(vars))
	for i, v := range vars {
		v.Name = prefix + v.Name
		out[i] = v
	}
	return out
}

// load fills vars from f. Nothing is changed unless all of them fit; ignore
// says which other tensors of the file are none of the caller's business.
func load(path string, f *safetensors.File, vars []nn.Param, ignore func(name string) bool) error {
	r, err := nn.Load(vars, f, nn.LoadOptions{Ignore: ignore})
	if err == nil && !r.Complete() {
		err = fmt.Errorf("%w: %s: %s", ErrCheckpoint, path, strings.ReplaceAll(r.String(), "\n", "; "))
	}
	return err
}

// ReadInfo returns what the checkpoint at path says besides its tensors.
func ReadInfo(path string) (*Info, error) {
	f, info, err := openFile(path)
	if err != nil {
		return nil, err
	}
	return info, f.Close()
}

// LoadModel builds the model that the file at path belongs to and fills it
// with the weights to use: averaged ones where the file holds such.
func LoadModel(path string) (nn.Module, *Info, error) {
	f, info, err := openFile(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	return readModel(path, f, info)
}

// ReadModel is LoadModel for a file in memory; name is for its errors.
func ReadModel(name string, r io.ReaderAt, size int64) (nn.Module, *Info, error) {
	f, err := safetensors.Parse(r, size)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	info, err := verified(name, f)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	return readModel(name, f, info)
}

func readModel(path string, f *safetensors.File, info *Info) (nn.Module, *Info, error) {
	r, err := Find(info.Recipe)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	spec := specOf(info.Preprocessing, len(info.Classes), info.Options)
	spec.Layers, spec.Graph = info.Layers, info.Graph
	m, err := r.Build(spec)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	vars, ignore := stored(f, nn.Params(m))
	if err := load(path, f, vars, ignore); err != nil {
		return nil, nil, err
	}
	return m, info, nil
}

// stored are vars under the names by which f holds the weights to use, which
// are averaged ones where there are such, and what else of f is to be ignored.
func stored(f *safetensors.File, vars []nn.Param) (named []nn.Param, ignore func(name string) bool) {
	prefix := ""
	if slices.ContainsFunc(f.Names(), func(n string) bool { return strings.HasPrefix(n, averagePrefix) }) {
		prefix = averagePrefix
	}
	plain := map[string]bool{}
	for _, v := range vars {
		plain[v.Name] = prefix != ""
	}
	return prefixed(prefix, vars), func(name string) bool { return plain[name] || strings.HasPrefix(name, optimizerPrefix) }
}

func specOf(p Preprocessing, classes int, o Options) Spec {
	return Spec{
		Channels: p.Channels, Height: p.Height, Width: p.Width, Classes: classes,
		Options: o, Seed: derive(o.Seed, purposeInit, 0),
	}
}
