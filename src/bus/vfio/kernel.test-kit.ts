/** A fake kernel for tests. It has one card with an IOMMU, lists acquired resources, and can make any call fail. */
import { Errno, SystemError } from "#sys/errno.ts";
import type { HotResetInfo, IommuInfo, IrqInfo, IrqSet, RegionInfo } from "#sys/vfio-structs.ts";
import type { Container, DeviceFile, Event, Group, HugeMemory, IommuFile, VfioKernel, Memory } from "./kernel.ts";

export const ADDRESS = "0000:03:00.0";
const CONFIG = 7;
/** Distance between the offsets of regions, as in Linux. */
const REGION_BYTES = 2 ** 40;
const CONFIG_BYTES = 256;
const BAR_BYTES = 4096;
const PAGE_BYTES = 4096;
export const POWER_MANAGEMENT_AT = 0x40;

const NO_IRQ: IrqInfo = { count: 0, eventfd: false, automasked: false, fixed: false };
const MESSAGE: IrqInfo = { count: 1, eventfd: true, automasked: false, fixed: true };

export class FakeKernel implements VfioKernel {
  /** Resources acquired and not released. */
  readonly live = new Set<string>();
  readonly calls: string[] = [];
  /** Index of the call that fails, counted from 0. */
  failAt = -1;
  /** Error number of the call that fails. */
  failWith: number = Errno.EIO;
  /** Calls whose name starts with this text fail; empty if there are none. */
  failOn = "";
  viable = true;
  version = 0;
  resettable = true;
  /** Whether the card was pulled out: all registers then read all ones. */
  pulled = false;
  /** The card never leaves its power state. */
  stuckAsleep = false;
  limit = Infinity;
  irqs: readonly IrqInfo[] = [
    { count: 1, eventfd: true, automasked: true, fixed: false },
    MESSAGE,
    { ...MESSAGE, count: 4 },
    { ...MESSAGE },
    { ...MESSAGE },
  ];
  hotReset: HotResetInfo = { byIdentity: false, allOurs: false, affected: [] };
  iommu: IommuInfo = {
    pageBytes: PAGE_BYTES,
    ranges: [
      { start: 0, last: 0xfedf_ffff },
      { start: 0xfef0_0000, last: 2 ** 39 - 1 },
    ],
  };
  /** Region 2, the card's first memory region. */
  bar: Omit<RegionInfo, "offset"> = {
    bytes: BAR_BYTES,
    readable: true,
    writable: true,
    mappable: [{ offset: 0, bytes: BAR_BYTES }],
  };
  readonly config = new Uint8Array(CONFIG_BYTES);
  readonly registers = new Uint8Array(BAR_BYTES);
  /** The interrupt settings that were requested. */
  readonly sets: IrqSet[] = [];
  readonly mapped: { iova: number; bytes: number }[] = [];
  /** Physical addresses of the available huge pages. */
  pages: readonly number[] = [];
  readonly events: { raised: boolean; number: number }[] = [];
  #number = 100;

  constructor() {
    const view = new DataView(this.config.buffer);
    view.setUint16(0x00, 0x10ec, true);
    view.setUint16(0x02, 0x8168, true);
    view.setUint16(0x06, 1 << 4, true);
    this.config[0x08] = 0x15;
    // An I/O region, then a 64-bit memory region.
    view.setUint32(0x10, 0xe001, true);
    view.setUint32(0x18, 0xf000_0004, true);
    this.config[0x34] = POWER_MANAGEMENT_AT;
    this.config[POWER_MANAGEMENT_AT] = 1;
  }

  container(path: string): Container {
    this.#call(`open ${path}`);
    return {
      ...this.#owned(path),
      version: this.version,
      offers: () => true,
      choose: (kind) => this.#call(`choose ${kind}`),
      info: () => this.iommu,
      map: (memory, iova) => this.#map(memory, iova),
      unmap: (iova, bytes) => this.#unmap(iova, bytes),
    };
  }

  group(path: string): Group {
    this.#call(`open ${path}`);
    return {
      ...this.#owned(path),
      viable: this.viable,
      join: () => this.#acquire("join", "membership"),
      leave: () => this.#release("leave", "membership"),
      device: (address) => {
        this.#call(`device ${address}`);
        return this.#file(`device ${address}`);
      },
    };
  }

  iommufd(path: string): IommuFile {
    this.#call(`open ${path}`);
    return {
      ...this.#owned(path),
      allocate: () => {
        this.#acquire("allocate", "address space");
        return 7;
      },
      destroy: () => this.#release("destroy", "address space"),
      info: () => this.iommu,
      map: (_ioas, memory, iova) => this.#map(memory, iova),
      unmap: (_ioas, iova, bytes) => this.#unmap(iova, bytes),
    };
  }

  device(path: string): DeviceFile {
    this.#call(`open ${path}`);
    return this.#file(path);
  }

