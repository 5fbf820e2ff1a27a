/**
 * The memory that a client maps for its device: accepts maps by device address, and provides the mapped memory as
 * regions.
 */
import type { GuestMemory, MemoryCopy, MemoryRegion } from "#kit/target.ts";
import { SystemError } from "#sys/errno.ts";
import type { Fd } from "#sys/fd.ts";
import type { MapWindow, MapWindows } from "#sys/map-window.ts";
import { memoryFile } from "#sys/memory-file.ts";
import { type BounceBuffer, PeerMemory } from "#sys/peer-memory.ts";
import { BLOCK, endOf, firstAfter, MapBlock } from "./map-block.ts";
import { MAX_MAPPED_BYTES, MAX_MAPS, MapFlag, PAGE, Refused } from "./protocol.ts";

/**
 * A map of more than `STEP` bytes is divided into regions of this size, each of which also includes the first `OVERLAP`
 * bytes of the next.
 */
const STEP = 2 ** 30;
const OVERLAP = 2 ** 20;
/** An access across the border of two maps gets a region of its own (a crossing), of up to twice this size. */
const CROSSING = 2 ** 16;
/** Maximum number of bytes for crossings; when a new crossing exceeds it, all earlier ones are discarded. */
const MAX_CROSSED = 2 ** 23;
/**
 * Limit of the memory for copies of guest memory; when it is exceeded, the copies are discarded. Without a limit, they
 * could grow to the size of all mapped memory.
 */
const MAX_COPIED = 2 ** 26;
const KNOWN_FLAGS = MapFlag.read | MapFlag.write | MapFlag.mmap | MapFlag.fileIo;

/** Memory without a descriptor, which its owner reads and writes on request. */
export interface RemoteMemory {
  /** Reads the bytes at device address `address` into `bytes`. Returns false if that fails. */
  read(address: number, bytes: Uint8Array, offset: number, length: number): boolean;
  write(address: number, bytes: Uint8Array, offset: number, length: number): boolean;
}

export interface MapRequest {
  readonly address: number;
  readonly size: number;
  readonly offset: number;
  readonly flags: number;
}

/**
 * One map. Its region `i` starts at byte `i` times `STEP` of the map. A map that is not copied and fits into one block
 * has no regions of its own; it is in that block with others.
 */
interface GuestMap {
  readonly address: number;
  readonly length: number;
  readonly readOnly: boolean;
  readonly block: MapBlock | undefined;
  readonly regions: readonly MemoryRegion[];
  readonly windows: readonly MapWindow[];
  /** Set if the memory has a descriptor, but cannot be mapped safely and is copied instead. */
  readonly memory: PeerMemory | undefined;
}

export interface GuestMapsParts {
  readonly windows: MapWindows;
  readonly bounce: BounceBuffer;
  readonly remote: RemoteMemory;
  /** Called before and after maps are removed, and after one was added. */
  readonly changed: () => void;
  /** Called with the error if an access of the device to memory throws one; the access then fails. */
  readonly failed: (error: unknown) => void;
}

/**
 * Maps sorted by address, without overlap.
 *
 * A descriptor is mapped for the device only if its file can never become shorter: a memfd sealed against shrinking.
 * Other memory (an unsealed memfd, a file on tmpfs, huge pages) is copied by the kernel instead: its owner could remove
 * pages, and an access to a removed page would kill this process. Descriptors of anything but memory are rejected,
 * because an access might block forever. This process does not seal the file itself, because that would wait for a lock
 * that the owner may hold.
 */
export class GuestMaps implements GuestMemory {
  readonly #windows: MapWindows;
  readonly #bounce: BounceBuffer;
  readonly #remote: RemoteMemory;
  readonly #changed: () => void;
  readonly #failed: (error: unknown) => void;
  readonly #maps: GuestMap[] = [];
  /** Blocks by number: device address divided by the block size. */
  readonly #blocks = new Map<number, MapBlock>();
  /** Crossings by start address. */
  readonly #crossings = new Map<number, MemoryRegion>();
  /** Number of bytes in all crossings. */
  #crossed = 0;
  /** Number of bytes in all maps. */
  #mapped = 0;
  /** An upper bound of the number of bytes in copies, as if each access were to a different page. */
  #copied = 0;

