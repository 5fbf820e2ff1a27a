/**
 * A session's counters as metrics. Quantities that node_exporter also reports have node_exporter's names. The names of
 * all others begin with `ferrule_`.
 */
import { CAUSE_NAMES, CAUSES, type CauseName } from "../causes.ts";
import { type CounterName, type QueueCounts, type Statistics, WIRE_COUNTERS } from "../counters.ts";
import { version } from "../manifest.ts";
import type { Session, SessionFacts } from "../session.ts";
import { exposition, type Family, type Sample } from "./exposition.ts";

export interface Scraped {
  readonly session: Pick<Session, "facts" | "interfaceName" | "statistics">;
  /** Whether the wire belongs to this process. If it does not, there are no counters of the wire. */
  readonly ownWire: boolean;
  readonly upSeconds: number;
}

interface Metric extends Pick<Family, "name" | "type" | "help"> {
  /** Factor from the counter's unit to the metric's. */
  readonly scale: number;
}

const metric = (type: Family["type"], name: string, help: string, scale = 1): Metric => ({ type, name, help, scale });
const counter = (name: string, help: string, scale?: number): Metric => metric("counter", `${name}_total`, help, scale);
const gauge = (name: string, help: string, scale?: number): Metric => metric("gauge", name, help, scale);

const MICROS = 1e-6;
/** Number of bytes per second at a speed of 1 Mbit/s. */
const MEGABIT = 125_000;

const snake = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const OF_CAUSES = Object.fromEntries(
  CAUSE_NAMES.map((name) => [name, counter(`ferrule_${snake(name)}`, `Occurrences of: ${CAUSES[name].what}.`)]),
) as Record<CauseName, Metric>;

/** Metrics of all counters. A super-frame counts as one frame, as in the kernel's own counters of the interface. */
const METRICS = {
  sentFrames: counter("node_network_transmit_packets", "Frames from the host to be sent."),
  sentBytes: counter("node_network_transmit_bytes", "Bytes of the frames from the host to be sent."),
  sendDrops: counter("node_network_transmit_drop", "Frames from the host that were dropped."),
  receivedFrames: counter("node_network_receive_packets", "Frames that the NIC received."),
  receivedBytes: counter("node_network_receive_bytes", "Bytes of the frames that the NIC received."),
  receiveDrops: counter("node_network_receive_drop", "Received frames that the host rejected."),
  receiveErrors: counter("node_network_receive_errs", "Frames that the NIC marked as bad."),
  linkChanges: counter("node_network_carrier_changes", "Link changes signalled by the NIC."),
  linkUp: gauge("node_network_carrier", "1 while the link is up, otherwise 0."),
  linkSpeed: gauge("node_network_speed_bytes", "Speed of the link in bytes per second.", MEGABIT),
  mtu: gauge("node_network_mtu_bytes", "MTU of the interface."),
  linkFullDuplex: gauge("ferrule_link_full_duplex", "1 if the link is full duplex, otherwise 0."),
  superFrames: counter("ferrule_transmit_super_frames", "Frames that the NIC was to segment (TSO)."),
  checksumsAsked: counter("ferrule_transmit_checksums", "Frames whose checksum the NIC was to compute."),
  scattered: counter("ferrule_transmit_scattered_frames", "Frames of more than one fragment."),
  tagsInserted: counter("ferrule_vlan_tags_inserted", "VLAN tags that the NIC inserted."),
  tagsTaken: counter("ferrule_vlan_tags_removed", "VLAN tags that the NIC removed."),
  mergedFrames: counter("ferrule_receive_merged_frames", "Received frames that were merged with others for the host."),
  hostWrites: counter("ferrule_receive_host_writes", "Writes of received frames to the host."),
  deviceNonsense: counter("ferrule_device_invalid_words", "Invalid words that the NIC wrote to descriptors."),
  restarts: counter("ferrule_restarts", "Restarts of the NIC after a failure."),
  sendDiscards: counter("ferrule_transmit_discards", "Frames that were not sent because the NIC was stopped."),
  receiveDiscards: counter("ferrule_receive_discards", "Frames in the receive ring when the NIC was stopped."),
  fifoOverflows: counter("ferrule_receive_fifo_overflows", "Reports by the NIC that its receive FIFO was full."),
  ringsExhausted: counter(
    "ferrule_receive_rings_exhausted",
    "Reports by the NIC that its receive ring had no descriptors.",
  ),
  ...OF_CAUSES,
  overdueWaits: counter("ferrule_overdue_waits", "Timeouts of the driver while it waited for the chip."),
  interrupts: counter("ferrule_interrupts", "Interrupts of the NIC."),
  spuriousInterrupts: counter("ferrule_spurious_interrupts", "Interrupts without a cause."),
  polls: counter("ferrule_polls", "Rounds of the driver's polling loop."),
  gcPauses: counter("ferrule_gc_pauses", "Garbage collections in the driver's thread."),
  gcMicros: counter("ferrule_gc_pause_seconds", "Time of garbage collections in the driver's thread.", MICROS),
  transmitFill: gauge("ferrule_transmit_ring_descriptors", "Transmit descriptors that the NIC owns."),
  receiveFill: gauge("ferrule_receive_ring_descriptors", "Receive descriptors that the NIC owns."),
  wireSentFrames: counter("ferrule_wire_transmit_packets", "Frames sent on the model's wire; each segment counts."),
  wireSentBytes: counter("ferrule_wire_transmit_bytes", "Bytes of the frames sent on the model's wire."),
  wireReceivedFrames: counter("ferrule_wire_receive_packets", "Frames received on the model's wire."),
  wireReceivedBytes: counter("ferrule_wire_receive_bytes", "Bytes of the frames received on the model's wire."),
  wireDrops: counter("ferrule_wire_drop", "Frames lost between the model and the far end of its wire."),
  missedFrames: counter("ferrule_receive_missed_packets", "Frames for which the model had no descriptor."),
  segmentedFrames: counter("ferrule_segmented_frames", "Super-frames segmented by the model."),
  offences: counter("ferrule_offences", "Driver errors found by the model's strict mode."),
  modelGcPauses: counter("ferrule_model_gc_pauses", "Garbage collections in the model's thread."),
  modelGcMicros: counter(
    "ferrule_model_gc_pause_seconds",
    "Time of garbage collections in the model's thread.",
    MICROS,
  ),
} as const satisfies Record<CounterName, Metric>;

