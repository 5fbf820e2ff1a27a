/** `ferrule up`: brings a NIC up as a network interface and runs until it is stopped. */
import { join } from "node:path";
import { CHIPS } from "#chip/chips.ts";
import { Files, linkOf } from "../cards/files.ts";
import { checkCard } from "../cards/local-machine.ts";
import { parseSettings } from "../ethtool/settings.ts";
import { type MetricsAddress, parseMetricsAddress } from "../metrics/address.ts";
import type { DeviceSpec, ModelSpec, SessionOptions } from "../session.ts";
import { parseWire, pathsOf, recordOf, WIRE_SYNTAX } from "../wires/wire-spec.ts";
import type { Values } from "./arguments.ts";
import { openLog } from "./background-log.ts";
import { command, Exit } from "./command.ts";
import { detach, Foreground } from "./detach.ts";
import { logJson, parseLevel } from "./log.ts";
import { terminalFor } from "./output.ts";
import {
  type Device,
  parseAspm,
  parseDevice,
  parseMtu,
  parseQueues,
  parseRings,
  parseSocketMode,
  parseStationAddress,
  parseIdle,
  parseWait,
  parseWake,
} from "./spec.ts";
import { hasQueueThreads } from "./queue-threads.ts";
import { type Stop, stopAtSignals } from "./stop.ts";
import type { Stream } from "../terminal/terminal.ts";
import { eventLine, type UpEvent } from "./up-events.ts";
import { UP_OPTIONS } from "./up-options.ts";
import { WrongUsage, parseInterfaceName } from "../terminal/usage.ts";

const RESPONDER = "responder";

type Chosen = Values<typeof UP_OPTIONS>;

/** The files in /dev/vfio that are needed for access to a card. */
const groupFiles = (address: string): readonly string[] => {
  const group = linkOf(join(new Files().device(address), "iommu_group"));
  return group === undefined ? [] : [`/dev/vfio/${group}`, "/dev/vfio/vfio"];
};

/** Firmware files in a folder. Those of all chips are needed, because the chip of a card is not known yet. */
const firmwareIn = (folder: string): readonly string[] =>
  CHIPS.flatMap(({ firmware }) => (firmware === undefined ? [] : [join(folder, firmware)]));

/** @throws {WrongUsage} */
const modelSpec = (
  chip: string,
  { wire: typed = RESPONDER, capture, "socket-mode": mode }: Chosen,
  interfaceName: string,
): ModelSpec => {
  const wire = parseWire(typed);
  if (wire.kind === "tap" && wire.name === interfaceName)
    throw new WrongUsage(
      `the interface and the TAP of the wire are both called ${interfaceName}`,
      "Give the TAP another name: --wire tap:fe0w.",
    );
  const socketMode = parseSocketMode(mode);
  return { kind: "model", chip, wire, ...(capture !== undefined && { capture }), ...(socketMode && { socketMode }) };
};

/** The device and its options. @throws {WrongUsage}; the errors of `checkCard` */
const deviceSpec = (device: Device, chosen: Chosen, interfaceName: string): DeviceSpec => {
  const unsafeNoIommu = chosen["unsafe-noiommu"];
  if (unsafeNoIommu && device.kind !== "pci")
    throw new WrongUsage("--unsafe-noiommu is for cards in slots", "Omit it.");
  if (device.kind === "model") return modelSpec(device.chip.key, chosen, interfaceName);
  if ((chosen.wire ?? chosen.capture ?? chosen["socket-mode"]) !== undefined)
    throw device.kind === "pci"
      ? new WrongUsage(
          "a card has a real cable, so there is no wire to set up",
          "Omit --wire; capture with --capture-host.",
        )
      : new WrongUsage(
          "the wire of a device behind vfio-user belongs to its server",
          "Give --wire, --capture and --socket-mode to `ferrule model serve`.",
        );
  if (device.kind === "vfio-user") return device;
  checkCard(device.address, { unsafeNoIommu });
  return { ...device, unsafeNoIommu };
};

const metricsAddress = (chosen: Chosen): MetricsAddress | undefined =>
  chosen.metrics === undefined ? undefined : parseMetricsAddress(chosen.metrics, chosen["metrics-public"]);

/** Starts the session in the background and prints its process id. @throws the error of the start */
const upInBackground = async (name: string, { json, log: file }: Chosen, stop: Stop, out: Stream): Promise<Exit> => {
  using log = await openLog(file);
  const { pid, up: event } = await detach(name, log, stop);
  out.line(json ? logJson(event, { interface: name }) : eventLine(name, event, out));
  if (!json) out.line(`${name}: process ${pid} runs in the background; its events: ${log.reader}`);
  return Exit.done;
};

