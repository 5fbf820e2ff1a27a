/**
 * Extracts the ELF kernel from Debian's bzImage. QEMU starts an ELF image at its PVH entry, so that the guest has
 * nothing to decompress, which saves one to two seconds under emulation. A kernel that was started in this way does not
 * survive suspend to RAM: it crashes in its wake-up code (seen with 6.1 and 6.12, SeaBIOS 1.17).
 */
import { execFileSync } from "node:child_process";
import { zstdDecompressSync } from "node:zlib";

/** Offsets in the boot protocol's header: Linux, Documentation/arch/x86/boot.rst. */
const SETUP_SECTORS = 0x1f1;
const MAGIC = 0x202;
const VERSION = 0x206;
const PAYLOAD_OFFSET = 0x248;
const PAYLOAD_LENGTH = 0x24c;
/** "HdrS", and the first version of the header that has the payload's offset. */
const HDRS = 0x5372_6448;
const WITH_PAYLOAD = 0x0208;
/** The unpacked length follows the packed kernel. */
const LENGTH_BYTES = 4;

const ELF = 0x464c_457f;
const XZ = 0x587a_37fd;
const ZSTD = 0xfd2f_b528;
const MOST = 1 << 28;

/** @param xz command that runs xz @throws {Error} if `image` is not a bzImage, or is compressed in an unknown way */
export const kernelOf = (image: Buffer, xz: readonly [string, ...string[]]): Buffer => {
  if (
    image.length < PAYLOAD_LENGTH + 4 ||
    image.readUInt32LE(MAGIC) !== HDRS ||
    image.readUInt16LE(VERSION) < WITH_PAYLOAD
  )
    throw new Error(`the image of ${image.length} bytes is not a bzImage`);
  const start = (image.readUInt8(SETUP_SECTORS) + 1) * 512 + image.readUInt32LE(PAYLOAD_OFFSET);
  const payload = image.subarray(start, start + image.readUInt32LE(PAYLOAD_LENGTH) - LENGTH_BYTES);
  const magic = payload.readUInt32LE(0);
  if (magic === ELF) return payload;
  if (magic === ZSTD) return zstdDecompressSync(payload, { maxOutputLength: MOST });
  const [program, ...args] = xz;
  if (magic === XZ) return execFileSync(program, [...args, "-dc"], { input: payload, maxBuffer: MOST });
  throw new Error(`the kernel's compression, with magic ${magic.toString(16)}, is unknown`);
};
