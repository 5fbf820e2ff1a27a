/**
 * Verifies what ethtool shows and sets: counters (by comparison with the wire), interrupt delays, autonegotiation,
 * pause.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Chip } from "#chip/chips.ts";
import { Direction } from "#wire/pcapng.ts";
import { FAR, NEAR, type Rig } from "../guest/rig.ts";
import { eventually } from "../rigs/eventually.ts";
import { answered } from "./echoes.ts";
import { onEachChip } from "./grid.ts";
import { setNeighbours } from "./neighbours.ts";
import { stream } from "./streams.ts";

const ETH = NEAR.name;
const DAMAGED = 7;
const BROADCAST_IPV4 = "10.9.0.255";
/**
 * Largest number of rounds of echoes without an interrupt delay. Even on a busy machine, at least one of so many echoes
 * takes less time than the delay that is set later.
 */
const ROUNDS = 50;
/** The interrupt delay that the test sets, in microseconds. */
const MICROS = 9000;

const multigigabit = (chip: Chip): boolean => chip.profile.registers.includes("multigigabit");
/** Dies on which the driver offers Energy-Efficient Ethernet: all from the 8168E-VL on. */
const saves = (chip: Chip): boolean => chip.profile.wake.magic !== "config3";

type Numbers = Readonly<Record<string, number>>;

const countersOf = async (rig: Rig): Promise<Numbers> => {
  const text = await rig.guest.mustRun(`ethtool -S ${ETH}`);
  return Object.fromEntries([...text.matchAll(/^\s+(\w+): (\d+)$/gm)].map(([, name, value]) => [name!, Number(value)]));
};

/** The kernel's own counters. */
const statisticsOf = async (rig: Rig): Promise<Numbers> => {
  const text = await rig.guest.mustRun(`cd /sys/class/net/${ETH}/statistics; grep . *`);
  return Object.fromEntries([...text.matchAll(/^(\w+):(\d+)$/gm)].map(([, name, value]) => [name!, Number(value)]));
};

interface Counts {
  /** Number of frames that have crossed the wire. */
  readonly frames: number;
  readonly chip: Numbers;
  readonly kernel: Numbers;
}

/**
 * All counters at one moment, between two frames: the last frame is an echo reply, so the kernel has processed all
 * frames before it. They are read again if another frame has passed meanwhile, because the far end sends a frame of its
 * own now and then.
 */
const countsOf = async (rig: Rig): Promise<Counts> => {
  return eventually("a moment without other frames", async () => {
    const before = await rig.crossed();
    await rig.guest.mustRun(`ping -q -c 1 -W 60 ${FAR.ipv4}`);
    const [chip, kernel] = [await countersOf(rig), await statisticsOf(rig)];
    const frames = await rig.crossed();
    return frames === before + 2 && { frames, chip, kernel };
  });
};

const difference = (now: Numbers, before: Numbers): Numbers =>
  Object.fromEntries(Object.entries(now).map(([name, value]) => [name, value - before[name]!]));

/** The log entry of each damaged frame. */
const SAID_OF_DAMAGE = /Rx ERROR. status/;

