/** VFIO containers, groups and devices. The kernel's linux/vfio.h documents each request. */
import { check } from "./errno.ts";
import { Fd, Open, openFile } from "./fd.ts";
import { libc } from "./libc.ts";
import { Struct, addressOf, cString, keepAlive } from "./memory.ts";
import { VfioDeviceFile } from "./vfio-device.ts";
import { requestStruct, requestWhole, sized, requestValue, vfio } from "./vfio-request.ts";
import { Bytes, type IommuInfo, readGroupStatus, readIommuInfo, writeDmaMap, writeDmaUnmap } from "./vfio-structs.ts";

const GET_API_VERSION = vfio(0);
const CHECK_EXTENSION = vfio(1);
const SET_IOMMU = vfio(2);
const GROUP_GET_STATUS = vfio(3);
const GROUP_SET_CONTAINER = vfio(4);
const GROUP_UNSET_CONTAINER = vfio(5);
const GROUP_GET_DEVICE_FD = vfio(6);
const IOMMU_GET_INFO = vfio(12);
const IOMMU_MAP_DMA = vfio(13);
const IOMMU_UNMAP_DMA = vfio(14);

/** Kinds of IOMMU for a container. */
export const IommuKind = { type1v2: 3, none: 8 } as const;

/** An address space that groups of devices share. */
export class VfioContainer implements Disposable {
  readonly #fd: Fd;
  constructor(fd: Fd) {
    this.#fd = fd;
  }

  /** @throws {SystemError} */
  static open(path: string): VfioContainer {
    return new VfioContainer(openFile(path, Open.readWrite));
  }

  get number(): number {
    return this.#fd.number;
  }

  /** Version of the VFIO interface; always 0 so far. */
  get version(): number {
    return requestValue(this.number, GET_API_VERSION, "VFIO_GET_API_VERSION", 0n);
  }

  /** Whether this kind of IOMMU is available. */
  offers(kind: number): boolean {
    return requestValue(this.number, CHECK_EXTENSION, "VFIO_CHECK_EXTENSION", BigInt(kind)) > 0;
  }

  /** Sets the kind of IOMMU; possible only after a group was added. @throws {SystemError} */
  choose(kind: number): void {
    requestValue(this.number, SET_IOMMU, "VFIO_SET_IOMMU", BigInt(kind));
  }

  info(): IommuInfo {
    return readIommuInfo(requestWhole(this.number, IOMMU_GET_INFO, "VFIO_IOMMU_GET_INFO", Bytes.iommuInfo));
  }

  /** Maps `memory` for devices from `iova` on, and pins it. @throws {SystemError} */
  map(memory: ArrayBufferLike, iova: number): void {
    const struct = new Struct(Bytes.dmaMap);
    writeDmaMap(struct.view, { address: addressOf(memory), iova, bytes: memory.byteLength });
    // The kernel pins the pages. If other pages are later mapped at these addresses, the device cannot access them.
    requestStruct(this.number, IOMMU_MAP_DMA, "VFIO_IOMMU_MAP_DMA", struct);
    keepAlive(memory);
  }

  unmap(iova: number, bytes: number): void {
    const struct = new Struct(Bytes.dmaUnmap);
    writeDmaUnmap(struct.view, iova, bytes);
    requestStruct(this.number, IOMMU_UNMAP_DMA, "VFIO_IOMMU_UNMAP_DMA", struct);
  }

  [Symbol.dispose](): void {
    this.#fd[Symbol.dispose]();
  }
}

/** Devices that the IOMMU cannot isolate from each other. */
export class VfioGroup implements Disposable {
  readonly #fd: Fd;
  constructor(fd: Fd) {
    this.#fd = fd;
  }

  /** @throws {SystemError} EBUSY if the group is already open */
  static open(path: string): VfioGroup {
    return new VfioGroup(openFile(path, Open.readWrite));
  }

  get number(): number {
    return this.#fd.number;
  }

  /** Whether no device of the group is bound to another driver. */
  get viable(): boolean {
    const struct = sized(Bytes.groupStatus);
    requestStruct(this.number, GROUP_GET_STATUS, "VFIO_GROUP_GET_STATUS", struct);
    return readGroupStatus(struct.view).viable;
  }

  join(container: { readonly number: number }): void {
    const struct = new Struct(4);
    struct.view.setInt32(0, container.number, true);
    requestStruct(this.number, GROUP_SET_CONTAINER, "VFIO_GROUP_SET_CONTAINER", struct);
  }

  /** Removes the group from its container. Call this after the group's devices were closed. */
  leave(): void {
    requestValue(this.number, GROUP_UNSET_CONTAINER, "VFIO_GROUP_UNSET_CONTAINER", 0n);
  }

  /** @param address PCI address, such as 0000:03:00.0 @throws {SystemError} */
  device(address: string): VfioDeviceFile {
    // SAFETY: the result of cString is valid until its next call.
    const number = libc.ioctl(this.number, GROUP_GET_DEVICE_FD, cString(address));
    check(number, "ioctl", `VFIO_GROUP_GET_DEVICE_FD ${address}`);
    return new VfioDeviceFile(new Fd(number, address));
  }

  [Symbol.dispose](): void {
    this.#fd[Symbol.dispose]();
  }
}
