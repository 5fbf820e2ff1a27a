import assert from "node:assert/strict";
import { test } from "node:test";
import { BadReply } from "../control/exchange.ts";
import { findAll } from "../control/find-up.ts";
import { parseStatus, type Status } from "../control/status.ts";
import { ControlServer } from "../control/up-control.ts";
import { status, statusLines, statusTable } from "./status.ts";
import { FACTS, queueOf, recordedTerminal, statisticsOf } from "../terminal/terminal.test-kit.ts";

const name = `s${process.pid}`;
const STARTING: Status = { interface: name, now: name, device: "0000:03:00.0", pid: 7, upSeconds: 1 };
const UP: Status = {
  ...STARTING,
  interface: "fe0",
  now: "lan0",
  device: "model:rtl8168h",
  wire: "responder",
  upSeconds: 3723,
  facts: FACTS,
  statistics: statisticsOf({ sentFrames: 1, sentBytes: 60, receivedFrames: 2048, receivedBytes: 4096, sendDrops: 3 }),
};
const { out } = recordedTerminal();

test("each session is one line; one that is still starting has no counters", () => {
  const [heading, up, starting] = statusTable([UP, STARTING], out);
  assert.match(heading!, /^INTERFACE +DEVICE +CHIP +LINK +UP FOR +SENT +RECEIVED +PROCESS +ERRORS$/);
  assert.match(up!, /^lan0 +model:rtl8168h +RTL8168h\/8111h +1 Gbit\/s +01:02:03 +60 B +4\.00 KiB +7 +3 send drops$/);
  assert.match(starting!, /^\S+ +0000:03:00\.0 +- +starting +00:00:01 +- +- +7 +-$/);
});

test("the status of one session shows its original name, wire and traffic", () => {
  const lines = statusLines(UP, out);
  for (const line of [
    /^interface +lan0, started as fe0$/,
    /^wire +responder$/,
    /^sent +1 frame, 60 B$/,
    /^received +2,048 frames, 4\.00 KiB$/,
    /^errors +3 send drops$/,
  ])
    assert.ok(
      lines.some((each) => line.test(each)),
      `${line} in ${lines.join("\n")}`,
    );
  assert.ok(!statusLines(STARTING, out).some((line) => /^(sent|wire|chip)/.test(line)));
});

test("each of several queues has a line", () => {
  const queues = [queueOf(), queueOf({ sentFrames: 1, sentBytes: 60, receivedFrames: 2, receivedBytes: 120 })];
  const lines = statusLines({ ...UP, statistics: statisticsOf({ queues }) }, out);
  assert.deepEqual(
    lines.filter((line) => line.startsWith("queue ")).map((line) => line.replaceAll(/ +/g, " ")),
    ["queue 0 sent 0 frames, 0 B; received 0 frames, 0 B", "queue 1 sent 1 frame, 60 B; received 2 frames, 120 B"],
  );
});

const linkOf = (linkUp: number): string =>
  statusTable([{ ...UP, statistics: statisticsOf({ linkUp, linkSpeed: 100, linkFullDuplex: 0 }) }], out)[1]!;

test("a link that is down, and half duplex, are shown", () => {
  assert.match(linkOf(0), / down /);
  assert.match(linkOf(1), / 100 Mbit\/s, half duplex /);
});

test("every running session is found, in the list of all and by its own name, and by no other name", async () => {
  await using _control = await ControlServer.open(name, {
    status: () => ({ ...UP, interface: name, now: name }),
    down: async () => ({ interface: name, pid: 7 }),
    operate: async () => ({}),
  });
  const { found } = await findAll();
  assert.deepEqual(
    found.filter((each) => each.interface === name),
    [{ ...UP, interface: name, now: name }],
  );
  const terminal = recordedTerminal();
  const call = { values: { json: true }, operands: [name], terminal } as const;
  assert.equal(await status.run(call), 0);
  assert.equal((JSON.parse(terminal.out.text) as Status).statistics?.sentFrames, 1);
  await assert.rejects(status.run({ ...call, operands: ["none"] }), { code: "NOT_RUNNING" });
});

test("a reply with a missing field, or a field of another type, is rejected", () => {
  assert.equal(parseStatus(UP), UP);
  const { sentFrames: _, ...few } = UP.statistics!;
  for (const wrong of [{}, { ...UP, now: 3 }, { ...UP, pid: "7" }, { ...UP, facts: {} }, { ...UP, statistics: few }])
    assert.throws(() => parseStatus(wrong), BadReply);
  const facts = [
    { queues: undefined },
    { queues: { receive: 1 } },
    { offloads: undefined },
    { offloads: "all" },
    { offloads: [1] },
  ];
  for (const wrong of facts) assert.throws(() => parseStatus({ ...UP, facts: { ...FACTS, ...wrong } }), BadReply);
  for (const wrong of [{ wire: 1 }, { facts: null }]) assert.throws(() => parseStatus({ ...UP, ...wrong }), BadReply);
});