  event(): Event {
    this.#call("eventfd");
    const event = { ...this.#owned("event"), raised: false };
    this.events.push(event);
    return Object.assign(event, {
      signal: () => void (event.raised = true),
      drain: () => {
        const { raised } = event;
        event.raised = false;
        return raised;
      },
    });
  }

  memory(bytes: number, what: string): Memory {
    this.#call(`memory ${bytes}`);
    return { ...this.#owned(what), length: bytes, buffer: new ArrayBuffer(bytes) };
  }

  memlock(): number {
    return this.limit;
  }

  hugePages(): { pageBytes: number; free: number } {
    return { pageBytes: 2 << 20, free: this.pages.length };
  }

  takeHugePages(count: number): HugeMemory {
    this.#call(`large pages ${count}`);
    return {
      ...this.#owned("large pages"),
      addresses: this.pages.slice(0, count),
      gather: (order, what) => {
        this.#call(`gather ${order.join(" ")}`);
        return {
          ...this.#owned(what),
          length: order.length * (2 << 20),
          buffer: new ArrayBuffer(order.length * (2 << 20)),
        };
      },
    };
  }

  #file(name: string): DeviceFile {
    return {
      ...this.#owned(name),
      info: () => {
        this.#call("info");
        return { resettable: this.resettable, pci: true, regions: 9, irqs: this.irqs.length };
      },
      region: (index) => {
        this.#call(`region ${index}`);
        const offset = index * REGION_BYTES;
        if (index === CONFIG) return { bytes: CONFIG_BYTES, offset, readable: true, writable: true, mappable: [] };
        if (index === 2) return { ...this.bar, offset };
        return { bytes: index === 0 ? 256 : 0, offset, readable: true, writable: true, mappable: [] };
      },
      irq: (index) => {
        this.#call(`irq ${index}`);
        return this.irqs[index] ?? NO_IRQ;
      },
      setIrqs: (set) => {
        this.#call(`irqs ${set.index}`);
        this.sets.push(set);
      },
      unmask: () => {
        this.calls.push("unmask");
        return 0;
      },
      reset: () => this.#call("reset"),
      hotResetInfo: () => {
        this.#call("hot reset info");
        return this.hotReset;
      },
      hotReset: (groups) => this.#call(`hot reset by ${groups.length}`),
      bind: () => this.#call("bind"),
      attach: () => this.#acquire("attach", "attachment"),
      detach: () => this.#release("detach", "attachment"),
      map: (offset, bytes, what) => {
        this.#call(`mmap ${bytes}`);
        return {
          ...this.#owned(what),
          length: bytes,
          buffer: this.registers.buffer.slice(offset % REGION_BYTES, (offset % REGION_BYTES) + bytes),
        };
      },
      read: (position, width) => (this.pulled ? -Errno.EIO : this.#read(Number(position), width)),
      write: (position, width, value) => (this.pulled ? -Errno.EIO : this.#write(Number(position), width, value)),
    };
  }

  #read(position: number, width: number): number {
    const bytes = position >= CONFIG * REGION_BYTES ? this.config : this.registers;
    let value = 0;
    for (let i = width - 1; i >= 0; i--) value = value * 256 + bytes[(position % REGION_BYTES) + i]!;
    return value;
  }

  #write(position: number, width: number, value: number): number {
    const isConfig = position >= CONFIG * REGION_BYTES;
    const at = position % REGION_BYTES;
    if (isConfig && at === 4) this.calls.push(`command ${value}`);
    if (isConfig && at === POWER_MANAGEMENT_AT + 4 && this.stuckAsleep) return 0;
    for (let i = 0; i < width; i++) (isConfig ? this.config : this.registers)[at + i] = value >>> (8 * i);
    return 0;
  }

  #map(memory: ArrayBufferLike, iova: number): void {
    this.#call(`map ${memory.byteLength}`);
    if (memory.byteLength > this.limit) throw new SystemError({ errno: Errno.ENOMEM, syscall: "ioctl" });
    this.live.add("mapped memory");
    this.mapped.push({ iova, bytes: memory.byteLength });
  }

  #unmap(iova: number, bytes: number): void {
    this.#release(`unmap ${iova} ${bytes}`, "mapped memory");
  }

  #owned(what: string): { readonly number: number; [Symbol.dispose](): void } {
    const number = this.#number++;
    const name = `${what} (${number})`;
    this.live.add(name);
    return {
      number,
      [Symbol.dispose]: () => {
        if (this.live.delete(name)) this.calls.push(`close ${what}`);
      },
    };
  }

  #acquire(call: string, what: string): void {
    this.#call(call);
    this.live.add(what);
  }

  /** The resource is removed from `live` even if the call fails, because closing the files then releases it. */
  #release(call: string, what: string): void {
    this.live.delete(what);
    this.#call(call);
  }

  #call(name: string): void {
    const fails = this.calls.length === this.failAt || (this.failOn !== "" && name.startsWith(this.failOn));
    this.calls.push(name);
    if (fails) throw new SystemError({ errno: this.failWith, syscall: name });
  }
}
