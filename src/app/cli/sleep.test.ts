import assert from "node:assert/strict";
import { test } from "node:test";
import { OutOfRange } from "#kit/errors.ts";
import { ControlServer } from "../control/up-control.ts";
import { recordedTerminal } from "../terminal/terminal.test-kit.ts";
import { askEach } from "./sleep.ts";

test("every NIC is put to sleep, even after one fails; its error is printed with its name, and sets the exit code", async () => {
  await using scope = new AsyncDisposableStack();
  const names = ["a", "b", "c"].map((letter) => `s${process.pid}${letter}`);
  for (const name of names)
    scope.use(
      await ControlServer.open(name, {
        status: () => assert.fail("not asked"),
        down: () => assert.fail("not asked"),
        operate: async () => {
          if (name === names[0]) throw new OutOfRange("still in reset", "Wait.");
          return { asleep: true, armed: "g" };
        },
      }),
    );
  const found = names.map((name) => ({ interface: name, now: name }));
  const terminal = recordedTerminal();
  const errors = [new OutOfRange("no reply", "Look for it.")];
  assert.equal(await askEach("suspend", { found, errors }, { json: false, terminal }), 1);
  assert.equal(terminal.out.text, `${names[1]} sleeps; woken by: g\n${names[2]} sleeps; woken by: g\n`);
  assert.match(terminal.err.text, /no reply\n.*Look for it/);
  assert.match(terminal.err.text, new RegExp(`${names[0]}: still in reset\n.*Wait`));
  assert.equal(await askEach("suspend", { found: found.slice(1), errors: [] }, { json: false, terminal }), 0);
});
