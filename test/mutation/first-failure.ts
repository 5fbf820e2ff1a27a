/** A reporter of node:test that ends the process at the first failure: for a mutant one is enough. No test at all is a failure too. */
import type { TestEvent } from "node:test/reporters";

const give = (up: string): void => void process.stdout.write(`${up}\n`, () => process.exit(1));

// oxlint-disable-next-line import/no-default-export -- node:test takes it from there
export default async function* firstFailure(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  let passed = 0;
  for await (const event of events) {
    if (event.type === "test:fail") give(event.data.name);
    if (event.type === "test:pass" && event.data.skip === undefined && event.data.details.type === "test") passed++;
  }
  if (passed === 0) give("no test was run");
  yield "";
}
