/**
 * Checks that the table of quirks is current, consistent with the driver, and tested. Also contains the tests of quirks
 * that fit no other file.
 */
import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { DirectDevice } from "#bus/direct.ts";
import { CHIPS, type Chip } from "#chip/chips.ts";
import { FRAMES_8168G } from "#chip/frames.ts";
import { QUIRKS, type Quirk, quirksOf } from "#chip/quirks.ts";
import { ChipCmd, TxConfig } from "#chip/registers.ts";
import { rtl8169 } from "#driver/probe.ts";
import { VirtualClock } from "#kit/clock.ts";
import { bind } from "#kit/device.ts";
import { rw16 } from "#kit/mmio.ts";
import { Rtl8169 } from "#model/rtl8169.ts";
import { PAGE, page } from "../quirks-page.ts";
import { type Alterations, Altered } from "../rigs/altered.ts";
import { without } from "../source.ts";

const ROOT = join(import.meta.dirname, "../..");
const TABLE = Object.entries<Quirk>(QUIRKS);
const chips: readonly Chip[] = CHIPS;

test("docs/quirks.md is what `node test/quirks-page.ts` writes", () => {
  assert.equal(readFileSync(PAGE, "utf8"), page());
});

test("each quirk has a reason, evidence, chips, and a proof that exists", () => {
  for (const [name, { because, evidence, proof, on }] of TABLE) {
    assert.match(because, /^[A-Z].*\w{4}.*\.$/, name);
    assert.match(evidence, /\w{4}/, name);
    const having = chips.filter(on).length;
    assert.ok(having > 0 && having < chips.length, `${having} chips have the quirk ${name}`);
    const file = join(ROOT, proof.file);
    assert.ok(existsSync(file), `${name}: there is no file ${proof.file}`);
    const lines = readFileSync(file, "utf8").split("\n");
    assert.ok(
      lines.some((line) => /\btest\(/.test(line) && line.includes(proof.title)),
      `${name}: there is no test “${proof.title}”`,
    );
  }
});

test("the driver reads each quirk's fact, and every fault of the frame facts is a named quirk", () => {
  const source = globSync("src/driver/*.ts", { cwd: ROOT })
    .filter((path) => !/\.(test|types)\.ts$/.test(path))
    .map((path) => without(readFileSync(join(ROOT, path), "utf8"), "comment"))
    .join("\n");
  const unread = TABLE.filter(([, { fact }]) => !source.includes(fact)).map(([name]) => name);
  assert.deepEqual(unread, []);
  // Fields of `frames` that the offload rules read: each must be in the table, with reason and proof.
  const rules = readFileSync(join(ROOT, "src/driver/offload-rules.ts"), "utf8");
  const asked = Object.keys(FRAMES_8168G).filter((fact) => new RegExp(`\\b${fact}\\b`).test(rules));
  const named = new Set(TABLE.map(([, { fact }]) => fact));
  assert.deepEqual(
    asked.filter((fact) => !named.has(fact)),
    [],
  );
});

const of = (key: string) => quirksOf(chips.find((chip) => chip.key === key)!);

test("the quirks of a chip are listed by name", () => {
  assert.deepEqual(of("rtl8168evl"), [
    "lostDoorbell",
    "stalePadding",
    "summedPadding",
    "segmentsPlainOnly",
    "noJumboSums",
    "noJumboSegments",
    "noJumboPause",
    "reversedHash",
  ]);
  assert.ok(of("rtl8117-54a").includes("spuriousSystemError"));
  assert.ok(!of("rtl8168ep").includes("spuriousSystemError"));
});

const open = (chip: Chip, alterations: Alterations = {}) => {
  const clock = new VirtualClock();
  const model = new Rtl8169({ chip, mac: "02:00:00:00:00:01", clock, timers: clock.timers });
  const device = new DirectDevice(new Altered(model, alterations), {
    name: `model:${chip.key}`,
    registers: chip.profile.function.registersBar,
    dmaBytes: 8 << 20,
    vectors: 1,
  });
  const take = () => bind(rtl8169, device, { clock, mtu: 1500, weaklyOrdered: false, slots: 64 });
  return { device, take };
};

test("chips that lose MSI interrupts, and only these, use INTx", () => {
  for (const chip of chips) {
    const { device, take } = open(chip);
    using owned = device;
    const limits: string[] = [];
    Object.assign(owned.interrupts, { limit: (best: string) => limits.push(best) });
    using _bound = take();
    // PCI chips have only INTx.
    const intx = chip.bus === "pci" || QUIRKS.brokenMsi.on(chip);
    assert.deepEqual(limits, intx ? ["intx"] : [], chip.key);
  }
});

test("with jumbo frames the 8168B to 8168D use read requests of 512 bytes, all others of 4096", () => {
  for (const chip of chips.filter(({ bus, speed }) => bus === "pcie" && speed >= 1000)) {
    const { device, take } = open(chip);
    using owned = device;
    using bound = take();
    const control = rw16(chip.profile.function.expressAt + 8);
    const request = (): number => 128 << ((owned.config.read16(control) >>> 12) & 7);
    bound.driver.up();
    assert.equal(request(), 4096, chip.key);
    bound.driver.setMtu(chip.largestMtu);
    const small = /^rtl8168(b|c|cp|d)(-|$)/.test(chip.key);
    assert.equal(request(), small ? 512 : 4096, chip.key);
    assert.equal(QUIRKS.jumboReadsLockUp.on(chip), small, chip.key);
  }
});

test("the PCI chips are configured after both directions are enabled, all others before", () => {
  for (const chip of chips) {
    const order: string[] = [];
    const { device, take } = open(chip, {
      write(_region, offset, width, value) {
        if (offset === TxConfig && width === 4) order.push("configured");
        if (offset === ChipCmd && width === 1 && (value & 0x0c) === 0x0c) order.push("on");
        return true;
      },
    });
    using owned = device;
    void owned;
    using bound = take();
    bound.driver.up();
    const late = chip.bus === "pci";
    assert.deepEqual(order, late ? ["on", "configured"] : ["configured", "on"], chip.key);
    assert.equal(QUIRKS.transmitConfigWhileOn.on(chip), late, chip.key);
  }
});
