// The player is plain JavaScript; this is what the worker needs of it.
declare module '*/player/bridge.js' {
  /** Makes navigator.gpu reachable for the Go program in instance. */
  export function install(instance: WebAssembly.Instance, gpu?: unknown): void;
}
