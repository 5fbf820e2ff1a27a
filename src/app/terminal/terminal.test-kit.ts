/** Fakes for tests of the command: a terminal that records its output, and a session without threads. */
import type { Session, SessionEvent, SessionFacts } from "../session.ts";
import {
  type CounterName,
  DRIVER_COUNTERS,
  QUEUE_COUNTERS,
  type QueueCounts,
  type Statistics,
  WIRE_COUNTERS,
} from "../counters.ts";
import { coloured, plain, type Stream, type Terminal } from "./terminal.ts";
import { visible, visiblePainted } from "./visible.ts";

export interface RecordedStream extends Stream {
  readonly text: string;
}

export const recordedStream = (
  options: { isTerminal?: boolean; columns?: number; rows?: number } = {},
): RecordedStream => {
  const { isTerminal = false, columns = 80, rows = 24 } = options;
  const written: string[] = [];
  return {
    isTerminal,
    write: (text) => void written.push(text),
    line: (text) => void written.push(`${isTerminal ? visiblePainted(text) : visible(text)}\n`),
    columns: () => columns,
    rows: () => rows,
    paint: isTerminal ? coloured : plain,
    get text() {
      return written.join("");
    },
  };
};

export const recordedTerminal = (
  options: { isTerminal?: boolean; debug?: boolean } = {},
): Terminal & { out: RecordedStream; err: RecordedStream } => ({
  out: recordedStream(options),
  err: recordedStream(options),
  debug: options.debug === true,
});

/** Counters of a queue, which are 0 except those given. */
export const queueOf = (given: Partial<QueueCounts> = {}): QueueCounts => ({
  ...(Object.fromEntries(QUEUE_COUNTERS.map((name) => [name, 0])) as QueueCounts),
  ...given,
});

/** Counters of a session, which are 0 except those given. The link is up. */
export const statisticsOf = (given: Partial<Statistics> = {}): Statistics => ({
  ...(Object.fromEntries([...DRIVER_COUNTERS, ...WIRE_COUNTERS].map((name) => [name, 0])) as Record<
    CounterName,
    number
  >),
  queues: [queueOf()],
  linkUp: 1,
  linkSpeed: 1000,
  linkFullDuplex: 1,
  mtu: 1500,
  ...given,
});

export const FACTS: SessionFacts = {
  device: "model:rtl8168h",
  chip: "RTL8168h/8111h",
  xid: 0x541,
  mac: "02:00:00:00:00:01",
  interfaceName: "fe0",
  ringSlots: 256,
  queues: { receive: 1, transmit: 1 },
  offloads: ["tx-checksum", "tso4"],
};

export class FakeSession implements Session {
  readonly facts = FACTS;
  interfaceName = FACTS.interfaceName;
  now = statisticsOf();
  closed = 0;
  /** Whether the last `close` requested that the card stays ready to wake the machine. */
  wakes = false;
  #listener: (event: SessionEvent) => void = () => undefined;

  statistics(): Statistics {
    return this.now;
  }
  async operate(operation: string, argument: object): Promise<object> {
    return { operation, argument };
  }
  onEvent(listener: (event: SessionEvent) => void): void {
    this.#listener = listener;
  }
  tell(event: SessionEvent): void {
    this.#listener(event);
  }
  async carrier(): Promise<void> {}
  async close({ wake = false } = {}): Promise<void> {
    this.closed++;
    this.wakes = wake;
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
