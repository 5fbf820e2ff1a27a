/** Finds running `ferrule up` processes by the original or present name of their interface. */
import { abstractListeners } from "#sys/abstract-socket.ts";
import { UntrustedPeer } from "./exchange.ts";
import { parseStatus, type Status } from "./status.ts";
import { ask, NotRunning } from "./up-control.ts";
import { interfaceOf, plainAddress } from "./up-process.ts";

/**
 * Time limit in milliseconds for all replies together. It is needed because other users may have taken any number of
 * names.
 */
const SEARCH_MILLIS = 4_000;

/** Requests a status. In the result, `interface` is always the requested name, whatever the reply contains. */
const statusOf = async (first: string): Promise<Status> => ({
  ...parseStatus(await ask(first, { command: "status" })),
  interface: first,
});

/** Names with which `ferrule up` may have been started in this network namespace. */
const firstNames = (): readonly string[] => [...new Set(abstractListeners(plainAddress("")).map(interfaceOf))];

/** A `ferrule up` of this network namespace whose interface was renamed to `name`, if there is one. */
const renamedTo = async (name: string): Promise<Status | undefined> => {
  const end = performance.now() + SEARCH_MILLIS;
  for (const first of firstNames()) {
    if (performance.now() >= end) return undefined;
    // A process that belongs to another user or does not reply cannot be controlled anyway.
    const status = await statusOf(first).catch(() => undefined);
    if (status?.now === name) return status;
  }
  return undefined;
};

/**
 * The status of the `ferrule up` whose interface has, or had at its start, the name `name`. A present name takes
 * precedence over an original one, because users see the present one.
 * @throws {NotRunning} {UntrustedPeer} {BadReply} {TookTooLong}
 */
export const findUp = async (name: string): Promise<Status> => {
  const first = await statusOf(name).catch((error: unknown) => {
    if (error instanceof NotRunning) return error;
    throw error;
  });
  if (!(first instanceof NotRunning) && first.now === name) return first;
  const found = (await renamedTo(name)) ?? first;
  if (found instanceof NotRunning) throw found;
  return found;
};

/**
 * The status of every `ferrule up` in this network namespace that this user may control, with an error for each that
 * sends no status. Processes of other users are omitted.
 */
export const findAll = async (): Promise<{
  readonly found: readonly Status[];
  readonly errors: readonly unknown[];
}> => {
  const [found, errors]: [Status[], unknown[]] = [[], []];
  const end = performance.now() + SEARCH_MILLIS;
  for (const first of firstNames()) {
    if (performance.now() >= end) break;
    try {
      found.push(await statusOf(first));
    } catch (error) {
      // A process that has ended meanwhile is not an error.
      if (!(error instanceof UntrustedPeer || error instanceof NotRunning)) errors.push(error);
    }
  }
  return { found, errors };
};
