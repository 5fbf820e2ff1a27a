/**
 * Traces each access to a device in the datasheet's terms, with its consequences. Tracing wraps the device's `Target`,
 * so it costs nothing when it is off. docs/trace.md describes the two formats.
 */
import { ChipCmd, Cmd, Poll } from "#chip/registers.ts";
import { decode } from "#chip/bits.ts";
import type { GuestMemory, RegionName, Target } from "#kit/target.ts";
import { type RegisterNames, type CoveredRegister, registerText } from "./register-names.ts";
import type { Offence } from "./strict.ts";

export type TraceFormat = "text" | "json";

/** Events other than accesses. */
export type TraceEvent =
  | { readonly event: "connect" | "disconnect" | "reset" | "power" | "wake" }
  | { readonly event: "map" | "unmap"; readonly address: number; readonly length: number; readonly access?: string }
  | { readonly event: "interrupt"; readonly vector: number }
  | { readonly event: "offence"; readonly name: string; readonly where: number; readonly because: string }
  | { readonly event: "fault" | "link"; readonly what: string };

export interface TraceOptions {
  readonly format: TraceFormat;
  /** Time in microseconds. */
  readonly clock: { now(): number };
  /** Takes one line, without newline. */
  readonly write: (line: string) => void;
}

/** Names of registers to which any write makes the chip read a transmit ring. */
const DOORBELL = /^(TPPOLL|SW_TAIL_PTR|SW_TAIL_PTR_V6|TX_PTR_V4)\d*$/;
/** Bits of TxPoll that make the chip read a transmit ring. */
const POLL = Poll.normalPriority | Poll.highPriority;

const hex = (value: number, digits = 1): string => `0x${value.toString(16).padStart(digits, "0")}`;
const regionText = (region: RegionName): string => (region === "config" ? "config" : `bar${region}`);

/** Consequences of a write that do not depend on the chip's state. */
const consequences = ({ entry, value }: CoveredRegister, region: RegionName): readonly string[] => {
  if (region === "config") return [];
  if (entry.offset === ChipCmd && (value & Cmd.reset) !== 0) return ["reset"];
  const rung = entry.name === "TxPoll" ? (value & POLL) !== 0 : DOORBELL.test(entry.name);
  return rung ? ["doorbell"] : [];
};

/** Writes lines; one instance for a whole server and all its clients. */
export class Trace {
  readonly #options: TraceOptions;
  readonly #start: number;
  /** Sequence number of the present client; 0 if there is none. */
  client = 0;
  /**
   * The accesses in progress, innermost last. There may be several, because the guest may run while the device fetches
   * memory.
   */
  readonly #under: { readonly effects: string[]; readonly events: TraceEvent[] }[] = [];

  constructor(options: TraceOptions) {
    this.#options = options;
    this.#start = options.clock.now();
  }

  /** Wraps a device so that it is traced. */
  wrap(target: Target, names: RegisterNames): Target {
    return new TracedTarget(target, names, this);
  }

  /**
   * An event between accesses gets its own line. During an access, interrupts and offences are listed as its
   * consequences, and events that need their own line follow it.
   */
  emit(event: TraceEvent): void {
    const access = this.#under.at(-1);
    if (access === undefined) this.#write(event);
    else if (event.event === "interrupt") access.effects.push(`interrupt ${event.vector}`);
    else {
      if (event.event === "offence") access.effects.push(`offence ${event.name}`);
      access.events.push(event);
    }
  }

  offence({ name, where, because }: Pick<Offence, "name" | "where" | "because">): void {
    this.emit({ event: "offence", name, where, because });
  }

  /** Call when an access begins. Interrupts and offences until its `end` are listed as its consequences. */
  begin(): void {
    this.#under.push({ effects: [], events: [] });
  }

