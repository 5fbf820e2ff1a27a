import assert from "node:assert/strict";
import { test } from "node:test";
import type { Card } from "../cards/card.ts";
import { listLines } from "./list.ts";
import { main } from "./main.ts";
import { commandsFor } from "./commands.ts";
import { plain, type Terminal } from "../terminal/terminal.ts";
import { recordedTerminal } from "../terminal/terminal.test-kit.ts";

const CARD: Card = {
  address: "0000:03:00.0",
  vendor: 0x10ec,
  device: 0x8168,
  subsystemVendor: 0x1462,
  subsystemDevice: 0x7b98,
  revision: 0x15,
  class: 0x020000,
  driver: "r8169",
  override: undefined,
  group: { number: "14", unsafe: false, others: [] },
  numaNode: 0,
  pcie: { speed: "2.5 GT/s", width: 1 },
  power: "D0",
  resets: ["flr", "bus"],
  interfaces: [{ name: "enp3s0", carrier: true, speed: 1000 }],
  chip: { name: "RTL8168h/8111h", xid: 0x541 },
};

const lines = (card: Partial<Card>, lacks: Parameters<typeof listLines>[0][number]["lacks"] = []): readonly string[] =>
  listLines([{ card: { ...CARD, ...card }, lacks }], { paint: plain });

test("a card is shown as a row of a table, and as a paragraph below the table", () => {
  assert.deepEqual(lines({}), [
    "ADDRESS       CHIP            DRIVER  GROUP  INTERFACE  LINK",
    "0000:03:00.0  RTL8168h/8111h  r8169   14     enp3s0     1 Gbit/s",
    "",
    "0000:03:00.0",
    "  is     10ec:8168 revision 15, subsystem 1462:7b98, XID 541",
    "         PCIe 2.5 GT/s x1, NUMA node 0, D0, reset: flr, bus",
    "  ready  npx ferrule up 0000:03:00.0",
  ]);
});

test("everything that is missing is listed, with every command that fixes it", () => {
  const text = lines({}, [{ what: "group", saw: "not viable", fix: ["one", "two"] }]).join("\n");
  assert.match(text, /\n {2}lacks {2}group: not viable\n {9}fix: one\n {9}fix: two$/);
});

test("values that the kernel does not report are shown as a dash, or explained", () => {
  const bare = {
    driver: undefined,
    group: undefined,
    interfaces: [],
    pcie: undefined,
    numaNode: undefined,
    resets: [],
  };
  const text = lines({ ...bare, power: undefined, chip: { name: undefined, because: "only root may ask it" } });
  assert.equal(text[1], "0000:03:00.0  10ec:8168  -       -      -          -");
  assert.match(text.join("\n"), /chip unknown: only root may ask it\n {9}reset: by the chip itself\n/);
});

/** The last column of the table, which shows the link. */
const link = (carrier: boolean | undefined, speed?: number): string =>
  lines({ interfaces: [{ name: "eth0", carrier, speed }] })[1]!
    .split("eth0")[1]!
    .trim();

test("carrier and speed are shown as far as they are known", () => {
  assert.equal(link(undefined), "down");
  assert.equal(link(false), "no carrier");
  assert.equal(link(true), "carrier");
  assert.equal(link(true, 2500), "2.5 Gbit/s");
});

test("the command that brings up a card has sudo if only root can use the card", () => {
  assert.match(
    listLines([{ card: CARD, lacks: [] }], { paint: plain }, true).join("\n"),
    /ready {2}sudo npx ferrule up 0000:03:00.0$/,
  );
});

test("devices that share a card's group are listed", () => {
  const other = { ...CARD, address: "0000:03:00.1", vendor: 0x8086, device: 0x1234, driver: undefined };
  const text = lines({ group: { number: "14", unsafe: false, others: [other, { ...other, driver: "ahci" }] } });
  assert.match(
    text.join("\n"),
    /group {2}shared with 0000:03:00.1 8086:1234 \(no driver\)\n +0000:03:00.1 8086:1234 \(ahci\)/,
  );
});

const run = async (argv: string[], terminal: Terminal): Promise<number> =>
  main(argv, await commandsFor(argv), terminal);

test("the commands refuse invalid addresses, without needing a card", async () => {
  for (const name of ["bind", "unbind"]) {
    for (const address of ["eth0", "3:0.0", "0000:03:00.8", "../../etc"]) {
      const terminal = recordedTerminal();
      assert.equal(await run([name, address], terminal), 2);
      assert.match(terminal.err.text, /invalid PCI address "[^"]*"\nhint: Use domain:bus:device.function/);
    }
    assert.equal(await run([name], recordedTerminal()), 2);
  }
  assert.equal(await run(["list", "extra"], recordedTerminal()), 2);
});

test("a slot without a card is reported as empty", async () => {
  for (const name of ["bind", "unbind"]) {
    const terminal = recordedTerminal();
    assert.equal(await run([name, "fffe:1f:1f.7"], terminal), 1);
    assert.match(terminal.err.text, /there is no PCI function fffe:1f:1f.7\nhint: This machine/);
  }
});

test("with --json the list is valid JSON on any machine", async () => {
  const terminal = recordedTerminal();
  assert.equal(await run(["list", "--json"], terminal), 0);
  const { machine, cards } = JSON.parse(terminal.out.text) as { machine: object; cards: unknown[] };
  assert.ok("vfioPci" in machine);
  assert.ok(Array.isArray(cards));
});
