/**
 * Tests that words are derived from register traces. Some traces are recordings of Linux's driver, the others are of a
 * driver that writes what the test specifies.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { CHIPS, type Chip, chipNamed } from "#chip/chips.ts";
import { PARAMETER_8168D, type Start, type Step } from "#chip/steps.ts";
import { derivedFrom } from "./derive.ts";
import { traceOurs } from "./ours.ts";
import { differences, linesOf, sourceOf, stepsOf } from "./steps.ts";
import { FILLS, type Traces } from "./unknown-registers.ts";

const recorded = (key: string): Traces =>
  Object.fromEntries(
    FILLS.map((fill) => [
      fill,
      readFileSync(join(import.meta.dirname, `traces/${key}.${fill}.jsonl`), "utf8")
        .trimEnd()
        .split("\n"),
    ]),
  ) as unknown as Traces;

test("the steps of an RTL8102E, from the recorded accesses of Linux 6.12", () => {
  const traces = recorded("rtl8102e-34x");
  const steps = Object.fromEntries(
    (["phy", "mac"] as const).map((phase) => {
      const { changes, findings } = derivedFrom(chipNamed("rtl8102e-34x")!, traces, phase);
      assert.deepEqual(findings, []);
      return [phase, stepsOf(changes)];
    }),
  );
  assert.deepEqual(steps, {
    phy: [
      {
        page: 0,
        words: [
          [0x11, 0, 0x1000],
          [0x19, 0, 0x2000],
          [0x10, 0, 0x8000],
        ],
      },
      {
        page: 3,
        words: [
          [0x08, 0x441d],
          [0x01, 0x9100],
        ],
      },
    ],
    mac: [
      { on: "csi", words: [[0x70c, 0xff00_0000, 0x2700_0000]] },
      {
        on: "io8",
        words: [
          [0x52, 0x0f],
          [0x54, 0x01, 0],
        ],
      },
    ],
  });
});

/** The steps that are derived from the accesses of our driver when it executes `start`. */
const roundTrip = (key: string, start: Partial<Start>) => {
  const chip = chipNamed(key)!;
  const traces = traceOurs(chip, { mac: [], phy: [], ...start });
  const phases = [derivedFrom(chip, traces, "phy"), derivedFrom(chip, traces, "mac")] as const;
  return {
    phy: stepsOf(phases[0].changes),
    mac: stepsOf(phases[1].changes),
    findings: phases.flatMap(({ findings }) => findings),
  };
};

describe("a driver's writes as words", () => {
  test("a stored word, and bits that are set, cleared, or both", () => {
    const words = [
      [0x10, 0x1234],
      [0x11, 0, 0x8001],
      [0x12, 0x00f0, 0],
      [0x13, 0x0f00, 0x0030],
    ] as const;
    const phy: readonly Step[] = [{ page: 2, words }];
    assert.deepEqual(roundTrip("rtl8168d-281", { phy }), { phy, mac: [], findings: [] });
  });

  test("parameters and extensions, and selections of one that is not written", () => {
    const phy: readonly Step[] = [
      {
        through: PARAMETER_8168D,
        words: [
          [0x8b80, 0xc896],
          [0x8b85, 1 << 13, 0],
        ],
      },
      { extension: 0x2d, words: [[0x18, 0, 0x0050]] },
      { extension: 0x2f, words: [[0x18, 0, 0x0001]] },
      {
        page: 5,
        words: [
          [0x05, 0x8b90],
          [0x17, 0, 0x0006],
        ],
      },
    ];
    assert.deepEqual(roundTrip("rtl8168evl", { phy }), { phy, mac: [], findings: [] });
  });

  test("the MAC's registers, extended registers, the PCIe PHY and configuration space", () => {
    const mac: readonly Step[] = [
      {
        on: "io8",
        words: [
          [0xd1, 0x1e],
          [0x54, 0x01, 0],
        ],
      },
      {
        on: "io32",
        words: [
          [0xf0, 0, 1 << 29],
          [0xf0, 1 << 29, 0],
        ],
      },
      {
        on: "eri",
        words: [
          [0xc0, 0xffff, 0],
          [0xb8, 0x0010_0002],
        ],
      },
      {
        on: "ephy",
        words: [
          [0x03, 0x0400, 0x0020],
          [0x19, 0xfe6c],
        ],
      },
      { on: "csi", words: [[0x70c, 0xd800_0000, 0x2700_0000]] },
    ];
    assert.deepEqual(roundTrip("rtl8168evl", { mac }), { phy: [], mac, findings: [] });
  });

  test("a written register reads back its value: then only changed bits are known", () => {
    const mac: readonly Step[] = [
      {
        on: "io8",
        words: [
          [0x52, 0xdf],
          [0x52, 0x40, 0],
        ],
      },
    ];
    assert.deepEqual(roundTrip("rtl8102e-348", { mac }), { phy: [], mac, findings: [] });
  });

  test("waking the PHY twice becomes one word; a value that a sequence stores again is kept", () => {
    const awake = {
      page: 0,
      words: [
        [0x12, 0],
        [0x0e, 0],
      ],
    } as const;
    const twice = { page: 0, words: [...awake.words, ...awake.words] };
    const strobes = {
      page: 1,
      words: [
        [0x02, 0xdf20],
        [0x04, 0x9800],
        [0x04, 0x9000],
        [0x02, 0xdf20],
      ],
    } as const;
    assert.deepEqual(roundTrip("rtl8168c-3c0", { phy: [twice, strobes] }).phy, [awake, strobes]);
  });

  test("operations of every start, and of autonegotiation, are omitted", () => {
    const phy: readonly Step[] = [
      {
        page: 0,
        words: [
          [0x04, 0x01e1],
          [0x09, 0x0300],
        ],
      },
    ];
    const mac: readonly Step[] = [
      {
        on: "io8",
        words: [
          [0x53, 1 << 7, 0],
          [0x56, 1 << 0, 0],
        ],
      },
      { on: "io16", words: [[0xe0, 0x60]] },
    ];
    assert.deepEqual(roundTrip("rtl8168c-3c0", { phy, mac }), { phy: [], mac: [], findings: [] });
  });
});