export const up = command({
  name: "up",
  summary: "bring a NIC up as a network interface, and keep it up",
  about: [
    "Stays in the foreground: with a live view on a terminal, one line per event otherwise. Ctrl-C, SIGTERM or",
    "`ferrule down NAME` take the interface down cleanly; a second Ctrl-C ends the process at once. With --detach it",
    "continues in the background, and the command returns once the interface exists, or with the error of the start.",
    "",
    "The interface is created in this network namespace and may be moved to another. Needs permission to create TAPs:",
    "root, or a namespace created with `unshare --user --map-root-user --net`. `ferrule doctor` reports what is missing.",
    "",
    "SPEC is the far end of a model's wire:",
    ...WIRE_SYNTAX.map((line) => `  ${line}`),
  ].join("\n"),
  operands: [
    {
      placeholder: "DEVICE",
      summary:
        "a card's PCI address (see `ferrule list`); model:CHIP, a chip in software; or vfio-user:PATH, a NIC that `ferrule model serve` offers",
    },
  ],
  options: UP_OPTIONS,
  examples: [
    "npx ferrule up 03:00.0",
    "sudo npx ferrule up 03:00.0 --detach",
    "sudo npx ferrule up model:rtl8168h",
    "sudo npx ferrule up model:rtl8168h --name fe0 --wire tap:fe0w --mtu 9000 --capture wire.pcapng",
    "passt -s net.sock && sudo npx ferrule up model:rtl8168h --wire unix:net.sock",
    "sudo npx ferrule up 03:00.0 --config fe0.json",
    "sudo npx ferrule up vfio-user:nic.sock",
  ],
  needs({ values, operands }) {
    const device = parseDevice(operands[0]!);
    const made = [values.capture, values["capture-host"], values.log].filter((path) => path !== undefined);
    const metrics = metricsAddress(values);
    if (metrics?.kind === "unix") made.push(metrics.path);
    const read = values.firmware === undefined ? [] : firmwareIn(values.firmware);
    const config = values.config === undefined ? [] : [values.config];
    const used = device.kind === "vfio-user" ? [device.path] : device.kind === "pci" ? groupFiles(device.address) : [];
    return {
      // The TAP and its settings need these capabilities, and so does entering the namespace of a moved interface.
      capabilities: ["net_admin", "sys_admin", ...(values["unsafe-noiommu"] ? (["sys_rawio"] as const) : [])],
      paths: [
        ...(device.kind === "model" ? pathsOf(parseWire(values.wire ?? RESPONDER)) : []),
        ...["/dev/net/tun", ...used].map((path) => ({ path, use: "write" }) as const),
        ...made.map((path) => ({ path, use: "make" }) as const),
        ...[...read, ...config].map((path) => ({ path, use: "read" }) as const),
      ],
      locksMemory: device.kind === "pci",
    };
  },
  async run({ values, operands, terminal }) {
    const typed = operands[0]!;
    const device = parseDevice(typed);
    const interfaceName = parseInterfaceName(values.name);
    const { capture, "capture-host": captureHost, "sleep-without-link": idle } = values;
    const spec = deviceSpec(device, values, interfaceName);
    const chip = device.kind === "model" ? device.chip : undefined;
    const record = spec.kind === "model" ? recordOf(spec.wire) : undefined;
    const shown = terminalFor(terminal, [capture, captureHost, record, values.log]);
    if (values.log !== undefined && !values.detach)
      throw new WrongUsage("--log is for --detach", "Redirect standard output, or add --detach.");
    using stop = stopAtSignals();
    const foreground = Foreground.of(stop);
    const level = parseLevel(values["log-level"]);
    const metrics = metricsAddress(values);
    const settings = parseSettings(values.ethtool ?? "", interfaceName);
    if (values.detach && foreground === undefined) {
      if (shown !== terminal)
        throw new WrongUsage(
          "with --detach there is no standard output to which a capture could be written",
          "Write to a file.",
        );
      return await upInBackground(interfaceName, values, stop, terminal.out);
    }
    const queues = values.queues === undefined ? 1 : parseQueues(values.queues, chip);
    const session: SessionOptions = {
      device: spec,
      host: { name: interfaceName },
      mtu: parseMtu(values.mtu, chip),
      ...(values.rings === undefined ? {} : { rings: parseRings(values.rings, chip) }),
      queues,
      queueThreads: hasQueueThreads(values.threads, {
        queues,
        device: device.kind,
        captured: captureHost !== undefined,
      }),
      ...(values.aspm === undefined ? {} : { aspm: parseAspm(values.aspm, chip) }),
      ...(values.mac === undefined ? {} : { address: parseStationAddress(values.mac) }),
      ...(values.wake === undefined ? {} : { wake: parseWake(values.wake) }),
      ...(values.firmware === undefined ? {} : { firmware: values.firmware }),
      ...(captureHost === undefined ? {} : { captureHost }),
      ...(idle === undefined ? {} : { sleepWithoutLink: parseIdle(idle) }),
      waitForCard: parseWait(values["wait-for-card"]),
    };
    const wire = device.kind === "model" ? (values.wire ?? RESPONDER) : undefined;
    // Loaded here, because the first process of `dropCapabilities` executes the program again before it gets here.
    const [{ bringUp }, { openSession }] = await Promise.all([import("./bring-up.ts"), import("../open-session.ts")]);
    const request = { session, interfaceName, device: typed, wire, json: values.json, level, metrics, settings };
    if (foreground === undefined) return await bringUp(request, shown, openSession, stop);
    const onUp = (event: UpEvent): Promise<void> => foreground.up(event);
    try {
      return await bringUp({ ...request, onUp }, shown, openSession, stop);
    } catch (error) {
      await foreground.failed(error);
      throw error;
    }
  },
});
