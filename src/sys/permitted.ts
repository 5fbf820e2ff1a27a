/** What this process may do here, found out by trying it. */
import { FerruleError } from "#kit/errors.ts";
import { NetworkNamespace } from "./namespace.ts";
import { Tap } from "./tap.ts";

/** Returns the error of `attempt` instead of throwing it; mistakes in the program are still thrown. */
const problemOf = (attempt: () => void): FerruleError | undefined => {
  try {
    attempt();
    return undefined;
  } catch (error) {
    if (error instanceof FerruleError) return error;
    throw error;
  }
};

/** Why this process cannot make network namespaces; undefined when it can. */
export const whyNoNamespace = (): FerruleError | undefined =>
  problemOf(() => NetworkNamespace.create()[Symbol.dispose]());

const openAndClose = (): void => Tap.open(`ferrule${process.pid}`)[Symbol.dispose]();

/**
 * Why this process cannot make TAPs; undefined when it can. Tries it in a namespace of its own where it can make one, so that
 * nobody sees the interface come and go.
 */
export const whyNoTap = (): FerruleError | undefined =>
  problemOf(() => {
    if (whyNoNamespace() !== undefined) return openAndClose();
    using namespace = NetworkNamespace.create();
    return namespace.within(openAndClose);
  });
