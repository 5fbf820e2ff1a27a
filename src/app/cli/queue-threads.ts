/** Whether one thread polls all queues of a NIC, or each queue has its own: `ferrule up --threads`. */
import { WrongUsage } from "../terminal/usage.ts";
import type { Device } from "./spec.ts";

export const THREADS = ["one", "each"] as const;
type Threads = (typeof THREADS)[number];

/** @throws {WrongUsage} */
export const parseThreads = (text: string): Threads => {
  const threads = THREADS.find((each) => each === text);
  if (threads === undefined) throw new WrongUsage(`--threads ${text}`, `Choose ${THREADS.join(" or ")}.`);
  return threads;
};

export interface QueuesInUse {
  readonly queues: number;
  readonly device: Device["kind"];
  /** Whether a capture of the host's side is written. */
  readonly captured: boolean;
}

/** The reason that the queues cannot have a thread each, and what to do; undefined if they can. */
const whyNot = ({ queues, device, captured }: QueuesInUse): readonly [string, string] | undefined => {
  if (queues === 1) return ["a NIC with one queue has one thread", "Add --queues, or omit --threads."];
  if (device === "vfio-user")
    return ["only one thread can access the registers of a device behind a socket", "Use --threads one."];
  return captured ? ["only one thread can write a capture of the host's side", "Use --threads one."] : undefined;
};

/** Whether each queue gets a thread of its own. @throws {WrongUsage} if that is requested and not possible */
export const hasQueueThreads = (typed: string, inUse: QueuesInUse): boolean => {
  if (parseThreads(typed) === "one") return false;
  const why = whyNot(inUse);
  if (why !== undefined) throw new WrongUsage(...why);
  return true;
};
