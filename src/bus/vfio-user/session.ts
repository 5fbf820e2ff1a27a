/** One client's time with the device: what each request asks for, checked, done and answered. */
import type { Target } from "#kit/target.ts";
import { Poll } from "#sys/poll.ts";
import type { Fd } from "#sys/fd.ts";
import type { MapWindows } from "#sys/map-window.ts";
import { ourCapabilities, parseCapabilities } from "./capabilities.ts";
import { ClientMemory, type Step, isReply, sizeOf } from "./client-memory.ts";
import {
  DEVICE_INFO,
  DMA_MAP,
  DMA_UNMAP,
  IRQ_INFO,
  IRQ_SET,
  type Layout,
  REGION_INFO,
  REGION_IO_FDS,
  VERSION,
  u16,
  u32,
} from "./codec.ts";
import { Connection, Ended } from "./connection.ts";
import { DeviceRegions } from "./device-regions.ts";
import { GuestMaps } from "./guest-memory.ts";
import { RegisterAccess } from "./register-access.ts";
import { InterruptTable, type IrqCounts } from "./interrupt-table.ts";
import {
  COMMAND,
  Command,
  DeviceFlag,
  FLAGS,
  Flag,
  HEADER_BYTES,
  ID,
  IRQS,
  MAJOR,
  MapFlag,
  MINOR,
  REGIONS,
  Refused,
  RegionFlag,
  UnmapFlag,
} from "./protocol.ts";

/** Commands the protocol has, and this device has no use for. */
const UNSUPPORTED: readonly number[] = [
  Command.dirtyPages,
  Command.deviceFeature,
  Command.migrationRead,
  Command.migrationWrite,
];
/** What a request may do to a device that waits for an answer of its own: the guest's accesses to registers. */
const ACCESSES: readonly number[] = [Command.regionRead, Command.regionWrite, Command.regionWriteMultiple];

/** How long a client's requests may keep everything else waiting: the wire, and who asks for the server's end. */
const TURN_MILLIS = 20;

/** What a request came to: how many bytes the reply has behind its header, or the negated error number. */
type Outcome = number;
const DONE: Outcome = 0;
/** A message that is neither a request nor a reply. */
const NOTHING = -1;

const closeAll = (fds: readonly Fd[]): void => {
  for (const fd of fds) fd[Symbol.dispose]();
};

/** Guest memory came, or went. `access` is "r", "w" or "rw". */
export interface MemoryChange {
  readonly mapped: boolean;
  readonly address: number;
  readonly length: number;
  readonly access: string;
}

export interface SessionParts {
  readonly target: Target;
  readonly windows: MapWindows;
  readonly irqs: IrqCounts;
  readonly onMemory?: ((change: MemoryChange) => void) | undefined;
}

export class Session implements Disposable {
  readonly #target: Target;
  readonly #onMemory: SessionParts["onMemory"];
  readonly #connection: Connection;
  readonly #regions: DeviceRegions;
  readonly #registers: RegisterAccess;
  readonly #memory: ClientMemory;
  readonly #maps: GuestMaps;
  readonly #interrupts: InterruptTable;
  #negotiated = false;
  #ended: Ended | undefined;
  /** A request is waiting that cannot be carried out while the device waits for memory: the device gets none. */
  #yielding = false;
  /** There may be more to carry out than one turn has time for. */
  #hurried = false;
  /** Where the innermost request that is being carried out ends. */
  #floor = 0;

  /** Takes the socket. The device is attached to the client's memory and interrupts until this is disposed. */
  constructor(socket: Fd, parts: SessionParts) {
    const { target, windows, irqs } = parts;
    this.#target = target;
    this.#onMemory = parts.onMemory;
    this.#connection = new Connection(socket);
    this.#regions = new DeviceRegions(target);
    this.#registers = new RegisterAccess(this.#connection, this.#regions);
    this.#interrupts = new InterruptTable(irqs, () => target.asserted());
    this.#memory = new ClientMemory(this.#connection, () => this.#serve());
    this.#maps = new GuestMaps(
      windows,
      {
        read: (address, bytes, offset, length) => this.#mayAsk && this.#memory.read(address, bytes, offset, length),
        write: (address, bytes, offset, length) => this.#mayAsk && this.#memory.write(address, bytes, offset, length),
      },
      () => target.memoryChanged(),
    );
    target.attach(this.#maps, (vector) => this.#interrupts.raise(vector));
  }

  get fd(): number {
    return this.#connection.fd;
  }

  get events(): number {
    return this.#connection.events;
  }

  /** Requests have been received that nobody has looked at: do not wait for more. */
  get busy(): boolean {
    return this.#yielding || this.#hurried || this.#ended !== undefined;
  }

  get maps(): number {
    return this.#maps.count;
  }

