/** Permissions of this process, found by attempts. */
import { FerruleError } from "#kit/errors.ts";
import { NetworkNamespace } from "./namespace.ts";
import { Tap } from "./tap.ts";

/** Returns the error of `attempt` instead of throwing it. Programming errors are still thrown. */
const problemOf = (attempt: () => void): FerruleError | undefined => {
  try {
    attempt();
    return undefined;
  } catch (error) {
    if (error instanceof FerruleError) return error;
    throw error;
  }
};

/** Why this process cannot create network namespaces; undefined if it can. */
export const whyNoNamespace = (): FerruleError | undefined =>
  problemOf(() => NetworkNamespace.create()[Symbol.dispose]());

const openAndClose = (): void => Tap.open(`ferrule${process.pid}`)[Symbol.dispose]();

/**
 * Why this process cannot create TAPs; undefined if it can. If possible, a TAP is created in a new namespace, where it
 * does not disturb others.
 */
export const whyNoTap = (): FerruleError | undefined =>
  problemOf(() => {
    if (whyNoNamespace() !== undefined) return openAndClose();
    using namespace = NetworkNamespace.create();
    return namespace.within(openAndClose);
  });
