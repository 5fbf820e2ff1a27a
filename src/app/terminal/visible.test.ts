import assert from "node:assert/strict";
import { test } from "node:test";
import { main } from "../cli/main.ts";
import { down } from "../cli/down.ts";
import { up } from "../cli/up.ts";
import { eventLine } from "../cli/up-events.ts";
import { recordedTerminal } from "./terminal.test-kit.ts";
import { coloured } from "./terminal.ts";
import { LiveLines } from "../cli/live-view.ts";
import { visible, visiblePainted } from "./visible.ts";

/** Text that clears the screen, sets the window's title, moves the cursor up, and reverses the direction of text. */
const HOSTILE = "\u001b[2J\u001b]0;owned\u0007\u009b3A\r\u202eevil\u007f";
// oxlint-disable-next-line no-control-regex -- control characters are the subject
const OBEYED = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/;

test("control characters in arguments are made visible in errors", async () => {
  for (const argv of [
    ["up", `vfio-user:/nowhere/${HOSTILE}`],
    ["up", HOSTILE],
    ["up", "model:rtl8168h", `--${HOSTILE}`],
    ["up", "model:rtl8168h", "--name", HOSTILE],
    ["up", "model:rtl8168h", "--mtu", HOSTILE],
    ["up", "model:rtl8168h", "--wire", HOSTILE],
    ["down", HOSTILE],
    [HOSTILE],
  ]) {
    const terminal = recordedTerminal({ debug: true });
    assert.notEqual(await main(argv, [up, down], terminal), 0);
    assert.doesNotMatch(terminal.err.text + terminal.out.text, OBEYED, JSON.stringify(argv));
  }
});

test("Ferrule's own colours are kept, and other programs' text can contain no other ones", () => {
  const text = coloured("red", `bad: ${HOSTILE}`);
  assert.equal(visiblePainted(text), coloured("red", visible(`bad: ${HOSTILE}`)));
  assert.equal(visible("ünïcode and 日本 stay"), "ünïcode and 日本 stay");
});

test("control characters from other programs are made visible in events, JSON and the live view", () => {
  const event = { kind: "warning", message: HOSTILE, hint: HOSTILE } as const;
  const terminal = recordedTerminal();
  terminal.out.line(eventLine("fe0", event, terminal.out));
  terminal.out.line(JSON.stringify(event));
  assert.doesNotMatch(terminal.out.text, OBEYED);
  assert.deepEqual(JSON.parse(terminal.out.text.split("\n")[1]!), event);
  const watched = recordedTerminal({ isTerminal: true });
  new LiveLines(watched.out).above(HOSTILE);
  assert.ok(watched.out.text.includes(visible(HOSTILE)));
});