  /** Carries out what has been received, and receives once; not for long. Returns how many requests that was. */
  work(): number | Ended {
    this.#connection.flush();
    this.#memory.renew();
    this.#maps.tidy();
    this.#hurried = false;
    let done = 0;
    const end = performance.now() + TURN_MILLIS;
    for (let received = false; ;) {
      this.#yielding = false;
      if (this.#ended !== undefined) return this.#ended;
      if (this.#connection.events !== Poll.readable) return done;
      const at = this.#connection.next();
      if (at instanceof Ended) return at;
      if (at >= 0) {
        this.#carryOut(at);
        done++;
        if (performance.now() < end) continue;
        this.#hurried = true;
        return done;
      }
      this.#connection.settle();
      if (received) return done;
      const more = this.#connection.receive();
      if (more instanceof Ended) return more;
      if (!more) return done;
      received = true;
    }
  }

  /** Asks the client to give the device back. */
  requestUnplug(): void {
    this.#interrupts.requestUnplug();
  }

  [Symbol.dispose](): void {
    this.#maps.clear();
    this.#interrupts.clear();
    this.#connection[Symbol.dispose]();
  }

  get #mayAsk(): boolean {
    return this.#ended === undefined && !this.#yielding && !this.#registers.reading;
  }

  /** While the device waits for memory: takes answers, and lets the guest go on with its registers. */
  #serve(): Step {
    const at = this.#connection.next();
    if (at instanceof Ended) return this.#end(at);
    if (at < 0) {
      this.#connection.settle(this.#floor);
      const more = this.#connection.receive();
      if (more instanceof Ended) return this.#end(more);
      return more ? "done" : "nothing";
    }
    if (this.#connection.reserve() < 0) return "nothing";
    const { bytes } = this.#connection;
    if (!isReply(bytes, at) && !ACCESSES.includes(u16(bytes, at + COMMAND))) {
      this.#yielding = true;
      return "end";
    }
    this.#carryOut(at);
    return this.#mayAsk ? "done" : "end";
  }

  #end(ended: Ended): "end" {
    this.#ended = ended;
    return "end";
  }

  #carryOut(at: number): void {
    const { bytes } = this.#connection;
    const size = sizeOf(bytes, at);
    const fds = this.#connection.take(size);
    if (isReply(bytes, at)) {
      closeAll(fds);
      if (!this.#memory.answer(at, size)) this.#ended = new Ended("a reply to nothing that was asked");
      return;
    }
    const flags = u32(bytes, at + FLAGS);
    const command = u16(bytes, at + COMMAND);
    const id = u16(bytes, at + ID);
    const floor = this.#floor;
    this.#floor = this.#connection.taken;
    const outcome = this.#request((flags & Flag.typeMask) === Flag.request ? command : NOTHING, at, size, fds);
    this.#floor = floor;
    if ((flags & Flag.noReply) !== 0) return;
    if (outcome >= 0) this.#connection.commit(id, command, HEADER_BYTES + outcome, Flag.reply, 0);
    else this.#connection.commit(id, command, HEADER_BYTES, Flag.reply | Flag.error, -outcome);
  }

  #request(command: number, at: number, size: number, fds: readonly Fd[]): Outcome {
    if (command === Command.regionWrite && fds.length === 0 && this.#negotiated) return this.#registers.write(at, size);
    const takesFds = command === Command.dmaMap || command === Command.setIrqs;
    const inTurn = this.#negotiated !== (command === Command.version);
    if (!inTurn || command === NOTHING || (fds.length > 0 && !takesFds)) {
      closeAll(fds);
      return -Refused.EINVAL;
    }
    switch (command) {
      case Command.version:
        return this.#version(at, size);
      case Command.regionRead:
        return this.#registers.read(at, size);
      case Command.regionWrite:
        return this.#registers.write(at, size);
      case Command.regionWriteMultiple:
        return this.#registers.writeMultiple(at, size);
      case Command.dmaMap:
        return this.#dmaMap(at, size, fds);
      case Command.dmaUnmap:
        return this.#dmaUnmap(at, size);
      case Command.setIrqs:
        return this.#setIrqs(at, size, fds);
      case Command.deviceInfo:
        return this.#deviceInfo(at, size);
      case Command.regionInfo:
        return this.#regionInfo(at, size);
      case Command.regionIoFds:
        return this.#regionIoFds(at, size);
      case Command.irqInfo:
        return this.#irqInfo(at, size);
      case Command.deviceReset:
        return this.#reset(size);
      default:
        return UNSUPPORTED.includes(command) ? -Refused.EOPNOTSUPP : -Refused.ENOSYS;
    }
  }

