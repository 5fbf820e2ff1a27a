/** Memory, mappings and descriptors of a NIC server while clients connect and disconnect, and while one client maps and unmaps memory. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { VfioUserDevice } from "#bus/vfio-user/client.ts";
import { DMA_MAP, DMA_UNMAP } from "#bus/vfio-user/codec.ts";
import { Command, MapFlag, Region } from "#bus/vfio-user/protocol.ts";
import { Requests } from "#bus/vfio-user/requests.ts";
import { DTCCR, DTCCRHigh } from "#chip/registers.ts";
import { createMemory } from "#sys/mapping.ts";
import { connectUnix } from "#sys/unix-path.ts";
import type { Bench, BenchOptions, Report, Row } from "./bench.ts";
import { Child } from "./child.ts";

const CLIENTS = 100;
const HUNDREDS = ["the first clients", "more clients", "further clients"] as const;
const MAPS = 1000;
/** An uncounted warm-up, in which the engine compiles code and its heap grows. */
const WARM_UP = { clients: 20, maps: 200 } as const;
/** Number of samples of a run. */
const SAMPLES = 10;

const START_LIMIT_MS = 20_000;
const SETTLE_MS = 300;
const MAP_BYTES = 16 << 20;
const IOVA = 0x1_0000_0000;
const COMMAND_REGISTER = 0x04;
const MEMORY_AND_MASTER = 0x6;
/** Bit of DTCCR that makes the chip write its counters to memory. */
const DUMP = 1 << 3;
const BAR = 2;
const HIGH = IOVA / 2 ** 32;

/** Resources of a process. */
interface Holding {
  readonly kilobytes: number;
  readonly descriptors: number;
  /** Number of mappings of memory that clients shared. */
  readonly sharedMaps: number;
}

interface MemoryRun {
  readonly what: string;
  readonly cycles: number;
  readonly before: Holding;
  readonly after: Holding;
  /** Largest resident memory of all samples, in KiB. */
  readonly mostKilobytes: number;
}

const holding = (pid: number): Holding => {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const maps = readFileSync(`/proc/${pid}/maps`, "utf8").split("\n");
  return {
    kilobytes: Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)![1]),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    sharedMaps: maps.filter((line) => line.includes("/memfd:dma")).length,
  };
};

/** Makes `cycles` calls of `cycle`. Takes ten samples during the run, and one at the end, when the server is idle. */
const follow = async (pid: number, what: string, cycles: number, cycle: () => void): Promise<MemoryRun> => {
  const before = holding(pid);
  let max = before.kilobytes;
  for (let i = 1; i <= cycles; i++) {
    cycle();
    if (i % (cycles / SAMPLES) === 0) max = Math.max(max, holding(pid).kilobytes);
  }
  await sleep(SETTLE_MS);
  const after = holding(pid);
  return { what, cycles, before, after, mostKilobytes: Math.max(max, after.kilobytes) };
};

/** Acts as a client that shares memory, makes the NIC write to it, receives interrupts, and disconnects. */
const visit = (path: string): void => {
  using device = VfioUserDevice.connect({ path, dmaBytes: MAP_BYTES });
  using line = device.interrupts.request(0);
  device.setBusMaster(true);
  line.unmask();
  device.registers.writeHigh(DTCCRHigh, device.dma.iova);
  device.registers.writeLow(DTCCR, device.dma.iova, DUMP);
  device.registers.read32(DTCCR);
};

/** Maps memory, makes the NIC write its counters into that memory, and unmaps it. */
const mapAndUnmap = (requests: Requests): void => {
  using memory = createMemory("dma", MAP_BYTES);
  const flags = MapFlag.read | MapFlag.write;
  const place = { address: IOVA, size: MAP_BYTES };
  requests.send(Command.dmaMap, DMA_MAP, { argsz: DMA_MAP.bytes, flags, offset: 0, ...place }, [memory.number]);
  requests.write(BAR, DTCCRHigh, 4, HIGH, true);
  requests.write(BAR, DTCCR, 4, DUMP, true);
  requests.read(BAR, DTCCR, 4);
  requests.send(Command.dmaUnmap, DMA_UNMAP, { argsz: DMA_UNMAP.bytes, flags: 0, ...place });
};

const rowOf = ({ what, cycles, before, after, mostKilobytes }: MemoryRun): Row => ({
  what,
  cycles,
  "MiB before": (before.kilobytes / 1024).toFixed(1),
  "MiB after": (after.kilobytes / 1024).toFixed(1),
  "MiB at most": (mostKilobytes / 1024).toFixed(1),
  "descriptors before": before.descriptors,
  after: after.descriptors,
  "shared maps": after.sharedMaps,
});

const run = async (options: BenchOptions): Promise<Report> => {
  const path = join(options.scratch, "nic");
  const entry = join(import.meta.dirname, "..", "src", "app", "cli", "entry.ts");
  const node = [process.execPath, "--disable-warning=ExperimentalWarning"];
  const serve = ["model", "serve", "--json", "--chip", "rtl8168h", "--socket", path, "--wire", "responder"];
  await using server = new Child([...node, entry, ...serve]);
  await server.until("its socket", () => existsSync(path), { limitMs: START_LIMIT_MS, stop: options.stop });
  const { pid } = server;
  for (let i = 0; i < WARM_UP.clients; i++) visit(path);
  await sleep(SETTLE_MS);
  const memoryRuns: MemoryRun[] = [];
  for (const what of HUNDREDS) memoryRuns.push(await follow(pid, what, CLIENTS, () => visit(path)));
  using requests = new Requests(connectUnix(path), "the server");
  requests.write(Region.config, COMMAND_REGISTER, 2, MEMORY_AND_MASTER, false);
  for (let i = 0; i < WARM_UP.maps; i++) mapAndUnmap(requests);
  memoryRuns.push(await follow(pid, "memory mapped and unmapped", MAPS, () => mapAndUnmap(requests)));
  return { rows: memoryRuns.map(rowOf), data: memoryRuns };
};

export const memory: Bench = {
  name: "memory",
  about:
    "resources of ferrule model serve while clients connect and disconnect, and while memory is mapped and unmapped",
  run,
};
