/** iommufd: address spaces to which devices are attached. The kernel's linux/iommufd.h documents each request. */
import { Errno, SystemError } from "./errno.ts";
import { type Fd, Open, openFile } from "./fd.ts";
import { Struct, addressOf, keepAlive } from "./memory.ts";
import { requestStruct, request, sized } from "./vfio-request.ts";
import {
  Bytes,
  type IommuInfo,
  readRangeAlignment,
  readRangeCount,
  readRanges,
  writeIoasMap,
  writeIoasUnmap,
  writeIovaRanges,
} from "./vfio-structs.ts";

const DESTROY = request(0x80);
const IOAS_ALLOC = request(0x81);
const IOAS_IOVA_RANGES = request(0x84);
const IOAS_MAP = request(0x85);
const IOAS_UNMAP = request(0x86);
/**
 * Largest number of ranges that are read. Machines have only a few: the gaps between the ranges reserved for firmware
 * and interrupt controllers.
 */
const MAX_RANGES = 256;

/** An open /dev/iommu. All methods throw `SystemError`. */
export class Iommufd implements Disposable {
  readonly #fd: Fd;
  constructor(fd: Fd) {
    this.#fd = fd;
  }

  static open(path: string): Iommufd {
    return new Iommufd(openFile(path, Open.readWrite));
  }

  get number(): number {
    return this.#fd.number;
  }

  /** Creates an address space; returns its number, for `destroy`. */
  allocate(): number {
    const struct = sized(Bytes.ioasAlloc);
    requestStruct(this.number, IOAS_ALLOC, "IOMMU_IOAS_ALLOC", struct);
    return struct.view.getUint32(8, true);
  }

  destroy(id: number): void {
    const struct = sized(Bytes.destroy);
    struct.view.setUint32(4, id, true);
    requestStruct(this.number, DESTROY, "IOMMU_DESTROY", struct);
  }

  /** The addresses that an address space allows; they depend on the attached devices. */
  info(ioas: number): IommuInfo {
    const table = new Struct(16 * MAX_RANGES);
    const struct = new Struct(Bytes.iovaRanges);
    writeIovaRanges(struct.view, ioas, MAX_RANGES, table.address);
    try {
      // SAFETY: the table has room for the number of ranges in the structure, and is kept alive until the call has
      // returned.
      requestStruct(this.number, IOAS_IOVA_RANGES, "IOMMU_IOAS_IOVA_RANGES", struct);
    } catch (error) {
      // More ranges exist than fit into the buffer. Those that were returned are valid.
      if (!(error instanceof SystemError && error.errno === Errno.EMSGSIZE)) throw error;
    }
    keepAlive(table);
    return {
      pageBytes: readRangeAlignment(struct.view),
      ranges: readRanges(table.view, Math.min(MAX_RANGES, readRangeCount(struct.view))),
    };
  }

  /** Maps `memory` for devices from `iova` on, and pins it. */
  map(ioas: number, memory: ArrayBufferLike, iova: number): void {
    const struct = new Struct(Bytes.ioasMap);
    writeIoasMap(struct.view, ioas, { address: addressOf(memory), iova, bytes: memory.byteLength });
    // SAFETY: the kernel pins the pages. If other pages are later mapped at these addresses, the device cannot
    // access them.
    requestStruct(this.number, IOAS_MAP, "IOMMU_IOAS_MAP", struct);
    keepAlive(memory);
  }

  unmap(ioas: number, iova: number, bytes: number): void {
    const struct = new Struct(Bytes.ioasUnmap);
    writeIoasUnmap(struct.view, ioas, iova, bytes);
    requestStruct(this.number, IOAS_UNMAP, "IOMMU_IOAS_UNMAP", struct);
  }

  [Symbol.dispose](): void {
    this.#fd[Symbol.dispose]();
  }
}
