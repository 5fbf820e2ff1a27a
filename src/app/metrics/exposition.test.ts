import assert from "node:assert/strict";
import { test } from "node:test";
import { FACTS, queueOf, statisticsOf } from "../terminal/terminal.test-kit.ts";
import { DRIVER_COUNTERS, type Statistics, WIRE_COUNTERS } from "../counters.ts";
import { exposition, type Family } from "./exposition.ts";
import { parseExposition } from "./exposition.test-kit.ts";
import { families, metricsOf, type Scraped } from "./families.ts";

const scraped = (given: Partial<Statistics>, ownWire = true): Scraped => ({
  session: { facts: FACTS, interfaceName: "lan0", statistics: () => statisticsOf(given) },
  ownWire,
  upSeconds: 1.5,
});
const valueOf = (of: Scraped, name: string): number | undefined =>
  families(of).find((family) => family.name === name)?.samples[0]?.value;

test("every counter of a session is exported once, with help and type", () => {
  const all = scraped({ sentFrames: 3, sentBytes: 180 });
  const parsed = parseExposition(metricsOf(all));
  assert.deepEqual(
    parsed,
    families(all).filter(({ samples }) => samples.length > 0),
  );
  assert.equal(parsed.length, DRIVER_COUNTERS.length + WIRE_COUNTERS.length + 4);
  for (const { samples } of parsed) assert.equal(samples[0]?.labels["device"], "lan0");
  const { labels } = parsed.find(({ name }) => name === "node_network_info")!.samples[0]!;
  assert.deepEqual(labels, { device: "lan0", address: "02:00:00:00:00:01", operstate: "up", duplex: "full" });
});

test("values are in base units, and exact up to 2^53", () => {
  const some = scraped({ sentBytes: 2 ** 52, gcMicros: 1500, linkSpeed: 2500 });
  assert.equal(valueOf(some, "node_network_speed_bytes"), 312_500_000);
  assert.equal(valueOf(some, "ferrule_gc_pause_seconds_total"), 0.0015);
  assert.match(metricsOf(some), /^node_network_transmit_bytes_total\{device="lan0"\} 4503599627370496$/m);
});

test("each of several queues has a sample, a single queue has none", () => {
  const name = "ferrule_queue_receive_packets_total";
  const queues = [queueOf({ receivedFrames: 3 }), queueOf({ receivedFrames: 5 })];
  const parsed = parseExposition(metricsOf(scraped({ queues })));
  assert.deepEqual(parsed.find((family) => family.name === name)?.samples, [
    { labels: { device: "lan0", queue: "0" }, value: 3 },
    { labels: { device: "lan0", queue: "1" }, value: 5 },
  ]);
  assert.doesNotMatch(metricsOf(scraped({ queues: queues.slice(1) })), /ferrule_queue/);
});

test("without a link no speed is exported; if the wire belongs to another process, the counters of the model's thread are not exported", () => {
  assert.equal(valueOf(scraped({ linkUp: 0 }), "node_network_speed_bytes"), undefined);
  assert.equal(valueOf(scraped({ linkUp: 0 }), "node_network_up"), 0);
  const missed = "ferrule_receive_missed_packets_total";
  assert.equal(valueOf(scraped({ missedFrames: 7 }), missed), 7);
  assert.equal(valueOf(scraped({ missedFrames: 7 }, false), missed), undefined);
});

test("labels and help may contain any text", () => {
  const unusual: Family = {
    name: "odd",
    type: "gauge",
    help: 'back\\slash, "quotes" and\nlines',
    samples: [{ labels: { device: 'a\\b"c\nd', other: "," }, value: 1e300 }],
  };
  assert.deepEqual(parseExposition(exposition([unusual])), [unusual]);
  assert.equal(exposition([{ ...unusual, samples: [] }]), "");
});

const HEAD = "# HELP a_total A.\n# TYPE a_total counter\n";

test("the parser rejects what promtool rejects", () => {
  parseExposition(`${HEAD}a_total{x="1"} 1\na_total 2\n`);
  for (const wrong of [
    `${HEAD}a_total 1`,
    HEAD,
    `${HEAD}b_total 1\n`,
    `${HEAD}a_total one\n`,
    `${HEAD}a_total{x=1} 1\n`,
    `${HEAD}a_total{x="1",x="2"} 1\n`,
    `${HEAD}a_total{x="\\d"} 1\n`,
    `${HEAD}a_total 1\na_total 2\n`,
    `${HEAD}a_total -1\n`,
    `${HEAD}a_total 1\n${HEAD}a_total{x="1"} 1\n`,
    "# TYPE a_total counter\na_total 1\n",
    "# HELP a A.\n# TYPE a counter\na 1\n",
    "# HELP a_total A.\n# TYPE a_total gauge\na_total 1\n",
    "# HELP a_micros A.\n# TYPE a_micros gauge\na_micros 1\n",
  ])
    assert.throws(() => parseExposition(wrong), Error, wrong);
});
