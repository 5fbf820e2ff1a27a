/** `ferrule ethtool -K` and `-G` change what they say they change: in the chip, and on the interface. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CPlus, CPlusCmd, RxConf, RxConfig } from "#chip/registers.ts";
import { RxConf8125 } from "#chip/registers-8125.ts";
import { deviceFeatures } from "#sys/device-features.ts";
import { Interfaces } from "#sys/interface.ts";
import { whyNoNamespace, whyNoTap } from "#sys/permitted.ts";
import { NAME, Ours } from "./ours.ts";

const skip = (whyNoNamespace() ?? whyNoTap())?.message ?? false;

const must = async (ours: Ours, words: string): Promise<readonly string[]> => {
  const { exit, out, err } = await ours.ethtool(words);
  assert.equal(exit, 0, err.join("\n"));
  return out;
};

const follow = (ours: Ours, mtu: number): void =>
  ours.driver.obey({
    command: "follow",
    mtu,
    address: Uint8Array.of(2, 0, 0, 0, 0, 1),
    filter: { promiscuous: false, groups: [] },
  });

/** Whether the kernel has these on, on the interface. */
const kernels = (ours: Ours, ...names: readonly string[]): readonly boolean[] =>
  ours.namespace.within(() => {
    using interfaces = Interfaces.open();
    const features = deviceFeatures(interfaces, NAME);
    return names.map((name) => features.get(name)!.active);
  });

const command = (ours: Ours): number => ours.model.read(ours.registers, CPlusCmd, 2);
const config = (ours: Ours): number => ours.model.read(ours.registers, RxConfig, 4);

describe("ethtool's switches", { skip }, () => {
  test("the chip verifies checksums and strips tags as long as it is to, over an MTU change and a reset too", async () => {
    using ours = new Ours("rtl8168h");
    const both = CPlus.receiveChecksum | CPlus.receiveVlan;
    assert.equal(command(ours) & both, both);
    await must(ours, "-K fe0 rx off rxvlan off");
    assert.equal(command(ours) & both, 0);
    follow(ours, 1400);
    ours.settle();
    assert.equal(command(ours) & both, 0);
    await must(ours, "-G fe0 rx 128");
    assert.equal(command(ours) & both, 0);
    await must(ours, "-K fe0 rx on rxvlan on");
    assert.equal(command(ours) & both, both);
  });

  test("later chips strip tags by another register, which the filter shares", async () => {
    using ours = new Ours("rtl8125b");
    const strip = RxConf8125.stripInnerTag | RxConf8125.stripOuterTag;
    assert.equal(config(ours) & strip, strip);
    await must(ours, "-K fe0 rxvlan off");
    assert.equal(config(ours) & strip, 0);
    follow(ours, 1500);
    assert.equal(config(ours) & strip, 0);
    await must(ours, "-K fe0 rxvlan on");
    assert.equal(config(ours) & strip, strip);
  });

  test("damaged frames are accepted as long as they are wanted, whatever else changes of the filter", async () => {
    using ours = new Ours("rtl8168h");
    const damaged = RxConf.acceptError | RxConf.acceptRunt;
    assert.equal(config(ours) & damaged, 0);
    await must(ours, "-K fe0 rx-all on");
    assert.equal(config(ours) & damaged, damaged);
    follow(ours, 1500);
    assert.equal(config(ours) & damaged, damaged);
    await must(ours, "-K fe0 rx-all off");
    assert.equal(config(ours) & damaged, 0);
  });

  test("the kernel does itself what is switched off: checksums, segments of either family, scattered frames", async () => {
    using ours = new Ours("rtl8168h");
    const names = ["tx-checksum-ip-generic", "tx-tcp-segmentation", "tx-tcp6-segmentation", "tx-scatter-gather"];
    const now = (): readonly boolean[] => kernels(ours, ...names);
    assert.deepEqual(now(), [true, true, true, true]);
    await must(ours, "-K fe0 tx-tcp6-segmentation off");
    assert.deepEqual(now(), [true, true, false, true]);
    await must(ours, "-K fe0 tx off");
    assert.deepEqual(now(), [false, false, false, true]);
    follow(ours, 1400);
    ours.settle();
    assert.deepEqual(now(), [false, false, false, true]);
    await must(ours, "-K fe0 tx on sg off");
    assert.deepEqual(now(), [true, false, false, false]);
    await must(ours, "-K fe0 sg on tso on");
    assert.deepEqual(now(), [true, true, true, true]);
  });

  test("a chip that does nothing to IPv6 does not offer to", async () => {
    using ours = new Ours("rtl8169sc-180");
    const out = await must(ours, "-k fe0");
    assert.ok(out.includes("\ttx-checksum-ipv6: off [fixed]") && out.includes("\ttx-tcp6-segmentation: off [fixed]"));
  });

  test("both rings get another size, and one that the chip cannot have is refused with both as they were", async () => {
    using ours = new Ours("rtl8168h");
    await must(ours, "-G fe0 rx 512");
    for (const words of ["rx 500", "rx 8192", "rx 128 tx 256"]) {
      const { exit, err } = await ours.ethtool(`-G fe0 ${words}`);
      assert.equal(exit, 81);
      assert.match(err.join("\n"), /^netlink error: .+\nhint: .+$/);
    }
    assert.equal((await must(ours, "-g fe0")).filter((line) => line.endsWith("512")).length, 2);
    ours.settle();
    assert.ok(ours.model.link.up);
  });

  test("interrupts are held back as asked, and limits that the chip cannot have leave the old ones", async () => {
    using ours = new Ours("rtl8125b");
    await must(ours, "-C fe0 rx-usecs 100");
    const before = await must(ours, "-c fe0");
    assert.match(
      before.find((line) => line.startsWith("rx-usecs:"))!,
      /^rx-usecs:\t1\d\d$/,
    );
    for (const words of ["rx-usecs 4000000000", "adaptive-rx on rx-usecs 10", "adaptive-rx on adaptive-tx off"])
      assert.equal((await ours.ethtool(`-C fe0 ${words}`)).exit, 1);
    assert.deepEqual(await must(ours, "-c fe0"), before);
    await must(ours, "-C fe0 adaptive-rx on");
    assert.ok((await must(ours, "-c fe0")).includes("Adaptive RX: on  TX: on"));
  });

  test("the EEPROM of an older chip is shown, or a part of it", async () => {
    using ours = new Ours("rtl8169sc-180");
    const all = await must(ours, "-e fe0");
    assert.match(all[2]!, /^0x0000:\t\t29 81 /);
    assert.equal(all.length, 2 + 128 / 16);
    const part = await must(ours, "-e fe0 offset 14 length 6");
    assert.equal(part[2], "0x000e:\t\t02 00 00 00 00 01 ");
  });
});
