/** How this program is called where it runs: from a checkout, or installed. */

export const IS_CHECKOUT = import.meta.url.endsWith(".ts");
/** For commands that people are told to type. */
export const FERRULE = IS_CHECKOUT ? "npx ferrule" : "ferrule";
