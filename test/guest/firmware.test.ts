/** Every firmware file that the chip table names, as shipped by Debian: checked, and run on the model. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { DirectDevice } from "#bus/direct.ts";
import { CHIPS, type Chip } from "#chip/chips.ts";
import { parseFirmware } from "#driver/firmware.ts";
import { rtl8169 } from "#driver/probe.ts";
import { VirtualClock } from "#kit/clock.ts";
import { bind } from "#kit/device.ts";
import { Rtl8169 } from "#model/rtl8169.ts";
import { noRig } from "./available.ts";
import { partOf } from "./parts.ts";

const read = (file: string): Uint8Array => readFileSync(join(partOf("tools"), "usr/lib/firmware", file));

const modelOf = (chip: Chip) => {
  const clock = new VirtualClock();
  const model = new Rtl8169({ chip, mac: "02:00:00:00:00:01", clock, timers: clock.timers, strict: "error" });
  model.setCarrier(true);
  const { registersBar } = chip.profile.function;
  const device = new DirectDevice(model, { name: chip.key, registers: registersBar, dmaBytes: 16 << 20, vectors: 4 });
  return { clock, model, device };
};

const offencesOf = (model: Rtl8169): readonly string[] =>
  Object.entries(model.offences).flatMap(([name, count]) => (count > 0 ? [name] : []));

describe("firmware", { skip: noRig() }, () => {
  for (const file of new Set((CHIPS as readonly Chip[]).flatMap(({ firmware }) => firmware ?? [])))
    test(`${file} passes the checks`, () => {
      assert.ok(parseFirmware(read(file), file).words.length > 50);
    });

  for (const chip of CHIPS as readonly Chip[]) {
    const file = chip.firmware;
    if (file === undefined) continue;
    test(`${chip.key} starts with ${file}, and links`, () => {
      const { clock, model, device } = modelOf(chip);
      using _ = device;
      using bound = bind(rtl8169, device, { clock, mtu: 1500, weaklyOrdered: false, slots: 64, firmware: read });
      const nic = bound.driver;
      assert.ok(nic.firmware !== undefined);
      nic.up();
      for (let i = 0; i < 1000 && !nic.refreshLink().up; i++) clock.delay(1000);
      assert.equal(nic.link.up, true);
      assert.deepEqual(offencesOf(model), []);
    });
  }
});
