// Package player holds the code that a page runs, for those who write pages: the
// player and what turns it into an exported model.
package player

import (
	"embed"
	"io/fs"
	"strings"
)

//go:embed player.js module/*.js module/*.ts page
var files embed.FS

// Module is the code of an exported model, one ES module without imports: the
// files of module/ behind the player. Nothing is done to them but to leave out
// what joins them, and comments.
func Module() []byte {
	var b strings.Builder
	b.WriteString("// A neural network for a web page, exported by Weft (weft export web). Types and\n// documentation are in model.d.ts.\n")
	for _, name := range []string{"player.js", "module/errors.js", "module/input.js", "module/module.js"} {
		for _, line := range strings.SplitAfter(withoutComments(read(name)), "\n") {
			if strings.HasPrefix(line, "import ") {
				continue
			}
			if name != "module/module.js" {
				line = strings.TrimPrefix(line, "export ")
			}
			b.WriteString(line)
		}
	}
	return []byte(b.String())
}

// withoutComments drops the lines that are nothing but comment: the files that
// visitors load need them as little as anything else that is not run.
func withoutComments(js string) string {
	var b strings.Builder
	inside := false
	for _, line := range strings.SplitAfter(js, "\n") {
		text := strings.TrimSpace(line)
		switch {
		case inside:
			inside = !strings.HasSuffix(text, "*/")
		case strings.HasPrefix(text, "/**"):
			inside = !strings.HasSuffix(text, "*/")
		case text == "" || strings.HasPrefix(text, "//"):
		default:
			b.WriteString(line)
		}
	}
	return b.String()
}

// The names of an exported model's code.
const (
	ModuleFile = "model.js"
	TypesFile  = "model.d.ts"
)

// Export is the code of an exported model by file name: what every model has
// beside its plan and weights. With page that includes a page that runs it.
func Export(page bool) map[string][]byte {
	m := map[string][]byte{ModuleFile: Module(), TypesFile: []byte(read("module/model.d.ts"))}
	if !page {
		return m
	}
	entries, err := files.ReadDir("page")
	if err != nil {
		panic(err) // The folder is part of the program.
	}
	for _, e := range entries {
		text := read("page/" + e.Name())
		if strings.HasSuffix(e.Name(), ".js") {
			text = withoutComments(text)
		}
		m[e.Name()] = []byte(text)
	}
	return m
}

func read(name string) string {
	b, err := fs.ReadFile(files, name)
	if err != nil {
		panic(err)
	}
	return string(b)
}
