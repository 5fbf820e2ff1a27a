import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import {
  DEVICE_INFO,
  DMA_ACCESS,
  DMA_MAP,
  DMA_UNMAP,
  IRQ_INFO,
  IRQ_SET,
  REGION_ACCESS,
  REGION_INFO,
  REGION_IO_FDS,
  VERSION,
  put64,
  putHeader,
  readHeader,
  u32,
  u64,
} from "./codec.ts";
import { HEADER_BYTES } from "./protocol.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

test("numbers of 64 bits are exact below 2^53 and Infinity above", () => {
  const bytes = new Uint8Array(8);
  for (const value of [0, 1, 2 ** 32 - 1, 2 ** 32, 0x1_2345_6789, 2 ** 53 - 1]) {
    put64(bytes, 0, value);
    assert.equal(u64(bytes, 0), value);
    assert.equal(Buffer.from(bytes).readBigUInt64LE(), BigInt(value));
  }
  for (const value of [2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]) {
    Buffer.from(bytes.buffer).writeBigUInt64LE(value);
    assert.equal(u64(bytes, 0), Infinity);
  }
  bytes.fill(0xff);
  assert.equal(u32(bytes, 0), 0xffff_ffff);
});

test("a header is the sixteen bytes of the specification", () => {
  const bytes = new Uint8Array(HEADER_BYTES + 1).fill(0xa5);
  putHeader(bytes, 1, 0x1234, 10, 0x89ab_cdef, 0x21, 22);
  assert.equal(hex(bytes), "a534120a00efcdab892100000016000000");
  assert.deepEqual(readHeader(bytes, 1), { id: 0x1234, command: 10, size: 0x89ab_cdef, flags: 0x21, error: 22 });
});

// Sizes of the C structures, typed in from the specification.
// prettier-ignore
// oxfmt-ignore
const SIZES = [
  [VERSION, 4], [DMA_MAP, 32], [DMA_UNMAP, 24], [DEVICE_INFO, 16], [REGION_INFO, 32], [REGION_IO_FDS, 16],
  [IRQ_INFO, 16], [IRQ_SET, 20], [REGION_ACCESS, 16], [DMA_ACCESS, 16],
] as const;

test("every message is as long as its C structure", () => {
  for (const [layout, bytes] of SIZES) assert.equal(layout.bytes, bytes);
});

test("a request to map memory has VFIO's layout", () => {
  const bytes = new Uint8Array(HEADER_BYTES + DMA_MAP.bytes).fill(0xa5);
  DMA_MAP.write(bytes, 0, { argsz: 32, flags: 3, offset: 0x1000, address: 0x1_0000_0000, size: 0x2000 });
  assert.equal(
    hex(bytes.subarray(HEADER_BYTES)),
    ["2000000003000000", "0010000000000000", "0000000001000000", "0020000000000000"].join(""),
  );
});

test("written values are read back, at any offset", () => {
  const u32s = fc.integer({ min: 0, max: 2 ** 32 - 1 });
  const u64s = fc.maxSafeNat();
  fc.assert(
    fc.property(
      fc.record({ argsz: u32s, flags: u32s, index: u32s, capabilities: u32s, size: u64s, offset: u64s }),
      fc.integer({ min: 0, max: 40 }),
      (values, at) => {
        const bytes = new Uint8Array(at + HEADER_BYTES + REGION_INFO.bytes);
        REGION_INFO.write(bytes, at, values);
        assert.deepEqual({ ...REGION_INFO.read(bytes, at) }, { ...values });
        assert.ok(bytes.subarray(0, at + HEADER_BYTES).every((byte) => byte === 0));
      },
    ),
  );
});
