/** The command that starts this program, in a checkout or installed. */

export const IS_CHECKOUT = import.meta.url.endsWith(".ts");
/** The program's name in commands that messages recommend. */
export const FERRULE = IS_CHECKOUT ? "npx ferrule" : "ferrule";
