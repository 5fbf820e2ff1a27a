/** Before the library's own code, which an older Node cannot read: one line instead of a syntax error. */
import { NEEDED, isNewEnough } from "./node-version.mjs";

if (!isNewEnough(process.versions.node)) {
  const error = new Error(`ferrule's library needs Node ${NEEDED} or newer; this is ${process.versions.node}`);
  error.code = "NODE_TOO_OLD";
  error.hint = `Run the program with Node ${NEEDED}; the package node-linux-${process.arch} brings one.`;
  // Where it was thrown says nothing: it is the import that failed.
  error.stack = error.message;
  throw error;
}
