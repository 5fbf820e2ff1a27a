/** A VFIO device file: regions, interrupts, resets. linux/vfio.h documents each request. */
import { Errno, SystemError, errno } from "./errno.ts";
import { type Fd, Open, openFile } from "./fd.ts";
import { libc } from "./libc.ts";
import { Mapping } from "./mapping.ts";
import { Struct } from "./memory.ts";
import { requestStruct, requestWhole, sized, requestValue, vfio } from "./vfio-request.ts";
import {
  Bytes,
  type DeviceInfo,
  type HotResetInfo,
  IrqAction,
  type IrqInfo,
  type IrqSet,
  type RegionInfo,
  readDeviceInfo,
  readHotResetInfo,
  readIrqInfo,
  readRegionInfo,
  writeHotReset,
  writeIrqSet,
} from "./vfio-structs.ts";

const GET_INFO = vfio(7);
const GET_REGION_INFO = vfio(8);
const GET_IRQ_INFO = vfio(9);
const SET_IRQS = vfio(10);
const RESET = vfio(11);
const GET_PCI_HOT_RESET_INFO = vfio(12);
const PCI_HOT_RESET = vfio(13);
const BIND_IOMMUFD = vfio(18);
const ATTACH_IOMMUFD_PT = vfio(19);
const DETACH_IOMMUFD_PT = vfio(20);
/**
 * Largest number of functions that a reset can affect: twice the number on one bus (32 slots with 8 functions each).
 */
const MAX_AFFECTED = 512;

const NO_IRQ: IrqInfo = { count: 0, eventfd: false, automasked: false, fixed: false };
/** The count parameter of pread(2) and pwrite(2), by the width of an access. */
const COUNT = [0n, 1n, 2n, 0n, 4n] as const;

/** Methods that make a request throw `SystemError`. If the file is the device's own node, call `bind` first. */
export class VfioDeviceFile implements Disposable {
  readonly #fd: Fd;
  readonly #access = new Struct(8);
  readonly #bytes = this.#access.bytes;
  readonly #shorts = new Uint16Array(this.#bytes.buffer);
  readonly #words = new Uint32Array(this.#bytes.buffer);

  /** The request that unmasks INTx, the only kind of interrupt that the kernel masks automatically. */
  readonly #unmask = new Struct(Bytes.irqSet);

