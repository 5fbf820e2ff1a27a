/** The built-in PHYs: identifiers and abilities. The expected values were typed in, not copied from `phy-kinds.ts`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Chip, CHIPS } from "./chips.ts";
import { phyKind } from "./phy-kinds.ts";

/** PHYID, ESTATUS, bits for speeds above 1000 (7.32), bits for EEE (3.20 and 3.21), access to registers; then chips. */
// prettier-ignore
// oxfmt-ignore
const PHYS = [
  ["8201 0 0 0 0 paged", "8401 8101e 8102e-349 8102e-249 8102e-348 8102e-248 8102e-34x 8102e-24x"],
  ["1cc880 0 0 0 0 paged", "8105e-409 8105e-408 8106e 8402"],
  ["1cc910 3000 0 0 0 paged", "8169s 8110s"],
  ["1cc912 3000 0 0 0 paged", "8169sb 8169sc-180 8169sc-980 8168b 8168c-3c0 8168c-3c2 8168c-3c3 8168c-3cx 8168cp-3c8 8168cp-3c9 8168cp-3cx 8168dp-28a 8168dp-28b"],
  ["1cc912 3000 0 0 0 paged b300", "8168d-280"],
  ["1cc912 3000 0 0 0 paged bf00", "8168d-281"],
  ["1cc914 3000 0 6 0 paged indirect", "8168e-2c1 8168e-2c0"],
  ["1cc915 3000 0 6 0 paged indirect", "8168evl 8168f-480 8168f-481 8411"],
  ["1cc800 2000 0 6 0 ocp", "8168g 8168gu 8411b 8168h 8168h-100 8168h-300 8168m 8168ep 8117-54a 8117-54b 8168kb 8168kb-609 8168kd"],
  ["1cc800 2000 0 6 0 ocp hidden", "8116af"],
  ["1cc800 0 0 2 0 ocp", "8106eus 8107e"],
  ["1cc800 2000 80 6 1 ocp", "8125a"],
  ["1cc840 2000 80 6 1 ocp", "8125b"],
  ["1cc841 2000 80 6 1 ocp", "8125d-688 8125d-689 8125k 8125bp 8125cp 9151a 9151as"],
  ["1cc862 2000 180 6 3 ocp", "8126a-649 8126a-64a"],
  ["1cc890 2000 1180 e 3 ocp", "8127a"],
] as const;

test("each chip has the PHY that drivers report for it or for an adjacent chip, and fuses limit five of them", () => {
  const found = (CHIPS as readonly Chip[]).map((chip) => {
    const { id, estatus, multigigabit, eee, eee2, registers, indirect, ready, hidesLink } = phyKind(chip);
    const words = [id, estatus, multigigabit, eee, eee2].map((word) => word.toString(16)).join(" ");
    const rest = [registers, indirect ? "indirect" : "", ready?.toString(16) ?? "", hidesLink ? "hidden" : ""];
    return `${chip.key}: ${words} ${rest.filter((word) => word !== "").join(" ")}`;
  });
  const expected = PHYS.flatMap(([phy, keys]) => keys.split(" ").map((key) => `rtl${key}: ${phy}`));
  assert.deepEqual(found.toSorted(), expected.toSorted());
});
