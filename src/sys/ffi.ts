/** The only place that uses node:ffi: loads it, or explains why it cannot be loaded. */
import type * as NodeFfi from "node:ffi";
import { FerruleError } from "#kit/errors.ts";

/** The oldest Node with whose FFI this room was tested. */
export const MINIMUM_NODE = "26.10.0";

/** The C library cannot be called: Node is too old, or FFI is disabled. */
export class FfiUnavailable extends FerruleError {
  readonly code = "FFI_UNAVAILABLE";
  readonly hint: string;
  constructor(what: string, hint: string, options?: ErrorOptions) {
    super(what, options);
    this.hint = hint;
  }
}

type Ffi = typeof NodeFfi;

/** Compares dotted versions number by number. */
export const isAtLeast = (version: string, minimum: string): boolean => {
  const [have, need] = [version, minimum].map((v) => v.split(".").map((part) => Number.parseInt(part, 10)));
  for (const [i, part] of need!.entries()) {
    const mine = have![i] ?? 0;
    if (mine !== part) return mine > part;
  }
  return true;
};

/**
 * Runs `load` without the warning that FFI "is an experimental feature", because only this room uses FFI. Other
 * warnings are shown.
 */
const withoutFfiWarning = <T>(load: () => T): T => {
  const own = Object.getOwnPropertyDescriptor(process, "emitWarning");
  if (own === undefined) return load();
  const original = own.value as (...warning: readonly unknown[]) => void;
  const value = (...warning: readonly unknown[]): void => {
    const [message, type] = warning;
    if (type === "ExperimentalWarning" && String(message).startsWith("FFI ")) return;
    Reflect.apply(original, process, warning);
  };
  Object.defineProperty(process, "emitWarning", { ...own, value });
  try {
    return load();
  } finally {
    Object.defineProperty(process, "emitWarning", own);
  }
};

const whyMissing = (): FfiUnavailable => {
  const version = process.versions.node;
  if (!isAtLeast(version, MINIMUM_NODE))
    return new FfiUnavailable(
      `Node ${version} cannot call the C library`,
      `Use Node ${MINIMUM_NODE} or newer: \`npm ci\` installs one under node_modules/.bin.`,
    );
  return new FfiUnavailable(
    `Node ${version} was started without FFI`,
    "Remove --no-experimental-ffi from the command line and from NODE_OPTIONS.",
  );
};

const load = (): Ffi | FfiUnavailable => {
  try {
    // SAFETY: loading the module accesses no memory. Its functions are used only in this room, and every use says why
    // it is safe.
    const loaded = withoutFfiWarning(() => process.getBuiltinModule("node:ffi") as Ffi | undefined);
    if (loaded === undefined) return whyMissing();
    // With Node's permission model enabled, the module loads but rejects each call, so one call is tried here.
    loaded.dlopen(null, {});
    return loaded;
  } catch (cause) {
    return new FfiUnavailable(
      `FFI cannot be used: ${(cause as Error).message}`,
      "Under --permission, start Node with --allow-ffi as well.",
      { cause },
    );
  }
};

const loaded = load();

/** Why the C library cannot be called; undefined if it can. */
export const ffiProblem = (): FfiUnavailable | undefined => (loaded instanceof FfiUnavailable ? loaded : undefined);

/** The module. @throws {FfiUnavailable} if it is not available */
export const ffi = (): Ffi => {
  if (loaded instanceof FfiUnavailable) throw loaded;
  return loaded;
};

/**
 * Binds functions of the C library. Importing this room never fails. Without FFI, each function throws `FfiUnavailable`
 * when it is called, so a program can still start and report the problem.
 */
export const bindLibrary = <const T extends NodeFfi.FunctionDefinitions>(
  definitions: T,
): NodeFfi.DynamicLibraryResult<T>["functions"] => {
  // SAFETY: the definitions are the table in libc.ts, which has each function's C prototype.
  if (!(loaded instanceof FfiUnavailable)) return loaded.dlopen(null, definitions).functions;
  const refuse = (): never => {
    throw loaded;
  };
  return Object.fromEntries(
    Object.keys(definitions).map((name) => [name, refuse]),
  ) as unknown as NodeFfi.DynamicLibraryResult<T>["functions"];
};
