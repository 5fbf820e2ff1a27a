/**
 * Folders in which this program may keep files of its own. This module is plain JavaScript, because bin/ferrule.mjs
 * imports it before any types are stripped.
 */
import { statSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const MODULES = fileURLToPath(new URL("../../node_modules", import.meta.url));

/**
 * Returns the owner of a path. If the path does not exist, returns the owner of the nearest folder above it that does.
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
 * Whether a file that this process creates at the path has the same owner as the folder around it. Under sudo, a new
 * file in another user's checkout or home would belong to root, and that user's npm could not remove it.
 * @type {(path: string) => boolean}
 */
const isOurs = (path) => ownerOf(path) === process.geteuid?.();

/**
 * This user's home according to the user database. Under sudo, HOME may still name the home of the user who called
 * sudo.
 */
const homeOfUser = () => {
  try {
    return userInfo().homedir;
  } catch {
    return undefined;
  }
};

/**
 * The user's cache folder, XDG_CACHE_HOME or `~/.cache`; undefined if neither is this user's.
 * @type {() => string | undefined}
 */
export const userCache = () => {
  const homes = [homedir(), homeOfUser()].filter((home) => home !== undefined);
  const folders = [process.env["XDG_CACHE_HOME"], ...homes.map((home) => join(home, ".cache"))];
  return folders.find((folder) => folder !== undefined && folder.startsWith("/") && isOurs(folder));
};

/**
 * The folder in which Node keeps the code of a checkout without its types. If node_modules belongs to this user, the
 * folder is in node_modules, which `npm ci` empties. Otherwise it is in the user's cache folder. Undefined if neither
 * is possible.
 * @type {() => string | undefined}
 */
export const compileCache = () => {
  const inside = join(MODULES, ".cache", "ferrule");
  if (isOurs(inside)) return inside;
  const folder = userCache();
  return folder === undefined ? undefined : join(folder, "ferrule", "compiled");
};
