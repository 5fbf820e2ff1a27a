import assert from "node:assert/strict";
import { test } from "node:test";
import { FerruleError } from "#kit/errors.ts";
import { readVfioCard } from "./vfio-card.ts";
import { type PciFunction, Tree } from "./tree.test-kit.ts";

const ADDRESS = "0000:03:00.0";
const CARD: PciFunction = { address: ADDRESS, driver: "vfio-pci", group: 12 };

const refusal = (functions: readonly PciFunction[], unsafe = false, withoutIommu = false): FerruleError => {
  using tree = new Tree(functions, { withoutIommu });
  try {
    readVfioCard(ADDRESS, unsafe, tree);
  } catch (error) {
    if (error instanceof FerruleError) return error;
    throw error;
  }
  return assert.fail("was taken");
};

test("a card has a group file, its own file if the kernel provides one, and neighbours", () => {
  const other = { address: "0000:03:00.1", driver: "ehci-pci" };
  using tree = new Tree([
    { ...CARD, node: 3 },
    { ...other, group: 12 },
    { address: "0000:04:00.0", driver: "r8169", group: 13 },
  ]);
  assert.deepEqual(readVfioCard(ADDRESS, false, tree), {
    address: ADDRESS,
    group: 12,
    unsafe: false,
    groupPath: `${tree.dev}/vfio/12`,
    containerPath: `${tree.dev}/vfio/vfio`,
    node: { path: `${tree.dev}/vfio/devices/vfio3`, iommuPath: `${tree.dev}/iommu` },
    others: [other],
  });
});

test("a card that does not exist, or is not bound to vfio-pci, is rejected with advice", () => {
  assert.equal(refusal([]).code, "NO_SUCH_CARD");
  const driven = refusal([{ ...CARD, driver: "r8169" }]);
  assert.match(driven.message, /bound to r8169/);
  assert.match(driven.hint, /ferrule bind 0000:03:00\.0/);
  assert.match(refusal([{ address: ADDRESS, group: 12 }]).message, /not bound to a driver/);
});

test("a card without an IOMMU is rejected, unless that is accepted", () => {
  assert.match(refusal([{ address: ADDRESS, driver: "r8169" }]).hint, /intel_iommu=on/);
  assert.match(refusal([CARD], false, true).hint, /--unsafe-noiommu/);
  assert.equal(refusal([{ address: ADDRESS, driver: "r8169" }], true).code, "NOT_BOUND");
  using tree = new Tree([CARD], { withoutIommu: true });
  const card = readVfioCard(ADDRESS, true, tree);
  assert.equal(card.unsafe, true);
  assert.equal(card.groupPath, `${tree.dev}/vfio/noiommu-12`);
});
