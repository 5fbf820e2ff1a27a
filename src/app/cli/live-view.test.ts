import assert from "node:assert/strict";
import { test } from "node:test";
import { visibleLength } from "../terminal/format.ts";
import { liveView, LiveLines, problems, type Watch } from "./live-view.ts";
import { plain } from "../terminal/terminal.ts";
import { FACTS, queueOf, recordedStream, statisticsOf } from "../terminal/terminal.test-kit.ts";

const watch = (given: Partial<Watch> = {}): Watch => ({
  facts: FACTS,
  wire: "tap:fe0w",
  upSeconds: 61,
  before: statisticsOf(),
  now: statisticsOf(),
  elapsedSeconds: 0.2,
  ...given,
});
const show = (given: Partial<Watch> = {}, columns = 100): string =>
  liveView(watch(given), { paint: plain }, columns).join("\n");

test("the live view shows device, link and wire", () => {
  const view = show();
  assert.match(view, /fe0 {2}RTL8168h\/8111h \(XID 541\) {2}02:00:00:00:00:01 {2}00:01:01/);
  assert.match(view, /link +up, 1 Gbit\/s full duplex, MTU 1500/);
  assert.match(view, /wire +tap:fe0w/);
});

test("rates are the difference of two samples divided by the time between them", () => {
  const view = show({
    before: statisticsOf({ sentFrames: 100, sentBytes: 1_000, receivedFrames: 5 }),
    now: statisticsOf({ sentFrames: 300, sentBytes: 251_000, receivedFrames: 5 }),
  });
  assert.match(view, /sent +1\.00 k +10\.0 Mbit\/s +300 +245 KiB/);
  assert.match(view, /received +0 +0 bit\/s +5/);
});

test("counters that were set back do not show negative rates", () =>
  assert.doesNotMatch(show({ before: statisticsOf({ sentFrames: 9 }) }), /-\d/));

test("the live view shows how full the rings are", () => {
  const view = show({ now: statisticsOf({ transmitFill: 128, receiveFill: 192 }) });
  assert.match(view, /transmit ██████░░░░░░ 128\/256 {2}receive ███░░░░░░░░░ 64\/256/);
});

test("counters of rings with another number of descriptors show no negative fill", () =>
  assert.match(show({ now: statisticsOf({ receiveFill: 1024 }) }), /receive ░{12} 0\/256/));

test("the live view shows the queues if there are several", () => {
  assert.doesNotMatch(show(), /queues/);
  const facts = { ...FACTS, queues: { receive: 2, transmit: 2 } };
  const [none, some] = [
    queueOf(),
    queueOf({ sentFrames: 100, sentBytes: 25_000, receivedFrames: 40, receivedBytes: 5_000 }),
  ];
  const view = show({
    facts,
    before: statisticsOf({ queues: [none, none] }),
    now: statisticsOf({ queues: [none, some] }),
  });
  assert.match(view, /queues +2 receive, 2 transmit/);
  assert.match(view, /queue 0 +0 +0 bit\/s +0 +0 bit\/s/);
  assert.match(view, /queue 1 +500 +1\.00 Mbit\/s +200 +200 kbit\/s/);
});

test("every problem is shown by name, and without a problem there is the word none", () => {
  assert.equal(problems(statisticsOf(), plain), "none");
  assert.equal(problems(statisticsOf({ sendDrops: 3, offences: 1 }), plain), "3 send drops, 1 offence");
});

test("a link that is down is shown as down", () =>
  assert.match(show({ now: statisticsOf({ linkUp: 0 }) }), /link +down/));

test("no line reaches the last column, however narrow the terminal", () => {
  for (const columns of [1, 10, 40, 80])
    for (const line of liveView(watch(), recordedStream({ isTerminal: true }), columns))
      assert.ok(visibleLength(line) < Math.max(columns, 2), `${columns}: ${line}`);
});

test("a view that is higher than the screen is truncated", () => {
  const stream = recordedStream({ isTerminal: true, rows: 3 });
  new LiveLines(stream).draw(["a", "b", "c", "d"]);
  assert.equal(stream.text, "\ra\u001b[K\nb\u001b[K\n\u001b[J");
});

test("a view is drawn over the previous one, and clears its remaining lines", () => {
  const stream = recordedStream({ isTerminal: true });
  const picture = new LiveLines(stream);
  picture.draw(["a", "b"]);
  picture.draw(["c"]);
  assert.equal(stream.text, "\ra\u001b[K\nb\u001b[K\n\u001b[J\u001b[2A\rc\u001b[K\n\u001b[J");
});
