/** Makes gpu (navigator.gpu, unless given) reachable for the Go program in
 * instance. Call it before go.run(instance). */
export function install(instance: WebAssembly.Instance, gpu?: unknown): void;
