/**
 * A reporter for node:test that ends the process at the first failure, which is enough for a mutant. A run without
 * tests is a failure too.
 */
import type { TestEvent } from "node:test/reporters";

const give = (up: string): void => void process.stdout.write(`${up}\n`, () => process.exit(1));

// oxlint-disable-next-line import/no-default-export -- node:test takes a reporter's default export
export default async function* firstFailure(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  let passed = 0;
  for await (const event of events) {
    if (event.type === "test:fail") give(event.data.name);
    if (event.type === "test:pass" && event.data.skip === undefined && event.data.details.type === "test") passed++;
  }
  if (passed === 0) give("no test was run");
  yield "";
}
