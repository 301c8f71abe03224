//go:build js && wasm

// Command weft-import makes an export for the web of an ONNX file, in a browser:
// for the lab's Photo view, which loads it when somebody opens such a file. It is
// apart from the lab's engine so that nobody else downloads it.
package main

import (
	"fmt"
	"syscall/js"

	"github.com/weft-ml/weft/format/web/webonnx"
)

func main() {
	js.Global().Set("weftConvert", js.FuncOf(func(_ js.Value, args []js.Value) (out any) {
		result := js.Global().Get("Object").New()
		defer func() {
			if r := recover(); r != nil {
				result.Set("error", fmt.Sprintf("the importer has a mistake: %v", r))
				out = result
			}
		}()
		b := make([]byte, args[0].Length())
		js.CopyBytesToGo(b, args[0])
		files, err := webonnx.Convert(b, webonnx.ConvertOptions{Title: args[1].String(), ClassNames: args[2].String(), Normalize: args[3].String()})
		if err != nil {
			result.Set("error", err.Error())
			return result
		}
		list := js.Global().Get("Object").New()
		for _, f := range files {
			a := js.Global().Get("Uint8Array").New(len(f.Data))
			js.CopyBytesToJS(a, f.Data)
			list.Set(f.Name, a)
		}
		result.Set("files", list)
		return result
	}))
	js.Global().Call("weftReady")
	select {}
}
