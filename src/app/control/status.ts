/** Status of a running `ferrule up`, from its control socket. */
import { DRIVER_COUNTERS, QUEUE_COUNTERS, type Statistics, WIRE_COUNTERS } from "../counters.ts";
import type { SessionFacts } from "../session.ts";
import { BadReply } from "./exchange.ts";

export interface Status {
  /** The interface's name at creation, from which the control socket's name is derived. */
  readonly interface: string;
  /** The interface's present name. */
  readonly now: string;
  readonly device: string;
  /** The far end of the wire; absent if the wire belongs to another process. */
  readonly wire?: string | undefined;
  readonly pid: number;
  /** Seconds since `ferrule up` was started. */
  readonly upSeconds: number;
  /** Facts about the NIC; absent while it is being brought up. */
  readonly facts?: SessionFacts | undefined;
  readonly statistics?: Statistics | undefined;
}

const hasAll = (value: unknown, names: readonly string[], type: "string" | "number"): boolean =>
  typeof value === "object" && value !== null && names.every((name) => typeof Reflect.get(value, name) === type);

const isFacts = (value: unknown): boolean => {
  const { queues, offloads } = (value ?? {}) as Partial<Record<keyof SessionFacts, unknown>>;
  return (
    hasAll(value, ["device", "chip", "mac", "interfaceName"], "string") &&
    hasAll(value, ["xid", "ringSlots"], "number") &&
    hasAll(queues, ["receive", "transmit"], "number") &&
    Array.isArray(offloads) &&
    offloads.every((name) => typeof name === "string")
  );
};

const isStatistics = (value: unknown): boolean => {
  const { queues } = (value ?? {}) as Partial<Record<keyof Statistics, unknown>>;
  const countAll = hasAll(value, [...DRIVER_COUNTERS, ...WIRE_COUNTERS], "number");
  return countAll && Array.isArray(queues) && queues.every((each) => hasAll(each, QUEUE_COUNTERS, "number"));
};

/** Checks a status, because the other end may be any process. @throws {BadReply} */
export const parseStatus = (value: object): Status => {
  const { wire, facts, statistics } = value as Partial<Record<keyof Status, unknown>>;
  const isStatus =
    hasAll(value, ["interface", "now", "device"], "string") &&
    hasAll(value, ["pid", "upSeconds"], "number") &&
    (wire === undefined || typeof wire === "string") &&
    (facts === undefined || isFacts(facts)) &&
    (statistics === undefined || isStatistics(statistics));
  if (!isStatus) throw new BadReply("the reply is not a status");
  return value as Status;
};
