import type { Model, Picture, Pixels } from "./model.js";

type Input = Model["info"]["input"];

/** The model's pixels, [height][width][channel] from 0 to 255, of a picture. */
export function fitted(input: Input, x: Picture | Pixels): Promise<Uint8Array | Float32Array>;
/** Pixels as the network's input, [channel][height][width]. */
export function normalised(input: Input, pixels: ArrayLike<number>): Float32Array<ArrayBuffer>;
