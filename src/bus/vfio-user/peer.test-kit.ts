/** A device with one page of registers, its server, and a client that can send anything, all in one thread. */
import assert from "node:assert/strict";
import { closeSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VirtualClock } from "#kit/clock.ts";
import type { GuestMemory, RegionName, Target } from "#kit/target.ts";
import { createMemory } from "#sys/mapping.ts";
import { UnixSocket } from "#sys/unix-socket.ts";
import { connectUnix } from "#sys/unix-path.ts";
import type { Fd } from "#sys/fd.ts";
import { DMA_MAP, IRQ_SET, type Layout, VERSION, putHeader, readHeader } from "./codec.ts";
import { Command, Flag, HEADER_BYTES, MapFlag } from "./protocol.ts";
import { type ServerOptions, VfioUserServer } from "./server.ts";

/** Configuration space of a function with INTx, MSI (2 vectors), Express and MSI-X (3 vectors). */
const CONFIG: readonly (readonly [at: number, byte: number])[] = [
  [0x00, 0xec],
  [0x01, 0x10],
  [0x06, 0x10],
  [0x18, 0x04],
  [0x34, 0x40],
  [0x3d, 1],
  [0x40, 0x05],
  [0x41, 0x50],
  [0x42, 0x02],
  [0x50, 0x10],
  [0x51, 0x60],
  [0x60, 0x11],
  [0x62, 0x02],
];
export const BAR = 2;
export const BAR_BYTES = 4096;

/** A device whose registers are plain memory, with the bus functions that a test needs. */
export class PageDevice implements Target {
  readonly config = new Uint8Array(4096);
  readonly page = new Uint8Array(BAR_BYTES);
  readonly accesses: string[] = [];
  memory: GuestMemory | undefined;
  raise: (vector: number) => void = () => {};
  level = false;
  resets = 0;
  powerCycles = 0;
  memoryChanges = 0;
  /** Called after a write to the page. */
  onWrite: ((offset: number, value: number) => void) | undefined;

  constructor() {
    for (const [at, byte] of CONFIG) this.config[at] = byte;
  }
  size(region: RegionName): number {
    return region === "config" ? 4096 : region === BAR ? BAR_BYTES : 0;
  }
  read(region: RegionName, offset: number, width: 1 | 2 | 4): number {
    this.accesses.push(`r${8 * width} ${region} ${offset.toString(16)}`);
    const bytes = region === "config" ? this.config : this.page;
    let value = 0;
    for (let i = width - 1; i >= 0; i--) value = value * 256 + bytes[offset + i]!;
    return value;
  }
  write(region: RegionName, offset: number, width: 1 | 2 | 4, value: number): void {
    this.accesses.push(`w${8 * width} ${region} ${offset.toString(16)}=${value.toString(16)}`);
    const bytes = region === "config" ? this.config : this.page;
    for (let i = 0; i < width; i++) bytes[offset + i] = value >>> (8 * i);
    if (region === BAR) this.onWrite?.(offset, value);
  }
  reset(): void {
    this.resets++;
  }
  powerCycle(): void {
    this.powerCycles++;
    this.page.fill(0);
  }
  attach(memory: GuestMemory, raise: (vector: number) => void): void {
    this.memory = memory;
    this.raise = raise;
  }
  detach(): void {
    this.memory = undefined;
    this.raise = () => {};
  }
  memoryChanged(): void {
    this.memoryChanges++;
  }
  asserted(): boolean {
    return this.level;
  }
}

export interface Reply {
  readonly id: number;
  readonly command: number;
  readonly flags: number;
  readonly error: number;
  /** The bytes after the header. */
  readonly body: Uint8Array;
}

/** A whole message. */
export const message = (
  id: number,
  command: number,
  body: Uint8Array,
  flags: number = Flag.request,
  size = HEADER_BYTES + body.length,
): Uint8Array => {
  const bytes = new Uint8Array(HEADER_BYTES + body.length);
  putHeader(bytes, 0, id, command, size, flags, 0);
  bytes.set(body, HEADER_BYTES);
  return bytes;
};

/** The part of a message after its header, followed by `data`. */
export const body = <T extends Readonly<Record<string, "u16" | "u32" | "u64">>>(
  layout: Layout<T>,
  values: { readonly [K in keyof T]: number },
  data: Uint8Array = new Uint8Array(0),
): Uint8Array => {
  const bytes = new Uint8Array(HEADER_BYTES + layout.bytes + data.length);
  layout.write(bytes, 0, values);
  bytes.set(data, HEADER_BYTES + layout.bytes);
  return bytes.subarray(HEADER_BYTES);
};

export const text = (json: string): Uint8Array => new TextEncoder().encode(`${json}\0`);
export const versionBody = (json = '{"capabilities":{}}', minor = 1, major = 0): Uint8Array =>
  body(VERSION, { major, minor }, json === "" ? new Uint8Array(0) : text(json));

/** One receive buffer for all clients, so that memory use stays constant. */
const into = new Uint8Array(1 << 18);

/** A client. The test runs the server between the client's calls. */
export class Peer implements Disposable {
  readonly socket: UnixSocket;
  #id = 0;
  #received = new Uint8Array(0);

  constructor(path: string) {
    this.socket = new UnixSocket(connectUnix(path));
  }

  get nextId(): number {
    this.#id = (this.#id + 1) & 0xffff;
    return this.#id;
  }

  send(bytes: Uint8Array, fds: readonly number[] = []): void {
    assert.equal(this.socket.send(bytes, fds), bytes.length);
  }

