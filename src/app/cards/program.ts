/** How this program is called where it runs: from a checkout, or installed. */

/** For commands that people are told to type. */
export const FERRULE = import.meta.url.endsWith(".ts") ? "npx ferrule" : "ferrule";
