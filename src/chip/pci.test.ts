/**
 * The chips on the PCI bus: identities, limits, and offsets in configuration space. The expected values were typed in,
 * not copied from the code.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LEGACY_CHIPS, CHIPS, type Chip, PCI_IDS } from "./chips.ts";
import { identityOf } from "./pci-identity.ts";
import {
  EXPRESS_8125A,
  EXPRESS_8125B,
  EXPRESS_8126,
  EXPRESS_8127,
  EXPRESS_8168B,
  EXPRESS_8168C,
  EXPRESS_8168D,
  EXPRESS_8168E,
  EXPRESS_8168G,
  EXPRESS_8168H,
  PCI,
} from "./pci-function.ts";

const ALL: readonly Chip[] = [...CHIPS, ...LEGACY_CHIPS];
const hex = (value: number): string => value.toString(16).padStart(2, "0");

test("the driver claims the PCI ids that the PCI database has for the family, including boards of other vendors", () => {
  const ids = PCI_IDS.map(
    (id) => `${hex(id.vendor)}:${hex(id.device)}${"subsystemDevice" in id ? ` ${hex(id.subsystemDevice)}` : ""}`,
  );
  assert.deepEqual(
    ids.toSorted().join(", "),
    [
      "01:8168 2410, 10ec:2502, 10ec:2600, 10ec:3000, 10ec:5000, 10ec:8125, 10ec:8126, 10ec:8127, 10ec:8129, 10ec:8136",
      "10ec:8139, 10ec:8161, 10ec:8162, 10ec:8167, 10ec:8168, 10ec:8169, 10ec:e10, 10ff:8168, 1186:4300, 1186:4302",
      "1259:c107, 16ec:116, 1737:1032 24",
    ].join(", "),
  );
  assert.deepEqual(
    PCI_IDS.find(({ device }) => device === 0x8139),
    { vendor: 0x10ec, device: 0x8139, oldestRevision: 0x20 },
  );
});

/** PCI device and revision, speed in Mbit/s, largest MTU, best interrupts, chips. */
// prettier-ignore
// oxfmt-ignore
const REPORTED = [
  ["8125.05", 2500, 16362, "msi", "9151as 8125bp 8125cp 9151a 8125k 8125d-689 8125d-688 8125b"],
  ["8127.05", 10000, 16362, "msi", "8127a"],
  ["8126.01", 5000, 16362, "msi", "8126a-64a 8126a-649"],
  ["8162.05", 1000, 16362, "msi", "8168kd 8168kb"],
  ["8162.01", 1000, 16362, "msi", "8168kb-609"],
  ["8125.01", 2500, 16362, "msi", "8125a"],
  ["8168.1b", 1000, 9194, "msi", "8117-54b"],
  ["8168.1a", 1000, 9194, "msi", "8117-54a"],
  ["8168.0e", 1000, 9194, "msi", "8168ep"],
  ["8136.15", 100, 1500, "msi", "8107e"],
  ["8168.15", 1000, 9194, "msi", "8116af 8168h-100 8168h-300 8168h"],
  ["8161.15", 1000, 9194, "msi", "8168m"],
  ["8168.12", 1000, 9194, "msi", "8411b"],
  ["8136.10", 100, 1500, "msi", "8106eus"],
  ["8168.10", 1000, 9194, "msi", "8168gu"],
  ["8168.0c", 1000, 9194, "msi", "8168g"],
  ["8168.0a", 1000, 9194, "msi", "8411"],
  ["8168.09", 1000, 9194, "msi", "8168f-481 8168f-480"],
  ["8168.06", 1000, 9194, "msi", "8168evl 8168e-2c1 8168e-2c0"],
  ["8168.03", 1000, 9194, "msi", "8168d-281 8168d-280"],
  ["8168.04", 1000, 9194, "msi", "8168dp-28a 8168dp-28b"],
  ["8168.02", 1000, 6122, "msi", "8168cp-3c9 8168cp-3c8 8168cp-3cx 8168c-3c0 8168c-3c2 8168c-3c3 8168c-3cx"],
  ["8168.01", 1000, 4074, "intx", "8168b"],
  ["8136.07", 100, 1500, "msi", "8106e"],
  ["8136.06", 100, 1500, "msi", "8402"],
  ["8136.05", 100, 1500, "msi", "8105e-409 8105e-408"],
  ["8136.02", 100, 1500, "intx", "8102e-349 8102e-249 8102e-348 8102e-248 8102e-34x 8102e-24x"],
  ["8136.01", 100, 1500, "intx", "8401 8101e"],
  ["8167.10", 1000, 7146, "intx", "8169sc-980 8169sc-180"],
  ["8169.10", 1000, 7146, "intx", "8169sb 8110s 8169s"],
  ["8139.20", 100, 1500, "intx", "8139cp"],
] as const;

test("each chip reports its PCI device and revision, and has the speed, highest MTU and interrupt types of its generation", () => {
  const expected = REPORTED.flatMap(([pci, speed, mtu, interrupts, keys]) =>
    keys.split(" ").map((key) => `rtl${key} ${pci} ${speed} ${mtu} ${interrupts}`),
  );
  const found = ALL.map(
    ({ key, pci, speed, largestMtu, interrupts }) =>
      `${key} ${pci.map(hex).join(".")} ${speed} ${largestMtu} ${interrupts}`,
  );
  assert.deepEqual(found.toSorted(), expected.toSorted());
});