onEachChip("ethtool", { capture: true, warnings: [SAID_OF_DAMAGE] }, (bench) => {
  const show = (what: string): Promise<string> => bench().rig.guest.mustRun(`ethtool ${what} ${ETH}`);

  test("-i and -P show the driver, its firmware, the bus and the card's permanent address", async () => {
    const { rig, cell } = bench();
    const text = await show("-i");
    assert.match(text, /^driver: r8169$/m);
    assert.match(text, /^supports-statistics: yes$/m);
    assert.equal(/^firmware-version: \S/m.test(text), cell.chip.firmware !== undefined, text);
    assert.match(await show("-P"), new RegExp((await rig.nic.state()).mac));
  });

  test("-S counts exactly the frames that crossed the wire, and the kernel counts the same", async (t) => {
    const { rig } = bench();
    const { guest, far, nic } = rig;
    const mac = (await nic.state()).mac.replaceAll(":", "");
    // Accepts all multicast groups, so that the test knows which frames to expect.
    await guest.mustRun(`ip link set ${ETH} allmulticast on`);
    const before = await countsOf(rig);
    const groups = (await nic.state()).counters.rxMulticast;
    await guest.run(`ethtool -K ${ETH} sg on tso on`);
    await stream(rig, "-n 2M");
    await answered(guest, `-c 20 -s 3000 ${FAR.ipv4}`);
    await answered(guest, `-c 5 ${FAR.ipv6}`);
    await answered(far, `-c 20 ${NEAR.ipv4}`);
    // No reply is sent to these requests.
    await far.run(
      `ping -q -c 3 -i 0.01 -W 0.1 -b ${BROADCAST_IPV4}; ping -q -c 4 -i 0.01 -W 0.1 -I ${FAR.name} 224.0.0.1`,
    );
    await eventually("multicast frames", async () => {
      await far.run(`ping -q -c 2 -i 0.01 -W 0.1 -I ${FAR.name} ff02::1`);
      return (await nic.state()).counters.rxMulticast - groups > 5;
    });
    const now = await countsOf(rig);
    const seen = (await rig.frames()).slice(before.frames, now.frames);
    const sent = seen.filter(({ direction }) => direction === Direction.outbound);
    const kinds = { unicast: 0, broadcast: 0, multicast: 0 };
    let bytes = 0;
    for (const { direction, bytes: frame } of seen) {
      if (direction === Direction.outbound) continue;
      const to = Buffer.from(frame.subarray(0, 6)).toString("hex");
      const kind =
        to === mac ? "unicast" : to === "ffffffffffff" ? "broadcast" : frame[0]! & 1 ? "multicast" : undefined;
      if (kind === undefined) continue;
      kinds[kind]++;
      // Short frames are padded by the sender.
      bytes += Math.max(60, frame.length);
    }
    assert.ok(kinds.unicast > 100 && kinds.broadcast > 2 && kinds.multicast > 5, JSON.stringify(kinds));
    const packets = kinds.unicast + kinds.broadcast + kinds.multicast;
    const { align_errors: _, ...counted } = difference(now.chip, before.chip);
    assert.deepEqual(counted, {
      tx_packets: sent.length,
      rx_packets: packets,
      tx_errors: 0,
      rx_errors: 0,
      rx_missed: 0,
      tx_single_collisions: 0,
      tx_multi_collisions: 0,
      ...kinds,
      tx_aborted: 0,
      tx_underrun: 0,
    });
    const { rx_packets, rx_bytes, multicast } = difference(now.kernel, before.kernel);
    assert.deepEqual(
      { rx_packets, rx_bytes, multicast },
      { rx_packets: packets, rx_bytes: bytes, multicast: kinds.multicast },
    );
    await guest.mustRun(`ip link set ${ETH} allmulticast off; ethtool -K ${ETH} sg off tso off`);
    t.diagnostic(`${sent.length} frames out, ${packets} in`);
  });

  test("-S counts damaged frames as errors; the kernel receives them only on request", async () => {
    const { rig } = bench();
    await using _quiet = await setNeighbours(rig);
    for (const [setting, given] of [
      ["off", 0],
      ["on", DAMAGED],
    ] as const) {
      await rig.guest.mustRun(`ethtool -K ${ETH} rx-all ${setting}`);
      const [counters, statistics] = [await countersOf(rig), await statisticsOf(rig)];
      await rig.nic.ask({ command: "wire", name: "crc", directions: ["in"], count: DAMAGED });
      await rig.far.run(`ping -q -c ${DAMAGED} -i 0.02 -W 0.1 -b ${BROADCAST_IPV4}`);
      // This echo arrives after all damaged frames.
      await answered(rig.guest, `-c 1 ${FAR.ipv4}`);
      const chip = difference(await countersOf(rig), counters);
      const kernel = difference(await statisticsOf(rig), statistics);
      assert.deepEqual([chip["rx_errors"], chip["broadcast"]], [DAMAGED, 0], `rx-all ${setting}`);
      assert.deepEqual([kernel["rx_errors"], kernel["rx_crc_errors"]], [given, given], `rx-all ${setting}`);
    }
    await rig.guest.mustRun(`ethtool -K ${ETH} rx-all off`);
  });

  test("-k and -K switch features off and on", async () => {
    const { guest } = bench().rig;
    const text = await show("-k");
    const changeable = [...text.matchAll(/^\t?([a-z0-9-]+): (on|off)( \[requested \w+\])?$/gm)].map(
      ([, name]) => name!,
    );
    const wanted = ["rx-checksumming", "tx-checksum-ipv4", "rx-vlan-offload", "tx-vlan-offload", "rx-all", "rx-fcs"];
    for (const name of wanted.filter((name) => changeable.includes(name)))
      for (const value of ["off", "on", "off", "on"]) {
        await guest.mustRun(`ethtool -K ${ETH} ${name === "rx-checksumming" ? "rx" : name} ${value}`);
        assert.match(await show("-k"), new RegExp(`^\\t?${name}: ${value}`, "m"));
        await answered(guest, `-c 2 ${FAR.ipv4}`);
      }
    await guest.run(`ethtool -K ${ETH} rx-all off; ethtool -K ${ETH} rx-fcs off`);
  });

  test("-a and -A: pause is negotiated again, and both ends agree", async (t) => {
    const { rig, cell } = bench();
    if (cell.kernel === "5.10") return t.skip("the driver of Linux 5.10 does not offer it");
    for (const [asked, expected] of [
      ["rx off tx off", false],
      ["rx on tx on", true],
    ] as const) {
      await rig.guest.mustRun(`ethtool -A ${ETH} ${asked}`);
      await eventually(`a link with pause ${asked}`, async () => {
        const { link } = await rig.nic.state();
        return link.up && link.receivePause === expected && link.transmitPause === expected;
      });
      const word = expected ? "on" : "off";
      await rig.guest.mustRun(`until ethtool -a ${ETH} | grep -q 'RX negotiated: ${word}'; do sleep 0.1; done`);
      await rig.linked();
    }
  });

  test("-c and -C: interrupts are delayed for the time set, where the driver supports it", async (t) => {
    const { rig, cell } = bench();
    const { guest } = rig;
    if (multigigabit(cell.chip)) {
      assert.notEqual((await guest.run(`ethtool -c ${ETH}`)).exit, 0);
      return t.skip("the driver does not offer it for this chip");
    }
    // At 10 Mbit/s the unit of interrupt delays is long, so the interrupt delay can be distinguished from an emulated
    // machine's own delays.
    await rig.nic.ask({ command: "partner", abilities: { speeds: [10] } });
    await guest.mustRun(`until ethtool ${ETH} | grep -q 'Speed: 10Mb/s'; do sleep 0.1; done`);
    // Sorted round-trip times in microseconds. A reply waits for the delayed interrupt, but for less than the whole
    // delay if the interrupt of an earlier frame is due.
    const measure = async (): Promise<readonly number[]> => {
      await guest.mustRun(`ping -q -c 2 -i 0.01 ${FAR.ipv4}`);
      const text = await rig.far.mustRun(`ping -c 50 -i 0.03 -w 250 ${NEAR.ipv4}`);
      const times = [...text.matchAll(/ time=([\d.]+) ms/g)].map(([, millis]) => Math.round(Number(millis) * 1000));
      assert.ok(times.length >= 50, text);
      return times.toSorted((one, other) => one - other);
    };
    try {
      let prompt = Infinity;
      for (let round = 0; prompt >= MICROS && round < ROUNDS; round++) prompt = (await measure())[0]!;
      await guest.mustRun(`ethtool -C ${ETH} rx-usecs ${MICROS} tx-usecs ${MICROS} rx-frames 60 tx-frames 60`);
      const set = Number(/^rx-usecs:\s+(\d+)$/m.exec(await show("-c"))![1]);
      assert.ok(set >= MICROS && set < 30_000, `${set}`);
      const patient = (await measure())[25]!;
      t.diagnostic(
        `the quickest of 50 echoes ${prompt} µs; median ${patient} µs or more with an interrupt delay of ${set} µs`,
      );
      assert.ok(
        prompt < MICROS && patient >= set,
        `echoes took ${prompt} µs without a delay, and ${patient} µs with one`,
      );
      await guest.mustRun(`ethtool -C ${ETH} rx-usecs 0 tx-usecs 0 rx-frames 0 tx-frames 0`);
    } finally {
      await rig.nic.ask({ command: "partner", abilities: {} });
      await guest.mustRun(`until ethtool ${ETH} | grep -q 'Speed: ${cell.chip.speed}Mb/s'; do sleep 0.1; done`);
    }
  });

  test("-g shows the rings, whose sizes are fixed", async (t) => {
    if (bench().cell.kernel === "5.10") return t.skip("the driver of Linux 5.10 does not offer it");
    const text = await show("-g");
    assert.deepEqual(
      [...text.matchAll(/^(RX|TX):\s+(\d+)$/gm)].map(([, , size]) => size),
      ["256", "256", "256", "256"],
    );
  });

  test("-d dumps the registers: MAC address, identification, transmitter and receiver enabled", async () => {
    const { rig, cell } = bench();
    const { bytes } = await rig.guest.run(`ethtool -d ${ETH} raw on`);
    assert.equal(bytes.length, 256);
    assert.equal(bytes.toString("hex", 0, 6), (await rig.nic.state()).mac.replaceAll(":", ""));
    assert.equal((bytes.readUInt32LE(0x40) >>> 20) & cell.chip.mask, cell.chip.xid);
    assert.equal(bytes[0x37]! & 0x0c, 0x0c);
  });

  test("-s: wake-up and message level are stored, and fewer speeds are advertised", async () => {
    const { rig, cell } = bench();
    for (const wol of ["p", "u", "m", "b", "g", "pumbg", "d"]) {
      await rig.guest.mustRun(`ethtool -s ${ETH} wol ${wol}`);
      const shown = /^\s*Wake-on: (\S+)$/m.exec(await show(""))![1]!;
      assert.deepEqual(new Set(shown), new Set(wol));
    }
    await rig.guest.mustRun(`ethtool -s ${ETH} advertise 0x8`);
    await rig.guest.mustRun(`until ethtool ${ETH} | grep -q 'Speed: 100Mb/s'; do sleep 0.1; done`);
    assert.equal((await rig.nic.state()).link.speed, 100);
    await rig.guest.mustRun(`ethtool -s ${ETH} autoneg on advertise 0x8000000002f`);
    await rig.guest.run(`ethtool -s ${ETH} speed ${cell.chip.speed} duplex full autoneg on`);
    await rig.guest.mustRun(`until ethtool ${ETH} | grep -q 'Speed: ${cell.chip.speed}Mb/s'; do sleep 0.1; done`);
  });

  test("-r restarts autonegotiation", async () => {
    const { rig } = bench();
    const links = (): number => rig.nic.output.split("\n").filter((line) => line.includes('"event":"link"')).length;
    await rig.carrier(true);
    const before = links();
    await rig.guest.mustRun(`ethtool -r ${ETH}`);
    await eventually("the link went down and up", () => links() >= before + 2);
    assert.equal(links(), before + 2);
    await rig.carrier(true);
    await answered(rig.guest, `-c 2 ${FAR.ipv4}`);
  });

  test("-t: the driver reports that it has no self-test", async () => {
    const { exit, stderr, stdout } = await bench().rig.guest.run(`ethtool -t ${ETH}`);
    assert.notEqual(exit, 0);
    assert.match(stderr + stdout, /not supported/i);
  });

  test("--show-eee and --set-eee: both ends negotiate EEE on and off", async (t) => {
    const { rig, cell } = bench();
    const first = await rig.guest.run(`ethtool --show-eee ${ETH}`);
    if (first.exit !== 0) {
      assert.ok(!saves(cell.chip), first.stderr);
      return t.skip("the driver has no EEE for this chip");
    }
    if (first.stdout.includes("EEE status: not supported")) {
      assert.ok(cell.chip.key === "rtl8168h" && cell.kernel === "newest", first.stdout);
      return t.skip("Linux 7 keeps EEE off on this chip");
    }
    // On the RTL8125A Linux does not use EEE at 2500 Mbit/s, and neither does the vendor's driver.
    if (cell.chip.key === "rtl8125a") await rig.guest.mustRun(`ethtool -s ${ETH} speed 1000 duplex full autoneg on`);
    for (const on of ["off", "on"] as const) {
      await rig.guest.mustRun(`ethtool --set-eee ${ETH} eee ${on}`);
      const wanted = on === "on" ? "enabled - active" : "disabled";
      await rig.guest.mustRun(`until ethtool --show-eee ${ETH} | grep -q 'EEE status: ${wanted}'; do sleep 0.1; done`);
      await rig.linked();
      await answered(rig.guest, `-c 2 ${FAR.ipv4}`);
    }
  });
});
