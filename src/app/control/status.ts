/** What a running `ferrule up` says of itself, over its control socket. */
import { DRIVER_COUNTERS, type Statistics, WIRE_COUNTERS } from "../counters.ts";
import type { SessionFacts } from "../session.ts";
import { BadReply } from "./exchange.ts";

export interface Status {
  /** The interface's name when it was made; the control socket's name is made from it. */
  readonly interface: string;
  /** Its name now. */
  readonly now: string;
  readonly device: string;
  /** Absent where the wire is somebody else's. */
  readonly wire?: string | undefined;
  readonly pid: number;
  /** Seconds since the command was started. */
  readonly upSeconds: number;
  /** Absent while it is being brought up. */
  readonly facts?: SessionFacts | undefined;
  readonly statistics?: Statistics | undefined;
}

const hasAll = (value: unknown, names: readonly string[], type: "string" | "number"): boolean =>
  typeof value === "object" && value !== null && names.every((name) => typeof Reflect.get(value, name) === type);

const isFacts = (value: unknown): boolean =>
  hasAll(value, ["device", "chip", "mac", "interfaceName"], "string") && hasAll(value, ["xid", "ringSlots"], "number");

/** The other end may be anybody's process: checked before anything is read. @throws {BadReply} */
export const parseStatus = (value: object): Status => {
  const { facts, statistics } = value as Partial<Status>;
  const isStatus =
    hasAll(value, ["interface", "now", "device"], "string") &&
    hasAll(value, ["pid", "upSeconds"], "number") &&
    (facts === undefined || isFacts(facts)) &&
    (statistics === undefined || hasAll(statistics, [...DRIVER_COUNTERS, ...WIRE_COUNTERS], "number"));
  if (!isStatus) throw new BadReply("the reply is no status");
  return value as Status;
};