test("a chip without a board vendor's ids has Realtek's ids, and on PCI Express the ids of the reference board", () => {
  for (const chip of ALL) {
    const { vendor, device, revision, subsystemVendor, subsystemDevice } = identityOf(chip);
    assert.deepEqual([vendor, device, revision, subsystemVendor], [0x10ec, ...chip.pci, 0x10ec], chip.key);
    assert.equal(subsystemDevice, chip.bus === "pci" ? device : 0x0123, chip.key);
  }
});

/** The XIDs of the rows with this mask. A mask ignores all three stepping bits, or none. */
const open = (mask: number): string =>
  CHIPS.filter((row) => row.mask === mask)
    .map(({ xid }) => hex(xid))
    .join(" ");

test("thirteen rows of PCI Express chips and five rows of PCI chips match every stepping of their XID", () => {
  assert.equal(open(0x7c8), "488 2c8 2c0 280 3c8 3c0 380 448 440 408 348 248 340");
  assert.equal(open(0xfc8), "980 180 100 40 08");
  assert.ok(CHIPS.every(({ mask }) => mask === 0x7c8 || mask === 0xfc8 || mask === 0x7cf));
});

const FUNCTIONS = {
  EXPRESS_8125A,
  EXPRESS_8125B,
  EXPRESS_8126,
  EXPRESS_8127,
  EXPRESS_8168B,
  EXPRESS_8168C,
  EXPRESS_8168D,
  EXPRESS_8168E,
  EXPRESS_8168G,
  EXPRESS_8168H,
  PCI,
};

/**
 * Length of the window, its BAR, number of MSI-X vectors; then offsets in hexadecimal: power, Express, MSI-X, product
 * data, virtual channel, serial number, latency, substates.
 */
// prettier-ignore
// oxfmt-ignore
const PLACES = {
  PCI:           [  256, 1,  0, "dc 00 00 60 00 00 00 00"],
  EXPRESS_8168B: [ 4096, 2,  0, "40 60 00 48 140 160 00 00"],
  EXPRESS_8168C: [ 4096, 2,  2, "40 70 b0 d0 140 160 00 00"],
  EXPRESS_8168D: [ 4096, 2,  4, "40 70 ac cc 140 160 00 00"],
  EXPRESS_8168E: [ 4096, 2,  4, "40 70 b0 d0 140 160 00 00"],
  EXPRESS_8168G: [ 4096, 2,  4, "40 70 b0 d0 140 160 170 00"],
  EXPRESS_8168H: [ 4096, 2,  4, "40 70 b0 d0 140 160 170 178"],
  EXPRESS_8125A: [65536, 2,  4, "40 70 b0 d0 148 168 204 20c"],
  EXPRESS_8125B: [65536, 2, 32, "40 70 b0 d0 148 168 204 20c"],
  EXPRESS_8126:  [65536, 2, 32, "40 70 b0 d0 148 168 204 20c"],
  EXPRESS_8127:  [65536, 2, 32, "40 70 b0 d0 148 168 204 20c"],
} as const;

/** Version of the Express capability, link speed as encoded in the capability, then features. */
const ABILITIES = {
  PCI: "0 0",
  EXPRESS_8168B: "1 1 prefetchable",
  EXPRESS_8168C: "1 1 prefetchable keepsState",
  EXPRESS_8168D: "2 1 prefetchable keepsState",
  EXPRESS_8168E: "2 1 prefetchable keepsState",
  EXPRESS_8168G: "2 1 prefetchable keepsState reportsLatency",
  EXPRESS_8168H: "2 1 keepsState reportsLatency",
  EXPRESS_8125A: "2 2 maskableMsi keepsState reportsLatency",
  EXPRESS_8125B: "2 2 maskableMsi keepsState reportsLatency",
  EXPRESS_8126: "2 3 maskableMsi keepsState reportsLatency",
  EXPRESS_8127: "2 4 maskableMsi keepsState reportsLatency",
} as const;

for (const name of Object.keys(PLACES) as (keyof typeof PLACES)[])
  test(`${name}: windows, vectors and capabilities are where lspci listings show them`, () => {
    const fn = FUNCTIONS[name];
    const places = [fn.powerAt, fn.expressAt, fn.msixAt, fn.productDataAt];
    const extended = [fn.virtualChannelAt, fn.serialNumberAt, fn.latencyAt, fn.substatesAt];
    const found = [fn.windowBytes, fn.registersBar, fn.msixVectors, [...places, ...extended].map(hex).join(" ")];
    assert.deepEqual(found, PLACES[name]);
    const abilities = (["prefetchable", "maskableMsi", "keepsState", "reportsLatency"] as const).filter((is) => fn[is]);
    assert.equal([fn.expressVersion, fn.linkSpeed, ...abilities].join(" "), ABILITIES[name]);
    assert.equal(fn.bus, name === "PCI" ? "pci" : "pcie");
  });
