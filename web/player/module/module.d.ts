// The module's parts, for pages that are built with them; an exported model is
// one file, whose types are model.d.ts.
export * from "./model.js";
import type { Model } from "./model.js";

/** What an adapter is, as far as the browser says. */
export function describe(adapter: object): Model["info"]["adapter"];
