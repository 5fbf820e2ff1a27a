import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import {
  Bytes,
  IrqAction,
  readDeviceInfo,
  readHotResetInfo,
  readIommuInfo,
  readIrqInfo,
  readRanges,
  readRegionInfo,
  writeDmaMap,
  writeHotReset,
  writeIoasMap,
  writeIovaRanges,
  writeIrqSet,
} from "./vfio-structs.ts";

// The bytes below are transcribed from the structures in linux/vfio.h and linux/iommufd.h, not made by the code under
// test.
const view = (...words: readonly (number | bigint)[]): DataView => {
  const made = new DataView(new ArrayBuffer(words.reduce<number>((n, w) => n + (typeof w === "bigint" ? 8 : 4), 0)));
  let at = 0;
  for (const word of words) {
    if (typeof word === "bigint") made.setBigUint64(at, word, true);
    else made.setUint32(at, word, true);
    at += typeof word === "bigint" ? 8 : 4;
  }
  return made;
};
const room = (bytes: number): DataView => new DataView(new ArrayBuffer(bytes));

test("a device reports what it is, and whether it can be reset", () => {
  assert.deepEqual(readDeviceInfo(view(16, 0b11, 9, 5)), { resettable: true, pci: true, regions: 9, irqs: 5 });
  assert.equal(readDeviceInfo(view(16, 0b10, 9, 5)).resettable, false);
});

test("a region that may be mapped whole is one area", () => {
  const region = readRegionInfo(view(32, 0b111, 2, 0, 4096n, 2n << 40n));
  assert.deepEqual(region, {
    bytes: 4096,
    offset: 2 * 2 ** 40,
    readable: true,
    writable: true,
    mappable: [{ offset: 0, bytes: 4096 }],
  });
  assert.deepEqual(readRegionInfo(view(32, 0b011, 2, 0, 256n, 0n)).mappable, []);
  assert.deepEqual(readRegionInfo(view(32, 0b111, 2, 0, 0n, 0n)).mappable, []);
});

test("a region with a sparse capability is mapped in its areas only, and never beyond its end", () => {
  // The capability has id 1, version 1, two areas inside the region, and one that extends beyond the region's end.
  const sparse = view(
    96,
    0b1111,
    4,
    32,
    0x4000n,
    0n,
    0x1_0001,
    0,
    3,
    0,
    0n,
    0x1000n,
    0x2000n,
    0x2000n,
    0x3000n,
    0x2000n,
  );
  assert.deepEqual(readRegionInfo(sparse).mappable, [
    { offset: 0, bytes: 0x1000 },
    { offset: 0x2000, bytes: 0x2000 },
  ]);
  // The sparse capability follows another capability, which contains the offset of the sparse one.
  const second = view(80, 0b1111, 4, 32, 0x4000n, 0n, 0x1_0003, 40, 0x1_0001, 0, 1, 0, 0n, 0x1000n);
  assert.deepEqual(readRegionInfo(second).mappable, [{ offset: 0, bytes: 0x1000 }]);
});

test("the number of interrupts and their handling by the kernel are reported", () => {
  const intx = { count: 1, eventfd: true, automasked: true, fixed: false };
  assert.deepEqual(readIrqInfo(view(16, 0b0111, 0, 1)), intx);
  assert.deepEqual(readIrqInfo(view(16, 0b1001, 2, 4)), { count: 4, eventfd: true, automasked: false, fixed: true });
});

test("event descriptors follow the request that sets them", () => {
  const set = room(28);
  writeIrqSet(set, { index: 2, start: 1, count: 2, action: IrqAction.signal, fds: [17, -1] });
  assert.deepEqual(new Uint8Array(set.buffer), new Uint8Array(view(28, 0x24, 2, 1, 2, 17, 0xffff_ffff).buffer));
  const unmask = room(20);
  writeIrqSet(unmask, { index: 0, start: 0, count: 1, action: IrqAction.unmask, fds: [] });
  assert.deepEqual(new Uint8Array(unmask.buffer), new Uint8Array(view(20, 0x11, 0, 0, 1).buffer));
  const off = room(20);
  writeIrqSet(off, { index: 1, start: 0, count: 0, action: IrqAction.off, fds: [] });
  assert.deepEqual(new Uint8Array(off.buffer), new Uint8Array(view(20, 0x21, 1, 0, 0).buffer));
});

test("functions affected by a bus reset are reported by address and owner", () => {
  // Function 3 of slot 2 on bus 0x0a of segment 1, then a function of another owner.
  const info = readHotResetInfo(view(28, 0, 2, 12, (0x13 << 24) | (0x0a << 16) | 1, 0xffff_ffff, 0));
  assert.deepEqual(info, {
    byIdentity: false,
    allOurs: false,
    affected: [
      { owner: 12, address: "0001:0a:02.3" },
      { owner: -1, address: "0000:00:00.0" },
    ],
  });
  assert.equal(readHotResetInfo(view(12, 0b11, 0)).allOurs, true);
  const reset = room(16);
  writeHotReset(reset, [9]);
  assert.deepEqual(new Uint8Array(reset.buffer), new Uint8Array(view(16, 0, 1, 9).buffer));
});

test("an IOMMU reports its address ranges; the end of the address space is clamped to a safe integer", () => {
  const info = view(72, 0b11, 0x4020_1000n, 24, 0, 0x1_0001, 0, 2, 0, 0n, 0xfedf_ffffn, 0xfef0_0000n, 2n ** 64n - 1n);
  assert.deepEqual(readIommuInfo(info), {
    pageBytes: 4096,
    ranges: [
      { start: 0, last: 0xfedf_ffff },
      { start: 0xfef0_0000, last: Number.MAX_SAFE_INTEGER },
    ],
  });
  assert.deepEqual(readIommuInfo(view(24, 0b01, 0x1_0000n, 0, 0)), { pageBytes: 0x1_0000, ranges: undefined });
});

test("memory is mapped for reading and writing, by VFIO and by iommufd", () => {
  const fields = { address: 0x7f00_0000_1000n, iova: 0x1_0000_0000, bytes: 0x2000 };
  const map = room(Bytes.dmaMap);
  writeDmaMap(map, fields);
  const wanted = view(32, 3, 0x7f00_0000_1000n, 0x1_0000_0000n, 0x2000n);
  assert.deepEqual(new Uint8Array(map.buffer), new Uint8Array(wanted.buffer));
  const ioas = room(Bytes.ioasMap);
  writeIoasMap(ioas, 5, fields);
  const inIoas = view(40, 7, 5, 0, 0x7f00_0000_1000n, 0x2000n, 0x1_0000_0000n);
  assert.deepEqual(new Uint8Array(ioas.buffer), new Uint8Array(inIoas.buffer));
  const ranges = room(Bytes.iovaRanges);
  writeIovaRanges(ranges, 5, 256, 0x7f00_0000_2000n);
  assert.deepEqual(new Uint8Array(ranges.buffer), new Uint8Array(view(32, 5, 256, 0, 0x7f00_0000_2000n, 0n).buffer));
});

test("any reply of a faulty kernel is read within its bounds", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 48, maxLength: 160 }), (bytes) => {
      const any = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      const region = readRegionInfo(any);
      for (const { offset, bytes: length } of region.mappable) assert.ok(offset + length <= region.bytes);
      readIommuInfo(any);
      readHotResetInfo(any);
      readDeviceInfo(any);
      readRanges(any, 0xffff_ffff);
    }),
    { seed: 8168 },
  );
});
