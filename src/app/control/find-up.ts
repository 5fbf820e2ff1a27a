/** Which `ferrule up` is meant by an interface's name: the one it was started with, or the one it has been given since. */
import { abstractListeners } from "#sys/abstract-socket.ts";
import { ask, NotRunning, type Status } from "./up-control.ts";
import { interfaceOf, plainAddress } from "./up-process.ts";

/** Milliseconds that everybody together may take to answer: others may have taken any number of names. */
const SEARCH_MILLIS = 4_000;

const statusOf = async (first: string): Promise<Status> => (await ask(first, { command: "status" })) as Status;

/** A `ferrule up` of this network namespace whose interface was renamed to `name`, if one says so. */
const renamedTo = async (name: string): Promise<Status | undefined> => {
  const end = performance.now() + SEARCH_MILLIS;
  for (const first of new Set(abstractListeners(plainAddress("")).map(interfaceOf))) {
    if (performance.now() >= end) return undefined;
    // Another user's, or one that does not answer: not to be commanded either.
    const status = await statusOf(first).catch(() => undefined);
    if (status?.now === name) return { ...status, interface: first };
  }
  return undefined;
};

/**
 * The status of the `ferrule up` whose interface is called `name`, or was when it was started. What it is called now goes
 * first: that is what users see.
 * @throws {NotRunning} {UntrustedPeer} {BadReply} {TookTooLong}
 */
export const findUp = async (name: string): Promise<Status> => {
  let first: Status | undefined;
  let none: NotRunning | undefined;
  try {
    first = await statusOf(name);
  } catch (error) {
    if (!(error instanceof NotRunning)) throw error;
    none = error;
  }
  if (first?.now === name) return { ...first, interface: name };
  const renamed = await renamedTo(name);
  if (renamed !== undefined) return renamed;
  if (first === undefined) throw none ?? new NotRunning(name);
  return { ...first, interface: name };
};
