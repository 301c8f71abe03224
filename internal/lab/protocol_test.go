package lab

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// tsInterfaces reads the interfaces of the TypeScript file: field by field,
// name (with a ? where optional) to type.
func tsInterfaces(t *testing.T) (map[string][][2]string, string) {
	t.Helper()
	text, err := os.ReadFile("../../web/src/lib/protocol.ts")
	if err != nil {
		t.Fatal(err)
	}
	list := map[string][][2]string{}
	for _, m := range regexp.MustCompile(`(?s)export interface (\w+) \{\n(.*?)\n\}`).FindAllStringSubmatch(string(text), -1) {
		for _, line := range strings.Split(m[2], "\n") {
			name, typ, ok := strings.Cut(strings.TrimSuffix(strings.TrimSpace(line), ";"), ": ")
			if !ok {
				t.Fatalf("interface %s: line %q", m[1], line)
			}
			list[m[1]] = append(list[m[1]], [2]string{name, typ})
		}
	}
	return list, string(text)
}

// tsNames are the interfaces whose Go types have another name.
var tsNames = map[string]string{"Layer": "LayerSpec", "Activation": "ActivationValues"}

func tsType(typ reflect.Type) string {
	switch typ.Kind() {
	case reflect.Pointer:
		return tsType(typ.Elem())
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Float64:
		return "number"
	case reflect.Map:
		return "Record<string, " + tsType(typ.Elem()) + ">"
	case reflect.Slice:
		switch typ.Elem().Kind() {
		case reflect.Float32:
			return "Float32Array"
		case reflect.Uint32:
			return "Uint32Array"
		case reflect.Uint8:
			return "Uint8Array"
		}
		return tsType(typ.Elem()) + "[]"
	case reflect.Struct:
		if n := tsNames[typ.Name()]; n != "" {
			return n
		}
		return typ.Name()
	}
	return "no TypeScript type for " + typ.String()
}

// words are the unions of words that stand for strings.
var words = []string{"Optimizer", "Schedule", "DataSource", "DeviceChoice", "RunState", "'webgpu' | 'cpu'"}

func same(ts, goType string) bool {
	return ts == goType || goType == "string" && slices.Contains(words, ts)
}

func TestProtocolIsTheSameInTypeScript(t *testing.T) {
	ts, _ := tsInterfaces(t)
	used := map[string]bool{"Requests": true, "Events": true}
	var compare func(typ reflect.Type)
	compare = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map {
			typ = typ.Elem()
		}
		name := tsType(typ)
		if typ.Kind() != reflect.Struct || name == "Empty" || name == "LayerSpec" || used[name] {
			return
		}
		used[name] = true
		fields, ok := ts[name]
		if !ok {
			t.Errorf("protocol.ts has no interface %s", name)
			return
		}
		if len(fields) != typ.NumField() {
			t.Errorf("%s has %d fields in TypeScript, %d in Go", name, len(fields), typ.NumField())
		}
		for i := range min(len(fields), typ.NumField()) {
			f := typ.Field(i)
			want, option, _ := strings.Cut(f.Tag.Get("json"), ",")
			if option == "omitempty" {
				want += "?"
			}
			if fields[i][0] != want || !same(fields[i][1], tsType(f.Type)) {
				t.Errorf("%s: %s: %s in TypeScript, %s: %s in Go", name, fields[i][0], fields[i][1], want, tsType(f.Type))
			}
			compare(f.Type)
		}
	}
	compare(reflect.TypeFor[ErrorInfo]())
	if len(ts["Requests"]) != len(calls) {
		t.Errorf("%d requests in TypeScript, %d in Go", len(ts["Requests"]), len(calls))
	}
	for _, f := range ts["Requests"] {
		c, ok := calls[f[0]]
		if !ok {
			t.Errorf("Go has no request %s", f[0])
			continue
		}
		if want := "[" + tsType(c.request) + ", " + tsType(c.result) + "]"; f[1] != want {
			t.Errorf("request %s is %s in TypeScript, %s in Go", f[0], f[1], want)
		}
		compare(c.request)
		compare(c.result)
	}
	if len(ts["Events"]) != len(events) {
		t.Errorf("%d events in TypeScript, %d in Go", len(ts["Events"]), len(events))
	}
	for _, f := range ts["Events"] {
		e, ok := events[f[0]]
		if !ok {
			t.Errorf("Go has no event %s", f[0])
			continue
		}
		if f[1] != tsType(e) {
			t.Errorf("event %s is %s in TypeScript, %s in Go", f[0], f[1], tsType(e))
		}
		compare(e)
	}
	for name := range ts {
		if !used[name] {
			t.Errorf("protocol.ts has an interface %s, which no message uses", name)
		}
	}
}

// The unions of words are lists in Go.
func TestWordsAreTheSameInTypeScript(t *testing.T) {
	_, text := tsInterfaces(t)
	for name, want := range map[string][]string{
		"Activation": activations, "Optimizer": optimizers, "Schedule": schedules,
		"RunState": {Running, Paused, Done, Stopped, Lost}, "DataSource": {"mnist", "fashion", "synthetic", "auto"},
	} {
		m := regexp.MustCompile(`export type ` + name + ` = (.*);`).FindStringSubmatch(text)
		if m == nil {
			t.Errorf("protocol.ts has no type %s", name)
			continue
		}
		var got []string
		for _, w := range strings.Split(m[1], " | ") {
			got = append(got, strings.Trim(w, "'"))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s is %v in TypeScript, %v in Go", name, got, want)
		}
	}
	for _, o := range optimizers {
		c := config()
		c.Optimizer, c.Momentum = o, 0.9
		if _, err := c.options(); err != nil {
			t.Errorf("optimizer %s: %v", o, err)
		}
	}
}
