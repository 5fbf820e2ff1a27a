/** Permissions of this process, determined by trying. */
import { FerruleError } from "#kit/errors.ts";
import { NetworkNamespace } from "./namespace.ts";
import { Tap } from "./tap.ts";

/** Returns the error of `attempt` instead of throwing it; programming errors are still thrown. */
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
 * Why this process cannot create TAPs; undefined if it can. Tries it in a new namespace if possible, where the
 * interface does not disturb others.
 */
export const whyNoTap = (): FerruleError | undefined =>
  problemOf(() => {
    if (whyNoNamespace() !== undefined) return openAndClose();
    using namespace = NetworkNamespace.create();
    return namespace.within(openAndClose);
  });