  end(names: RegisterNames, write: boolean, region: RegionName, offset: number, width: 1 | 2 | 4, value: number): void {
    const { effects, events } = this.#under.pop() ?? { effects: [], events: [] };
    const covered = names.covered(region, offset, width, value);
    if (write) effects.unshift(...covered.flatMap((each) => consequences(each, region)));
    if (this.#options.format === "json") {
      const registers = covered.map(registerJson);
      const place = { region: regionText(region), offset, width: 8 * width, value };
      this.#json({ event: write ? "write" : "read", ...place, registers, effects });
    } else {
      const place = `${regionText(region)}+${hex(offset, 2)}`;
      const names = covered.map(registerText).join(", ");
      const what = `${write ? "write" : "read"}${8 * width}`.padEnd(8);
      const results = effects.length === 0 ? "" : `  -> ${effects.join(", ")}`;
      this.#line(`${what}${place.padEnd(12)} ${hex(value, 2 * width).padEnd(10)}  ${names || "?"}${results}`);
    }
    for (const event of events) this.#write(event);
  }

  #write(event: TraceEvent): void {
    if (this.#options.format === "json") this.#json(event);
    else this.#line(eventText(event));
  }

  /** Microseconds since the trace began. */
  #now(): number {
    return Math.round(this.#options.clock.now() - this.#start);
  }

  #line(text: string): void {
    const seconds = (this.#now() / 1e6).toFixed(6).padStart(13);
    this.#options.write(`${seconds} ${this.client === 0 ? "-" : this.client}  ${text}`);
  }

  #json(record: object): void {
    this.#options.write(JSON.stringify({ micros: this.#now(), client: this.client, ...record }));
  }
}

const registerJson = ({ entry, value, whole }: CoveredRegister): object => ({
  name: entry.name,
  value,
  ...(entry.fields === undefined ? {} : { fields: Object.fromEntries(decode(value, entry.fields)) }),
  ...(whole ? {} : { part: true }),
});

const eventText = (event: TraceEvent): string => {
  switch (event.event) {
    case "map":
    case "unmap":
      return `dma ${event.event} ${hex(event.address)} to ${hex(event.address + event.length)} ${event.access ?? ""}`.trimEnd();
    case "interrupt":
      return `interrupt ${event.vector}`;
    case "offence":
      return `offence ${event.name} at ${hex(event.where)}: ${event.because}`;
    case "fault":
    case "link":
      return `${event.event} ${event.what}`;
    case "connect":
    case "disconnect":
    case "reset":
    case "power":
    case "wake":
      return event.event;
    default:
      return event satisfies never;
  }
};

/** Forwards every call, and records accesses, resets, power cycles and interrupts. */
class TracedTarget implements Target {
  readonly #target: Target;
  readonly #names: RegisterNames;
  readonly #trace: Trace;

  constructor(target: Target, names: RegisterNames, trace: Trace) {
    this.#target = target;
    this.#names = names;
    this.#trace = trace;
  }

  size(region: RegionName): number {
    return this.#target.size(region);
  }

  read(region: RegionName, offset: number, width: 1 | 2 | 4): number {
    this.#trace.begin();
    const value = this.#target.read(region, offset, width);
    this.#trace.end(this.#names, false, region, offset, width, value);
    return value;
  }

  write(region: RegionName, offset: number, width: 1 | 2 | 4, value: number): void {
    this.#trace.begin();
    this.#target.write(region, offset, width, value);
    this.#trace.end(this.#names, true, region, offset, width, value);
  }

  reset(): void {
    this.#trace.emit({ event: "reset" });
    this.#target.reset();
  }

  powerCycle(): void {
    this.#trace.emit({ event: "power" });
    this.#target.powerCycle();
  }

  detach(): void {
    this.#target.detach();
  }

  memoryChanged(): void {
    this.#target.memoryChanged();
  }

  asserted(): boolean {
    return this.#target.asserted();
  }

  attach(memory: GuestMemory, raise: (vector: number) => void): void {
    this.#target.attach(memory, (vector) => {
      this.#trace.emit({ event: "interrupt", vector });
      raise(vector);
    });
  }
}
