/** Preloaded by npm's scripts: processes that they start load type-stripped code from Node's compile cache. */
import { compileCache } from "../src/app/cache-folder.js";

const folder = compileCache();
if (folder !== undefined) process.env.NODE_COMPILE_CACHE ??= folder;
