/**
 * Imported before the library's own code, which an older Node cannot parse: the user then gets an error message of one
 * line instead of a syntax error.
 */
import { NEEDED, isNewEnough } from "./node-version.mjs";

if (!isNewEnough(process.versions.node)) {
  const error = new Error(`ferrule's library needs Node ${NEEDED} or newer; this is ${process.versions.node}`);
  error.code = "NODE_TOO_OLD";
  error.hint = `Run the program with Node ${NEEDED}; the package node-linux-${process.arch} brings one.`;
  // The stack is omitted: it would only show that importing the library has failed.
  error.stack = error.message;
  throw error;
}
