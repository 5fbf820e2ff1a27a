/** The command by which this program is called: from a checkout, or installed. */

export const IS_CHECKOUT = import.meta.url.endsWith(".ts");
/** For commands in messages. */
export const FERRULE = IS_CHECKOUT ? "npx ferrule" : "ferrule";