  constructor({ windows, bounce, remote, changed, failed }: GuestMapsParts) {
    this.#windows = windows;
    this.#bounce = bounce;
    this.#remote = remote;
    this.#changed = changed;
    this.#failed = failed;
  }

  get count(): number {
    return this.#maps.length;
  }

  /** Adds a map, with its descriptor if it has one; takes ownership of `fd`. Returns 0 or an error number. */
  map(request: MapRequest, fd: Fd | undefined): number {
    using _fd = fd;
    const refused = this.#refuse(request, fd !== undefined);
    if (refused !== 0) return refused;
    using scope = new DisposableStack();
    try {
      const map = this.#make(request, fd, scope);
      if (map === undefined) return Refused.EINVAL;
      scope.move();
      this.#maps.splice(firstAfter(this.#maps, request.address), 0, map);
      this.#mapped += map.length;
      this.#changed();
      return 0;
    } catch (error) {
      // Errors of the kernel: out of memory or address space, or a file that cannot be mapped this way.
      if (error instanceof SystemError) return error.errno;
      throw error;
    }
  }

  /** Removes the maps inside [address, address + size). Returns 0 or an error number. */
  unmap(address: number, size: number): number {
    if (!(size > 0 && address + size <= Number.MAX_SAFE_INTEGER)) return Refused.EINVAL;
    let first = firstAfter(this.#maps, address) - 1;
    if (first < 0 || this.#maps[first]!.address < address) first++;
    const before = this.#maps[first - 1];
    // A part of a map cannot be removed.
    if (before !== undefined && endOf(before) > address) return Refused.EINVAL;
    let end = first;
    for (; end < this.#maps.length && this.#maps[end]!.address < address + size; end++)
      if (endOf(this.#maps[end]!) > address + size) return Refused.EINVAL;
    if (end === first) return Refused.ENOENT;
    this.#remove(first, end - first);
    return 0;
  }

  /** Removes all maps. */
  clear(): void {
    if (this.#maps.length === 0) return;
    this.#changed();
    const maps = this.#maps.splice(0);
    for (const { memory } of maps) memory?.[Symbol.dispose]();
    const blocks = [...this.#blocks.values()];
    this.#windows.giveAll([...maps.flatMap(({ windows }) => windows), ...blocks.map(({ window }) => window)]);
    this.#blocks.clear();
    this.#crossings.clear();
    this.#crossed = 0;
    this.#mapped = 0;
    this.#changed();
  }

  /** Frees the memory of copies if the limit is reached. Call this while the device is not active. */
  tidy(): void {
    if (this.#copied < MAX_COPIED) return;
    this.#copied = 0;
    for (const { regions, windows } of this.#maps)
      if (regions[0]?.copy !== undefined) for (const window of windows) window.clear();
  }

  region(address: number, length: number): MemoryRegion | undefined {
    try {
      return this.#find(address, length);
    } catch (error) {
      this.#failed(error);
      return undefined;
    }
  }

  #find(address: number, length: number): MemoryRegion | undefined {
    const map = this.#maps[firstAfter(this.#maps, address) - 1];
    if (map === undefined || !(length >= 0 && address < endOf(map))) return undefined;
    const region = map.block?.region(address) ?? map.regions[Math.floor((address - map.address) / STEP)]!;
    return address + length <= endOf(region) ? region : this.#crossing(address, length);
  }

  #refuse({ address, size, offset, flags }: MapRequest, hasFd: boolean): number {
    if ((flags & (MapFlag.read | MapFlag.write)) === 0 || (flags & ~KNOWN_FLAGS) !== 0) return Refused.EINVAL;
    if (!hasFd && (flags & (MapFlag.mmap | MapFlag.fileIo)) !== 0) return Refused.EINVAL;
    if (!(size > 0 && address + size <= Number.MAX_SAFE_INTEGER && offset <= Number.MAX_SAFE_INTEGER))
      return Refused.EINVAL;
    if (address % PAGE !== 0 || size % PAGE !== 0 || offset % PAGE !== 0) return Refused.EINVAL;
    if (this.#maps.length >= MAX_MAPS || this.#mapped + size > MAX_MAPPED_BYTES) return Refused.ENOSPC;
    const at = firstAfter(this.#maps, address);
    const before = this.#maps[at - 1];
    const after = this.#maps[at];
    if (before !== undefined && endOf(before) > address) return Refused.EEXIST;
    return after !== undefined && after.address < address + size ? Refused.EEXIST : 0;
  }

  /** Returns undefined if the descriptor does not match the request. Windows are released with `scope`. */
  #make(request: MapRequest, fd: Fd | undefined, scope: DisposableStack): GuestMap | undefined {
    const { address, size, offset, flags } = request;
    const file = fd === undefined ? undefined : memoryFile(fd.number);
    if (fd !== undefined && (file === undefined || offset + size > file.bytes)) return undefined;
    const copied = fd === undefined || (flags & MapFlag.fileIo) !== 0 || !file!.fixed;
    const readOnly = (flags & MapFlag.write) === 0;
    if (!copied && address % BLOCK <= BLOCK - size) return this.#makeInBlock(request, fd, readOnly);
    const { pageBytes = PAGE } = file ?? {};
    const memory =
      copied && fd !== undefined
        ? scope.use(new PeerMemory(fd.number, { offset, length: size, pageBytes, readOnly }, this.#bounce))
        : undefined;
    const windows: MapWindow[] = [];
    const regions: MemoryRegion[] = [];
    for (let at = 0; at < size; at += STEP) {
      const length = Math.min(size - at, STEP + OVERLAP);
      const window = this.#windows.take(length);
      scope.defer(() => this.#windows.give(window));
      if (!copied) window.show(fd.number, offset + at, length, readOnly);
      windows.push(window);
      const place = { address: address + at, length, bytes: window.bytes, words: window.words, readOnly };
      if (!copied) regions.push(place);
      else {
        const copy = memory === undefined ? distantCopy(this.#remote, place) : peerCopy(memory, at, place.bytes);
        regions.push({ ...place, copy: this.#counted(copy) });
      }
    }
    return { address, length: size, readOnly, block: undefined, regions, windows, memory };
  }

  #makeInBlock({ address, size, offset }: MapRequest, fd: Fd, readOnly: boolean): GuestMap {
    const number = Math.floor(address / BLOCK);
    const block = this.#blocks.get(number) ?? new MapBlock(number * BLOCK, this.#windows.take(BLOCK));
    this.#blocks.set(number, block);
    try {
      block.add(fd.number, offset, { address, length: size, readOnly });
    } finally {
      this.#dropIfEmpty(number, block);
    }
    return { address, length: size, readOnly, block, regions: [], windows: [], memory: undefined };
  }

  #dropIfEmpty(number: number, block: MapBlock): void {
    if (!block.empty || !this.#blocks.delete(number)) return;
    this.#windows.give(block.window);
  }

  #counted(copy: MemoryCopy): MemoryCopy {
    const counted =
      (move: MemoryCopy["fetch"]): MemoryCopy["fetch"] =>
      (offset, length) => {
        this.#copied += PAGE + length;
        try {
          return move(offset, length);
        } catch (error) {
          this.#failed(error);
          return false;
        }
      };
    return {
      fetch: counted((offset, length) => copy.fetch(offset, length)),
      store: counted((offset, length) => copy.store(offset, length)),
    };
  }

  #remove(first: number, count: number): void {
    if (count === 0) return;
    this.#changed();
    for (const { address, length, block, windows, memory } of this.#maps.splice(first, count)) {
      this.#forgetCrossings(address, length);
      this.#mapped -= length;
      if (block !== undefined) {
        block.remove(address);
        this.#dropIfEmpty(Math.floor(address / BLOCK), block);
      }
      for (const window of windows) this.#windows.give(window);
      memory?.[Symbol.dispose]();
    }
    this.#changed();
  }

  /**
   * A region that spans several contiguous maps: a copy of their parts. Undefined if the access does not fit into one.
   */
  #crossing(address: number, length: number): MemoryRegion | undefined {
    const first = firstAfter(this.#maps, address) - 1;
    const start = address - (address % CROSSING);
    const from = Math.max(start, this.#maps[first]!.address);
    const known = this.#crossings.get(from);
    if (known !== undefined && address + length <= endOf(known)) return known;
    let last = first;
    while (endOf(this.#maps[last]!) < address + length) {
      if (this.#maps[last + 1]?.address !== endOf(this.#maps[last]!)) return undefined;
      last++;
    }
    const bytes = Math.min(endOf(this.#maps[last]!), start + 2 * CROSSING) - from;
    if (address + length > from + bytes) return undefined;
    const readOnly = this.#maps.slice(first, last + 1).map((map) => map.readOnly);
    const buffer = new ArrayBuffer(bytes);
    const place = {
      address: from,
      length: bytes,
      bytes: new Uint8Array(buffer),
      words: new Int32Array(buffer),
      readOnly: readOnly.includes(true),
    };
    const region: MemoryRegion = { ...place, copy: crossingCopy(this, place) };
    // If only part of the memory is read-only, the region is not kept, because a shorter access may be to writable
    // memory.
    if (!place.readOnly || !readOnly.includes(false)) this.#keepCrossing(region);
    return region;
  }

  #keepCrossing(region: MemoryRegion): void {
    this.#crossed += region.length - (this.#crossings.get(region.address)?.length ?? 0);
    // Code that still uses a discarded region may continue to do so: the region stays valid.
    if (this.#crossed > MAX_CROSSED) {
      this.#crossings.clear();
      this.#crossed = region.length;
    }
    this.#crossings.set(region.address, region);
  }

  /** Discards the crossings that overlap [address, address + size). */
  #forgetCrossings(address: number, size: number): void {
    for (const [from, region] of this.#crossings)
      if (from < address + size && endOf(region) > address) {
        this.#crossings.delete(from);
        this.#crossed -= region.length;
      }
  }
}

/** Returns the `MemoryCopy` whose copy is `bytes`, for the region that starts at byte `start` of the memory. */
const peerCopy = (memory: PeerMemory, start: number, bytes: Uint8Array): MemoryCopy => ({
  fetch: (offset, length) => memory.read(start + offset, bytes, offset, length),
  store: (offset, length) => memory.write(start + offset, bytes, offset, length),
});

const distantCopy = (remote: RemoteMemory, { address, bytes }: { address: number; bytes: Uint8Array }): MemoryCopy => ({
  fetch: (offset, length) => remote.read(address + offset, bytes, offset, length),
  store: (offset, length) => remote.write(address + offset, bytes, offset, length),
});

const crossingCopy = (maps: GuestMemory, { address, bytes }: { address: number; bytes: Uint8Array }): MemoryCopy => {
  /** Divides a range into parts that are each inside one region, and calls `move` for each part. */
  const parts = (
    offset: number,
    length: number,
    move: (region: MemoryRegion, there: number, here: number, bytes: number) => boolean,
  ): boolean => {
    for (let done = 0; done < length;) {
      const at = address + offset + done;
      const region = maps.region(at, 1);
      if (region === undefined) return false;
      const there = at - region.address;
      const part = Math.min(length - done, region.length - there);
      if (!move(region, there, offset + done, part)) return false;
      done += part;
    }
    return true;
  };
  return {
    fetch: (offset, length) =>
      parts(offset, length, (region, there, here, part) => {
        if (region.copy?.fetch(there, part) === false) return false;
        bytes.set(region.bytes.subarray(there, there + part), here);
        return true;
      }),
    store: (offset, length) =>
      parts(offset, length, (region, there, here, part) => {
        region.bytes.set(bytes.subarray(here, here + part), there);
        return region.copy?.store(there, part) !== false;
      }),
  };
};
