/** Preloaded by npm's scripts: processes that are started from here find code without its types in Node's compile cache. */
import { compileCache } from "../src/app/cache-folder.js";

const folder = compileCache();
if (folder !== undefined) process.env.NODE_COMPILE_CACHE ??= folder;
