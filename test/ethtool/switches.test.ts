/** Tests that the settings of `ferrule ethtool` take effect: in the chip, and on the interface. */
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
  ours.driver.handleCommand({
    command: "follow",
    mtu,
    address: Uint8Array.of(2, 0, 0, 0, 0, 1),
    filter: { promiscuous: false, groups: [] },
  });

/** Whether the kernel has these features enabled on the interface. */
const kernels = (ours: Ours, ...names: readonly string[]): readonly boolean[] =>
  ours.namespace.within(() => {
    using interfaces = Interfaces.open();
    const features = deviceFeatures(interfaces, NAME);
    return names.map((name) => features.get(name)!.active);
  });

const command = (ours: Ours): number => ours.model.read(ours.registers, CPlusCmd, 2);
const config = (ours: Ours): number => ours.model.read(ours.registers, RxConfig, 4);

describe("ethtool's switches", { skip }, () => {
  test("the chip verifies checksums and strips tags while enabled, also across an MTU change and a reset", async () => {
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

  test("on later chips tag stripping is enabled in RxConfig, beside the bits of the receive filter", async () => {
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

  test("damaged frames are accepted while enabled, whatever else changes in the filter", async () => {
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

  test("the kernel does in software what is switched off: checksums, segmentation over IPv4 and IPv6, scattered frames", async () => {
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

  test("a chip without IPv6 offloads does not offer them", async () => {
    using ours = new Ours("rtl8169sc-180");
    const out = await must(ours, "-k fe0");
    assert.ok(out.includes("\ttx-checksum-ipv6: off [fixed]") && out.includes("\ttx-tcp6-segmentation: off [fixed]"));
  });

  test("both rings are resized, and a size that the chip does not support is rejected with both unchanged", async () => {
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

  test("interrupts are delayed as set, and a limit that the chip does not support is rejected without changing the limits", async () => {
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

  test("the link is limited to fewer speeds, forced to one, and restored", async () => {
    using ours = new Ours("rtl8168h");
    const speed = (): number => ours.model.link.speed;
    for (const [words, expected] of [
      ["speed 100 duplex full autoneg on", 100],
      ["speed 10 duplex half autoneg off", 10],
      ["autoneg on", 1000],
      ["advertise 0x0f", 100],
      ["advertise 0x20", 1000],
    ] as const) {
      await must(ours, `-s fe0 ${words}`);
      ours.settle();
      assert.equal(speed(), expected, words);
    }
    for (const words of ["speed 2500", "speed 1000 duplex full autoneg off", "advertise 0x0", "wol s"]) {
      const { exit, err } = await ours.ethtool(`-s fe0 ${words}`);
      assert.equal(exit, 75, words);
      assert.match(err.join("\n"), /^netlink error: .+\nhint: .+$/, words);
    }
    for (const words of ["speed fast", "duplex both", "wol x", "mdix maybe", ""])
      assert.equal((await ours.ethtool(`-s fe0 ${words}`.trim())).exit, 1, words);
    ours.settle();
    assert.equal(speed(), 1000);
  });

  test("the negotiation of pause frames is switched off and on again", async () => {
    using ours = new Ours("rtl8168h");
    await must(ours, "-A fe0 rx off tx off");
    ours.settle();
    assert.ok(!ours.model.link.receivePause && !ours.model.link.transmitPause);
    assert.ok((await must(ours, "-a fe0")).includes("RX negotiated: off"));
    await must(ours, "-A fe0 rx on tx on");
    ours.settle();
    assert.ok(ours.model.link.receivePause && ours.model.link.transmitPause);
  });

  test("the link is renegotiated on request", async () => {
    using ours = new Ours("rtl8168h");
    // Whenever the link changes, the model has a new object for its state, by which the test recognises the restart.
    const { link } = ours.model;
    await must(ours, "-r fe0");
    ours.settle();
    assert.notEqual(ours.model.link, link);
    assert.deepEqual(ours.model.link, link);
  });

  test("Energy-Efficient Ethernet is switched off and on, if the chip has it", async () => {
    using ours = new Ours("rtl8125b");
    assert.ok((await must(ours, "--show-eee fe0")).includes("\tEEE status: enabled - active"));
    await must(ours, "--set-eee fe0 eee off");
    ours.settle();
    assert.ok((await must(ours, "--show-eee fe0")).includes("\tEEE status: disabled"));
    using older = new Ours("rtl8168b");
    assert.equal((await older.ethtool("--set-eee fe0 eee on")).exit, 76);
  });

  test("the self-test passes on a good chip, and the NIC works afterwards", async () => {
    using ours = new Ours("rtl8168h");
    const out = await must(ours, "-t fe0 offline");
    assert.equal(out[0], "The test result is PASS");
    assert.ok(out.includes("interrupt\t 0") && out.includes("MAC loopback\t 0"), out.join("\n"));
    ours.settle();
    assert.ok(ours.model.link.up);
    ours.stimulate();
    for (let i = 0; i < 5; i++) ours.turn();
    assert.match((await must(ours, "-t fe0 online")).join("\n"), /^The test result is PASS/);
  });

  test("LEDs blink for the requested time, up to the limit of an operation", async () => {
    using ours = new Ours("rtl8168h");
    const before = ours.clock.now();
    await must(ours, "-p fe0 2");
    assert.ok(ours.clock.now() - before >= 2_000_000);
    assert.equal((await ours.ethtool("-p fe0 60")).exit, 255);
    assert.equal((await ours.ethtool("-p fe0 many")).exit, 1);
  });

  test("the cable test names each pair's fault and its distance", async () => {
    using ours = new Ours("rtl8125b");
    ours.model.setCarrier(false);
    ours.model.setCable([
      { pair: 1, state: "short", metres: 7.5 },
      { pair: 3, state: "mismatch", metres: 20 },
    ]);
    ours.settle();
    assert.deepEqual(await must(ours, "--cable-test fe0"), [
      "Cable test started for device fe0.",
      "Cable test completed for device fe0.",
      "Pair A code Open Circuit",
      "Pair A, fault length: 0.00m",
      "Pair B code Short within Pair",
      "Pair B, fault length: 7.50m",
      "Pair C code Open Circuit",
      "Pair C, fault length: 0.00m",
      "Pair D code Impedance mismatch",
      "Pair D, fault length: 20.00m",
    ]);
  });

  test("a reset keeps every setting", async () => {
    using ours = new Ours("rtl8168h");
    await must(ours, "-K fe0 rx off");
    await must(ours, "-C fe0 rx-usecs 100");
    await must(ours, "-s fe0 wol g");
    const shown = ["-k fe0", "-c fe0", "-g fe0", "fe0"];
    const before = await Promise.all(shown.map((each) => must(ours, each)));
    await must(ours, "--reset fe0 all");
    ours.settle();
    for (const [i, each] of shown.entries()) assert.deepEqual(await must(ours, each), before[i], each);
    assert.ok(before[3]!.includes("\tWake-on: g"));
  });
});