  /** The next complete message; undefined if there is none, "closed" if the server has closed the connection. */
  receive(): Reply | "closed" | undefined {
    for (;;) {
      const reply = this.#takeOne();
      if (reply !== undefined) return reply;
      let length: number | undefined;
      try {
        length = this.socket.receive(into)?.length;
      } catch {
        return "closed";
      }
      if (length === undefined) return undefined;
      if (length === 0) return "closed";
      const before = this.#received;
      this.#received = new Uint8Array(before.length + length);
      this.#received.set(before);
      this.#received.set(into.subarray(0, length), before.length);
    }
  }

  [Symbol.dispose](): void {
    this.socket[Symbol.dispose]();
  }

  #takeOne(): Reply | undefined {
    const bytes = this.#received;
    if (bytes.length < HEADER_BYTES) return undefined;
    const { id, command, size, flags, error } = readHeader(bytes, 0);
    if (bytes.length < size) return undefined;
    this.#received = bytes.slice(size);
    return { id, command, flags, error, body: bytes.slice(HEADER_BYTES, size) };
  }
}

/** Device, server and client, on a socket in a temporary directory. */
export class Rig implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "ferrule-vfio-user-"));
  readonly path = join(this.folder, "nic.sock");
  readonly device = new PageDevice();
  readonly clock = new VirtualClock();
  readonly server: VfioUserServer;
  /** Why clients were disconnected. */
  readonly complaints: string[] = [];
  /** Why clients were rejected. */
  readonly turnedAway: string[] = [];
  peer: Peer;

  /** @param version the client's first message */
  constructor(version: Uint8Array | "none" = versionBody(), options: Pick<ServerOptions, "keepsState"> = {}) {
    this.server = new VfioUserServer(this.device, {
      ...options,
      path: this.path,
      clock: this.clock,
      timers: this.clock.timers,
      onClient: ({ why }) => {
        if (why !== undefined) this.complaints.push(why);
      },
      onTurnedAway: (why) => this.turnedAway.push(why),
      close: closeSync,
    });
    this.peer = this.connect(version);
  }

  connect(version: Uint8Array | "none" = versionBody()): Peer {
    this.peer = new Peer(this.path);
    this.work();
    if (version !== "none") assert.equal(this.ask(Command.version, version).error, 0);
    return this.peer;
  }

  /** Runs the server until it is idle. */
  work(): void {
    for (let idle = 0; idle < 2;) idle = this.server.ready() === 0 ? idle + 1 : 0;
  }

  /** Sends a request and gets the reply. */
  ask(command: number, bytes: Uint8Array, fds: readonly number[] = []): Reply {
    const id = this.peer.nextId;
    this.peer.send(message(id, command, bytes), fds);
    this.work();
    const reply = this.peer.receive();
    assert.ok(reply !== undefined && reply !== "closed", `no reply to command ${command}`);
    assert.equal(reply.id, id);
    assert.equal(reply.command, command);
    assert.equal(reply.flags & Flag.typeMask, Flag.reply);
    assert.equal((reply.flags & Flag.error) !== 0, reply.error !== 0);
    return reply;
  }

  /** The error number of a rejected request, otherwise 0. */
  error(command: number, bytes: Uint8Array, fds: readonly number[] = []): number {
    const reply = this.ask(command, bytes, fds);
    if (reply.error !== 0) assert.equal(reply.body.length, 0);
    return reply.error;
  }

  /** Asserts that the server closed the connection, reported the reason in one line, and accepts the next client. */
  assertDropped(why: RegExp): void {
    this.work();
    let last = this.peer.receive();
    while (last !== undefined && last !== "closed") last = this.peer.receive();
    assert.equal(last, "closed");
    assert.match(this.complaints.at(-1) ?? "", why);
    assert.doesNotMatch(this.complaints.at(-1)!, /\n/);
    this.peer[Symbol.dispose]();
    this.connect();
  }

  /** Shares new memory at `address`. */
  share(address: number, size: number, flags: number = MapFlag.read | MapFlag.write): Fd {
    const memory = createMemory("guest", size);
    const values = { argsz: DMA_MAP.bytes, flags, offset: 0, address, size };
    assert.equal(this.error(Command.dmaMap, body(DMA_MAP, values), [memory.number]), 0);
    return memory;
  }

  /** Sends SET_IRQS, and returns the error number or 0. */
  irqs(
    values: { flags: number; index: number; start: number; count: number },
    fds: readonly number[] = [],
    data: Uint8Array = new Uint8Array(0),
  ): number {
    return this.error(Command.setIrqs, body(IRQ_SET, { argsz: IRQ_SET.bytes + data.length, ...values }, data), fds);
  }

  [Symbol.dispose](): void {
    this.peer[Symbol.dispose]();
    this.server[Symbol.dispose]();
    rmSync(this.folder, { recursive: true });
  }
}

/**
 * Numbers of this process's open descriptors and of its mappings of memfds. Other mappings, such as the heap, are not
 * counted.
 */
export const holdings = (): { descriptors: number; sharedMaps: number } => ({
  descriptors: openDescriptors(),
  sharedMaps: readFileSync("/proc/self/maps", "utf8")
    .split("\n")
    .filter((line) => line.includes("/memfd:")).length,
});
/** The process's memory that is not shared, and the size of its address space, both in kilobytes. */
export const footprint = (): { memory: number; addresses: number } => {
  const status = readFileSync("/proc/self/status", "utf8");
  const of = (name: string): number => Number(new RegExp(`^${name}:\\s*(\\d+) kB$`, "m").exec(status)![1]);
  return { memory: of("VmRSS") - of("RssShmem"), addresses: of("VmSize") };
};
export const openDescriptors = (): number => readdirSync("/proc/self/fd").length;
