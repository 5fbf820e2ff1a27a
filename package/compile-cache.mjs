/** npm's scripts preload this file. Their processes then load code without types from Node's compile cache. */
import { compileCache } from "../src/app/cache-folder.js";

const folder = compileCache();
if (folder !== undefined) process.env.NODE_COMPILE_CACHE ??= folder;