/**
 * Metrics of each queue, if there are several queues. Each is one queue's share of the counter with the same key in
 * METRICS.
 */
const OF_QUEUES = {
  sentFrames: counter("ferrule_queue_transmit_packets", "Frames that the host handed over to be sent, by queue."),
  sentBytes: counter(
    "ferrule_queue_transmit_bytes",
    "Bytes of the frames that the host handed over to be sent, by queue.",
  ),
  receivedFrames: counter("ferrule_queue_receive_packets", "Frames that the NIC received, by queue."),
  receivedBytes: counter("ferrule_queue_receive_bytes", "Bytes of the frames that the NIC received, by queue."),
  receiveErrors: counter("ferrule_queue_receive_errs", "Frames that the NIC marked as bad, by queue."),
} as const satisfies Partial<Record<keyof QueueCounts, Metric>>;

const OF_WIRE: readonly string[] = WIRE_COUNTERS;

/**
 * Whether the value of a counter is known. Without a link there is no speed, and this process has no counters for a
 * wire that belongs to another process.
 */
const isKnown = (name: CounterName, { linkUp }: Statistics, ownWire: boolean): boolean =>
  OF_WIRE.includes(name) ? ownWire : linkUp === 1 || !["linkSpeed", "linkFullDuplex"].includes(name);

const identity = (
  facts: SessionFacts,
  { linkUp, linkFullDuplex }: Statistics,
): readonly (readonly [string, string, Sample["labels"]])[] => {
  const link =
    linkUp === 0 ? { operstate: "down" } : { operstate: "up", duplex: linkFullDuplex === 1 ? "full" : "half" };
  const { chip, xid, mac, device: nic } = facts;
  return [
    ["node_network_info", "The interface; the value is always 1.", { address: mac, ...link }],
    [
      "ferrule_info",
      "The NIC and its driver; the value is always 1.",
      { nic, chip, xid: xid.toString(16), version: version() },
    ],
  ];
};

export const families = ({ session, ownWire, upSeconds }: Scraped): readonly Family[] => {
  const { interfaceName: device, facts } = session;
  const statistics = session.statistics();
  const one = ({ scale, ...family }: Metric, value: number, labels: Sample["labels"] = {}): Family => ({
    ...family,
    samples: [{ labels: { device, ...labels }, value: value * scale }],
  });
  const names = (Object.keys(METRICS) as CounterName[]).filter((name) => isKnown(name, statistics, ownWire));
  return [
    ...identity(facts, statistics).map(([name, help, labels]) => one(gauge(name, help), 1, labels)),
    one(
      gauge("node_network_up", "1 if the interface is operational (operstate is up), otherwise 0."),
      statistics.linkUp,
    ),
    one(gauge("ferrule_uptime_seconds", "Time since `ferrule up` was started."), upSeconds),
    ...names.map((name) => one(METRICS[name], statistics[name])),
    ...ofQueues(device, statistics.queues),
  ];
};

const ofQueues = (device: string, queues: readonly QueueCounts[]): readonly Family[] =>
  (Object.keys(OF_QUEUES) as (keyof typeof OF_QUEUES)[]).map((name) => {
    const { scale, ...family } = OF_QUEUES[name];
    const samples = queues.map((counts, queue) => ({
      labels: { device, queue: `${queue}` },
      value: counts[name] * scale,
    }));
    return { ...family, samples: samples.length > 1 ? samples : [] };
  });

/** Returns the text that a scrape gets. */
export const metricsOf = (scraped: Scraped): string => exposition(families(scraped));