  #version(at: number, size: number): Outcome {
    if (size < HEADER_BYTES + VERSION.bytes) return -Refused.EINVAL;
    const { bytes, outgoing } = this.#connection;
    const { major, minor } = VERSION.read(bytes, at);
    const text = at + HEADER_BYTES + VERSION.bytes;
    const client = parseCapabilities(bytes.subarray(text, at + size));
    if (major !== MAJOR || client === undefined) return -Refused.EINVAL;
    // QEMU has no room for more than it sent itself, and says version 0.0.
    const capabilities = ourCapabilities(at + size - text);
    const reply = this.#connection.reserve();
    VERSION.write(outgoing, reply, { major: MAJOR, minor: Math.min(minor, MINOR) });
    outgoing.set(capabilities, reply + HEADER_BYTES + VERSION.bytes);
    this.#memory.agree(client);
    this.#negotiated = true;
    return VERSION.bytes + capabilities.length;
  }

  #dmaMap(at: number, size: number, fds: readonly Fd[]): Outcome {
    const request = this.#fixed(DMA_MAP, at, size);
    if (request === undefined || fds.length > 1) {
      closeAll(fds);
      return -Refused.EINVAL;
    }
    const error = this.#maps.map(request, fds[0]);
    const { flags, address, size: length } = request;
    const access = `${(flags & MapFlag.read) === 0 ? "" : "r"}${(flags & MapFlag.write) === 0 ? "" : "w"}`;
    if (error === 0) this.#onMemory?.({ mapped: true, address, length, access });
    return -error;
  }

  #dmaUnmap(at: number, size: number): Outcome {
    const request = this.#fixed(DMA_UNMAP, at, size);
    if (request === undefined) return -Refused.EINVAL;
    const { flags, address, size: length } = request;
    if ((flags & UnmapFlag.dirtyBitmap) !== 0) return -Refused.EOPNOTSUPP;
    if ((flags & ~UnmapFlag.all) !== 0) return -Refused.EINVAL;
    if (flags === UnmapFlag.all) {
      if (address !== 0 || length !== 0) return -Refused.EINVAL;
      this.#maps.clear();
    } else {
      const error = this.#maps.unmap(address, length);
      if (error !== 0) return -error;
    }
    this.#onMemory?.({ mapped: false, address, length, access: "" });
    return this.#connection.echo(at, HEADER_BYTES + DMA_UNMAP.bytes);
  }

  #setIrqs(at: number, size: number, fds: readonly Fd[]): Outcome {
    const data = at + HEADER_BYTES + IRQ_SET.bytes;
    const request = size < data - at ? undefined : IRQ_SET.read(this.#connection.bytes, at);
    // The argument's size counts what stands behind it; what QEMU sends with descriptors stops at the fixed part.
    if (request === undefined || request.argsz < IRQ_SET.bytes || request.argsz > size - HEADER_BYTES) {
      closeAll(fds);
      return -Refused.EINVAL;
    }
    return -this.#interrupts.set(request, this.#connection.bytes.subarray(data, at + size), fds);
  }

  #deviceInfo(at: number, size: number): Outcome {
    if (this.#fixed(DEVICE_INFO, at, size) === undefined) return -Refused.EINVAL;
    const flags = DeviceFlag.reset | DeviceFlag.pci;
    return this.#answer(DEVICE_INFO, { argsz: DEVICE_INFO.bytes, flags, regions: REGIONS, irqs: IRQS });
  }

  #regionInfo(at: number, size: number): Outcome {
    const request = this.#fixed(REGION_INFO, at, size);
    if (request === undefined || request.index >= REGIONS) return -Refused.EINVAL;
    const { index } = request;
    const bytes = this.#regions.size(index);
    const flags = bytes === 0 ? 0 : RegionFlag.read | RegionFlag.write;
    return this.#answer(REGION_INFO, {
      argsz: REGION_INFO.bytes,
      flags,
      index,
      capabilities: 0,
      size: bytes,
      offset: 0,
    });
  }

  /** No register is offered as an event or as shared memory. */
  #regionIoFds(at: number, size: number): Outcome {
    const request = this.#fixed(REGION_IO_FDS, at, size);
    if (request === undefined || request.index >= REGIONS || request.flags !== 0 || request.count !== 0)
      return -Refused.EINVAL;
    return this.#answer(REGION_IO_FDS, { argsz: REGION_IO_FDS.bytes, flags: 0, index: request.index, count: 0 });
  }

  #irqInfo(at: number, size: number): Outcome {
    const request = this.#fixed(IRQ_INFO, at, size);
    if (request === undefined || request.index >= IRQS) return -Refused.EINVAL;
    const { index } = request;
    const count = this.#interrupts.counts[index]!;
    const flags = count === 0 ? 0 : this.#interrupts.flags(index);
    return this.#answer(IRQ_INFO, { argsz: IRQ_INFO.bytes, flags, index, count });
  }

  #reset(size: number): Outcome {
    if (size !== HEADER_BYTES) return -Refused.EINVAL;
    this.#target.reset();
    return DONE;
  }

  /** The fixed part of a request; undefined when there is not all of it, or the sender has no room for the answer. */
  #fixed<T extends Readonly<Record<string, "u16" | "u32" | "u64">>>(
    layout: Layout<T>,
    at: number,
    size: number,
  ): { readonly [K in keyof T]: number } | undefined {
    if (size < HEADER_BYTES + layout.bytes) return undefined;
    return u32(this.#connection.bytes, at + HEADER_BYTES) < layout.bytes
      ? undefined
      : layout.read(this.#connection.bytes, at);
  }

  #answer<T extends Readonly<Record<string, "u16" | "u32" | "u64">>>(
    layout: Layout<T>,
    values: { readonly [K in keyof T]: number },
  ): Outcome {
    layout.write(this.#connection.outgoing, this.#connection.reserve(), values);
    return layout.bytes;
  }
}