describe("operations that depend on a value that was read", () => {
  test("the regulator of an RTL8168D: another value, and more writes, if the factory has calibrated it", () => {
    const { phy, findings } = roundTrip("rtl8168d-281", { phy: [{ call: "regulatorOf281" }] });
    assert.deepEqual(phy, []);
    assert.equal(findings.filter((what) => what.startsWith("only with distinct: PHY page 2 register 0x0d")).length, 8);
    assert.ok(findings.includes("PHY page 2 register 0x05 becomes 0x6662, 0x6662, 0x669a"));
  });

  test("the bus timing of an RTL8169SC", () => {
    const { mac, findings } = roundTrip("rtl8169sc-180", { mac: [{ call: "pciTiming180" }] });
    assert.deepEqual(mac, []);
    assert.deepEqual(findings, ["io32 0x7c becomes 0xfff00, 0xfff00, 0xfffff"]);
  });
});

test("differences name the words of either list, whatever the notation", () => {
  const a: readonly Step[] = [
    {
      on: "ephy",
      words: [
        [0x02, 0x1800, 0x1000],
        [0x03, 0xffff, 0xc2f9],
        [0x06, 0x0080, 0],
      ],
    },
  ];
  const b: readonly Step[] = [
    {
      on: "ephy",
      words: [
        [0x02, 0x0800, 0x1000],
        [0x03, 0xc2f9],
        [0x06, 0, 0x0080],
      ],
    },
  ];
  assert.deepEqual(differences(linesOf(a), linesOf(b)), ["- ephy [0x06, 0x0080, 0]", "+ ephy [0x06, 0, 0x0080]"]);
});

const withWords = (steps: readonly Step[]) => steps.filter((step) => "words" in step);

test("every word of the tables for chips before the RTL8125 can be derived from a driver's accesses", () => {
  for (const { key, start, profile } of CHIPS as readonly Chip[]) {
    if (profile.macOcp === "paged") continue;
    const [phy, mac] = [withWords(start.phy), withWords(start.mac)];
    const derived = roundTrip(key, { phy, mac });
    assert.deepEqual([linesOf(derived.phy), linesOf(derived.mac)], [linesOf(phy), linesOf(mac)], key);
  }
});

test("steps are printed as source text, as in the files of src/chip/start", () => {
  assert.equal(
    sourceOf([
      {
        page: 2,
        words: [
          [0x0c, 0x7eb8],
          [0x06, 0, 0x0100],
        ],
      },
      { extension: 0x2d, words: [[0x18, 0x0010, 0]] },
      { through: PARAMETER_8168D, words: [[0x8b80, 0xc896]] },
      { on: "eri", words: [[0xb8, 0]] },
    ]),
    [
      "  { page: 2, words: [[0x0c, 0x7eb8], [0x06, 0, 0x0100]] },",
      "  { extension: 0x2d, words: [[0x18, 0x0010, 0]] },",
      "  { through: PARAMETER_8168D, words: [[0x8b80, 0xc896]] },",
      '  { on: "eri", words: [[0xb8, 0x00000000]] },',
    ].join("\n"),
  );
});
