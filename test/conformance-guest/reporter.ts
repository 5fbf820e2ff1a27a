/** A reporter for node:test that writes each test's outcome as a line of JSON, the source of docs/conformance.json. */
import type { TestEvent } from "node:test/reporters";

/** The outcome of one test on one chip and kernel. */
export interface Outcome {
  /** Name of the subject: "ping". */
  readonly subject: string;
  /** Chip and kernel: "rtl8168h on Linux 6.12". */
  readonly on: string;
  readonly title: string;
  readonly outcome: "passed" | "failed" | "skipped";
  /** Why the test failed or was skipped. */
  readonly why?: string;
  /** What the test noted about its result. */
  readonly notes: readonly string[];
  readonly millis: number;
}

const firstLine = (error: unknown): string => {
  const { cause } = error as { cause?: unknown };
  return ((cause as Error | undefined)?.message ?? (error as Error).message).split("\n").slice(0, 4).join(" ");
};

const line = (outcome: Outcome): string => `${JSON.stringify(outcome)}\n`;

// eslint-disable-next-line import/no-default-export -- node:test takes a reporter's default export.
export default async function* reporter(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  // Files that run concurrently report one after the other, so there is one path from the outermost suite to the
  // current test.
  const path: string[] = [];
  // A test's own notes follow its outcome.
  let last: (Outcome & { notes: string[] }) | undefined;
  for await (const { type, data } of source) {
    if (type === "test:start") path.splice(data.nesting, Infinity, data.name);
    if (type === "test:diagnostic" && data.nesting > 0) last?.notes.push(data.message);
    if ((type !== "test:pass" && type !== "test:fail") || data.nesting < 2 || data.details.type === "suite") continue;
    if (last !== undefined) yield line(last);
    const [subject, on, ...titles] = path.slice(0, data.nesting);
    const failed = type === "test:fail" ? firstLine(data.details.error) : undefined;
    const skipped = data.skip === undefined || data.skip === false ? undefined : String(data.skip);
    const why = failed ?? skipped;
    last = {
      subject: subject!,
      on: on!,
      title: [...titles, data.name].join(": "),
      outcome: failed !== undefined ? "failed" : skipped !== undefined ? "skipped" : "passed",
      ...(why === undefined ? {} : { why }),
      notes: [],
      millis: Math.round(data.details.duration_ms),
    };
  }
  if (last !== undefined) yield line(last);
}
