/** Executes a client's requests and builds the replies. */
import type { Target } from "#kit/target.ts";
import type { Fd } from "#sys/fd.ts";
import { type Capabilities, ourCapabilities, parseCapabilities } from "./capabilities.ts";
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
  u32,
} from "./codec.ts";
import type { Connection } from "./connection.ts";
import type { DeviceRegions } from "./device-regions.ts";
import type { GuestMaps } from "./guest-memory.ts";
import type { InterruptTable } from "./interrupt-table.ts";
import {
  Command,
  DeviceFlag,
  HEADER_BYTES,
  IRQS,
  MAJOR,
  MapFlag,
  MINOR,
  REGIONS,
  Refused,
  RegionFlag,
  UnmapFlag,
} from "./protocol.ts";
import type { RegisterAccess } from "./register-access.ts";

/** Commands of the protocol that this device does not support. */
const UNSUPPORTED: readonly number[] = [
  Command.dirtyPages,
  Command.deviceFeature,
  Command.migrationRead,
  Command.migrationWrite,
];

/** Result of a request: the number of bytes of the reply after its header, or the negated error number. */
type Outcome = number;
const DONE: Outcome = 0;
/** Passed instead of a command if a message is neither a request nor a reply. */
export const NOTHING = -1;

export const closeAll = (fds: readonly Fd[]): void => {
  for (const fd of fds) fd[Symbol.dispose]();
};

/** Guest memory was mapped or unmapped. `access` is "r", "w" or "rw". */
export interface MemoryChange {
  readonly mapped: boolean;
  readonly address: number;
  readonly length: number;
  readonly access: string;
}

export interface ReplyParts {
  readonly target: Target;
  readonly connection: Connection;
  readonly regions: DeviceRegions;
  readonly registers: RegisterAccess;
  readonly maps: GuestMaps;
  readonly interrupts: InterruptTable;
  /** Called with the client's capabilities. */
  readonly negotiate: (client: Capabilities) => void;
  readonly onMemory: ((change: MemoryChange) => void) | undefined;
}

export class Replies {
  readonly #target: Target;
  readonly #connection: Connection;
  readonly #regions: DeviceRegions;
  readonly #registers: RegisterAccess;
  readonly #maps: GuestMaps;
  readonly #interrupts: InterruptTable;
  readonly #negotiate: ReplyParts["negotiate"];
  readonly #onMemory: ReplyParts["onMemory"];
  /** The client has sent its version, and may send other requests. */
  negotiated = false;

  constructor(parts: ReplyParts) {
    this.#target = parts.target;
    this.#connection = parts.connection;
    this.#regions = parts.regions;
    this.#registers = parts.registers;
    this.#maps = parts.maps;
    this.#interrupts = parts.interrupts;
    this.#negotiate = parts.negotiate;
    this.#onMemory = parts.onMemory;
  }

  /** Executes the request of `size` bytes at `at`. Takes ownership of the descriptors. */
  request(command: number, at: number, size: number, fds: readonly Fd[]): Outcome {
    if (command === Command.regionWrite && fds.length === 0 && this.negotiated) return this.#registers.write(at, size);
    const takesFds = command === Command.dmaMap || command === Command.setIrqs;
    const inOrder = this.negotiated !== (command === Command.version);
    if (!inOrder || command === NOTHING || (fds.length > 0 && !takesFds)) {
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
    // QEMU requests version 0.0, and accepts no reply that is longer than its request.
    const capabilities = ourCapabilities(at + size - text);
    const reply = this.#connection.reserve();
    VERSION.write(outgoing, reply, { major: MAJOR, minor: Math.min(minor, MINOR) });
    outgoing.set(capabilities, reply + HEADER_BYTES + VERSION.bytes);
    this.#negotiate(client);
    this.negotiated = true;
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
    // `argsz` includes the data after the fixed part. In QEMU's requests with descriptors it counts only the fixed
    // part.
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

  /** Builds the reply that no register is available as an eventfd or as shared memory. */
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

  /** The fixed part of a request; undefined if it is incomplete, or the sender has no room for the reply. */
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
