/**
 * Where this program may keep files of its own. Plain JavaScript, because bin/ferrule.mjs needs it before any types are
 * stripped.
 */
import { statSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const MODULES = fileURLToPath(new URL("../../node_modules", import.meta.url));

/**
 * The user whom a path belongs to; for one that does not exist, whom the nearest folder above it belongs to.
 * @type {(path: string) => number | undefined}
 */
const ownerOf = (path) => {
  try {
    return statSync(path, { throwIfNoEntry: false })?.uid ?? ownerOf(dirname(path));
  } catch {
    return undefined;
  }
};

/**
 * Whether what this process makes there has the owner of everything around it. Under sudo it would be root's, in a checkout
 * or a home that is not: npm of the owner cannot remove it.
 * @type {(path: string) => boolean}
 */
const isOurs = (path) => ownerOf(path) === process.geteuid?.();

/** The home in the user database. Under sudo, HOME may still be the caller's. */
const homeOfUser = () => {
  try {
    return userInfo().homedir;
  } catch {
    return undefined;
  }
};

/** The user's cache folder, `~/.cache` or XDG_CACHE_HOME; undefined where the user has none. @type {() => string | undefined} */
export const userCache = () => {
  const homes = [homedir(), homeOfUser()].filter((home) => home !== undefined);
  const folders = [process.env["XDG_CACHE_HOME"], ...homes.map((home) => join(home, ".cache"))];
  return folders.find((folder) => folder !== undefined && folder.startsWith("/") && isOurs(folder));
};

/**
 * Where Node keeps the code of a checkout without its types: in its node_modules, where `npm ci` removes it, when they are
 * this user's, and with the user's other caches when not. Undefined where neither can be.
 * @type {() => string | undefined}
 */
export const compileCache = () => {
  const inside = join(MODULES, ".cache", "ferrule");
  if (isOurs(inside)) return inside;
  const folder = userCache();
  return folder === undefined ? undefined : join(folder, "ferrule", "compiled");
};
