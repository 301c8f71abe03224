package main

import "syscall/js"

// cpuMs is the processor time that this process has used, in milliseconds; a
// software adapter's is in it. It says more than the clock does where others share
// the machine, though idle workers that spin are in it as well. 0 outside Node.
func cpuMs() float64 {
	p := js.Global().Get("process")
	if p.Type() != js.TypeObject || p.Get("cpuUsage").Type() != js.TypeFunction {
		return 0
	}
	u := p.Call("cpuUsage")
	return (u.Get("user").Float() + u.Get("system").Float()) / 1000
}