  constructor(fd: Fd) {
    this.#fd = fd;
    writeIrqSet(this.#unmask.view, { index: 0, start: 0, count: 1, action: IrqAction.unmask, fds: [] });
  }

  /** Opens the device's own node, such as /dev/vfio/devices/vfio0. */
  static open(path: string): VfioDeviceFile {
    return new VfioDeviceFile(openFile(path, Open.readWrite));
  }

  get number(): number {
    return this.#fd.number;
  }

  info(): DeviceInfo {
    return readDeviceInfo(requestWhole(this.number, GET_INFO, "VFIO_DEVICE_GET_INFO", Bytes.deviceInfo));
  }

  region(index: number): RegionInfo {
    const view = requestWhole(this.number, GET_REGION_INFO, "VFIO_DEVICE_GET_REGION_INFO", Bytes.regionInfo, index);
    return readRegionInfo(view);
  }

  irq(index: number): IrqInfo {
    try {
      return readIrqInfo(requestWhole(this.number, GET_IRQ_INFO, "VFIO_DEVICE_GET_IRQ_INFO", Bytes.irqInfo, index));
    } catch (error) {
      // For a kind that the device cannot have (the error interrupt without PCI Express), the kernel fails instead of
      // reporting 0 interrupts.
      if (error instanceof SystemError && error.errno === Errno.EINVAL) return NO_IRQ;
      throw error;
    }
  }

  setIrqs(set: IrqSet): void {
    const struct = new Struct(Bytes.irqSet + 4 * set.fds.length);
    writeIrqSet(struct.view, set);
    const left = requestStruct(this.number, SET_IRQS, "VFIO_DEVICE_SET_IRQS", struct);
    // If there are too few vectors, some kernels return the number of available ones instead of an error.
    if (left > 0) throw new SystemError({ errno: Errno.ENOSPC, syscall: "ioctl", detail: "VFIO_DEVICE_SET_IRQS" });
  }

  /**
   * Unmasks INTx, which the kernel masked when it occurred. Does not allocate. Returns 0, or the negated error number.
   */
  unmask(): number {
    // SAFETY: the structure contains its length, and this object holds it.
    return libc.ioctl(this.number, SET_IRQS, this.#unmask.address) < 0 ? -errno() : 0;
  }

  /**
   * Resets the function: by function-level reset (FLR), by its power state, or by a reset of its bus if no other
   * function is on that bus.
   */
  reset(): void {
    requestValue(this.number, RESET, "VFIO_DEVICE_RESET", 0n);
  }

  hotResetInfo(): HotResetInfo {
    const struct = sized(Bytes.hotResetInfo + 8 * MAX_AFFECTED);
    requestStruct(this.number, GET_PCI_HOT_RESET_INFO, "VFIO_DEVICE_GET_PCI_HOT_RESET_INFO", struct);
    return readHotResetInfo(struct.view);
  }

  /** Resets the slot or bus. @param groups descriptors that prove ownership of the functions; none with iommufd */
  hotReset(groups: readonly number[]): void {
    const struct = new Struct(Bytes.hotReset + 4 * groups.length);
    writeHotReset(struct.view, groups);
    requestStruct(this.number, PCI_HOT_RESET, "VFIO_DEVICE_PCI_HOT_RESET", struct);
  }

  bind(iommufd: { readonly number: number }): void {
    const struct = sized(Bytes.bindIommufd);
    struct.view.setInt32(8, iommufd.number, true);
    requestStruct(this.number, BIND_IOMMUFD, "VFIO_DEVICE_BIND_IOMMUFD", struct);
  }

  attach(ioas: number): void {
    requestStruct(this.number, ATTACH_IOMMUFD_PT, "VFIO_DEVICE_ATTACH_IOMMUFD_PT", sized(Bytes.attach, ioas));
  }

  detach(): void {
    requestStruct(this.number, DETACH_IOMMUFD_PT, "VFIO_DEVICE_DETACH_IOMMUFD_PT", sized(Bytes.detach));
  }

  /** @param offset from the start of the VFIO device file, like `RegionInfo.offset`; a multiple of the page size */
  map(offset: number, bytes: number, what: string): Mapping {
    return Mapping.map(this.number, offset, bytes, what);
  }

  /**
   * Reads one register, unsigned, in one access of its width; the negated error number if that fails. Does not
   * allocate.
   */
  read(position: bigint, width: 1 | 2 | 4): number {
    // SAFETY: the kernel writes at most 4 bytes into a structure of 8 bytes that this object holds.
    const got = libc.pread(this.number, this.#access.address, COUNT[width], position);
    if (got !== width) return got < 0 ? -errno() : -Errno.EIO;
    if (width === 4) return this.#words[0]!;
    return width === 2 ? this.#shorts[0]! : this.#bytes[0]!;
  }

  /** Writes one register in one access. Returns 0, or the negated error number. */
  write(position: bigint, width: 1 | 2 | 4, value: number): number {
    if (width === 4) this.#words[0] = value;
    else if (width === 2) this.#shorts[0] = value;
    else this.#bytes[0] = value;
    // SAFETY: the kernel reads at most 4 bytes of a structure of 8 bytes that this object holds.
    const put = libc.pwrite(this.number, this.#access.address, COUNT[width], position);
    if (put === width) return 0;
    return put < 0 ? -errno() : -Errno.EIO;
  }

  [Symbol.dispose](): void {
    this.#fd[Symbol.dispose]();
  }
}
