import assert from "node:assert/strict";
import { test } from "node:test";
import { Errno } from "./errno.ts";
import { Fd } from "./fd.ts";
import { Iommufd } from "./iommufd.ts";
import { createMemory } from "./mapping.ts";
import { VfioDeviceFile } from "./vfio-device.ts";
import { VfioContainer, VfioGroup } from "./vfio.ts";

test("a register is read, unsigned, and written in one access of its width at its offset", () => {
  const memory = createMemory("registers", 64, { sealed: false });
  using device = new VfioDeviceFile(new Fd(memory.release(), "registers"));
  assert.equal(device.write(4n, 4, 0xfedc_ba98), 0);
  assert.equal(device.read(4n, 4), 0xfedc_ba98);
  assert.equal(device.read(6n, 2), 0xfedc);
  assert.equal(device.read(7n, 1), 0xfe);
  assert.equal(device.write(5n, 1, 0x1_77), 0);
  assert.equal(device.write(6n, 2, 0x1234), 0);
  assert.equal(device.read(4n, 4), 0x1234_7798);
  assert.equal(device.read(62n, 4), -Errno.EIO);
});

test("requests to other files fail with the name of the request", () => {
  using container = VfioContainer.open("/dev/null");
  assert.throws(() => container.version, { code: "ENOTTY", message: /VFIO_GET_API_VERSION/ });
  assert.throws(() => container.map(new ArrayBuffer(4096), 0), { code: "ENOTTY", message: /VFIO_IOMMU_MAP_DMA/ });
  using group = VfioGroup.open("/dev/null");
  assert.throws(() => group.viable, { code: "ENOTTY" });
  assert.throws(() => group.device("0000:03:00.0"), { code: "ENOTTY", message: /0000:03:00\.0/ });
  using iommu = Iommufd.open("/dev/null");
  assert.throws(() => iommu.allocate(), { code: "ENOTTY", message: /IOMMU_IOAS_ALLOC/ });
  assert.throws(() => iommu.info(1), { code: "ENOTTY" });
  using device = VfioDeviceFile.open("/dev/null");
  assert.throws(() => device.info(), { code: "ENOTTY" });
  assert.throws(() => device.irq(0), { code: "ENOTTY" });
  assert.equal(device.unmask(), -Errno.ENOTTY);
  assert.throws(() => VfioContainer.open("/dev/vfio/no-such"), { code: "ENOENT" });
});
