/** A cable that comes and goes under traffic, and every speed and duplex mode, chosen by either end. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import type { LinkSpeed } from "#model/link-partner.ts";
import { FAR, NEAR } from "../guest/rig.ts";
import { answered } from "./echoes.ts";
import { onEachChip } from "./grid.ts";
import { linked } from "./linked.ts";

const FLAPS = 100;
const TRAFFIC_SECONDS = 170;
/** For how long a flap waits until frames pass both ways again. */
const TRAFFIC_LIMIT = 5_000;

interface Mode {
  readonly speed: LinkSpeed;
  readonly duplex: "half" | "full";
}

/** Those that `ethtool` lists under a heading: "1000baseT/Full". */
const modesUnder = (heading: string, text: string): readonly Mode[] => {
  const list = new RegExp(`${heading}:((?:\\s+\\d+base\\S+)*)`).exec(text)?.[1] ?? "";
  return [...list.matchAll(/(\d+)base[^/\s]*\/(Half|Full)/g)].map(([, speed, duplex]) => ({
    speed: Number(speed) as LinkSpeed,
    duplex: duplex === "Half" ? "half" : "full",
  }));
};
const shown = ({ speed, duplex }: Mode): string => `${speed}/${duplex}`;

/**
 * The cable goes just when the kernel reads one register after the other: it has found the link up, and then finds nothing of
 * what the partner offers, and takes it to be up at no speed; or no speed that was settled on, and takes that for 10 Mbit/s.
 */
const PULLED_MEANWHILE = [
  /No phy led trigger registered for speed\(-1\)/,
  /Downshift occurred from .* to actual speed 10Mbps/,
];

onEachChip("flaps", { warnings: PULLED_MEANWHILE, limitMillis: 400_000 }, (bench) => {
  /** Waits until the guest has the link so, and uses it. */
  const works = async ({ speed, duplex }: Mode): Promise<void> => {
    const { guest } = bench().rig;
    await linked(guest, speed, duplex);
    await answered(guest, `-c 3 -i 0.02 ${FAR.ipv4}`);
  };
  const supported = async (): Promise<readonly Mode[]> =>
    modesUnder("Supported link modes", await bench().rig.guest.must(`ethtool ${NEAR.name}`));
  const carriers = async (): Promise<number> =>
    Number(await bench().rig.guest.must(`cat /sys/class/net/${NEAR.name}/carrier_down_count`));
  /** Waits until frames have passed both ways. */
  const trafficPasses = async (): Promise<void> => {
    const { nic } = bench().rig;
    const before = (await nic.state()).traffic;
    for (const limit = Date.now() + TRAFFIC_LIMIT; ; await sleep(5)) {
      const { sentFrames, receivedFrames } = (await nic.state()).traffic;
      if (sentFrames > before.sentFrames && receivedFrames > before.receivedFrames) return;
      assert.ok(Date.now() < limit, `no traffic both ways in ${TRAFFIC_LIMIT} ms after the link was up`);
    }
  };
  const stopTraffic = async (): Promise<void> => {
    await bench().rig.guest.must("kill $(cat /tmp/traffic)");
  };

  test(`${FLAPS} times the cable is pulled and put back under traffic both ways`, { timeout: 200_000 }, async (t) => {
    const { guest, far, nic } = bench().rig;
    await far.must("iperf3 -s -D -1; sleep 0.3");
    await guest.must(
      `iperf3 -c ${FAR.ipv4} -u --bidir -b 10M -t ${TRAFFIC_SECONDS} >/tmp/iperf 2>&1 & echo $! >/tmp/traffic; sleep 1`,
    );
    const before = await carriers();
    const start = (await nic.state()).traffic;
    for (let flap = 0; flap < FLAPS; flap++) {
      await nic.ask({ command: "link", up: false });
      await nic.ask({ command: "link", up: true });
      // Both ends negotiate for a while.
      while (!(await nic.state()).link.up) await sleep(10);
      // Every other time at any moment, which may be before the driver has noticed; otherwise amid frames.
      if (flap % 2 === 0) await trafficPasses();
      await sleep((flap * 7) % 40);
    }
    const end = (await nic.state()).traffic;
    const [sent, received] = [end.sentFrames - start.sentFrames, end.receivedFrames - start.receivedFrames];
    await bench().rig.carrier(true);
    const seen = (await carriers()) - before;
    // A guest that is held up for longer than a negotiation takes finds the link as it was.
    assert.ok(seen > 0.9 * FLAPS && seen <= FLAPS, `the driver saw ${seen} flaps`);
    await stopTraffic();
    assert.ok(sent >= FLAPS / 2 && received >= FLAPS / 2, `${sent} frames sent, ${received} received`);
    t.diagnostic(`${sent} frames sent, ${received} received between them; the driver saw ${seen} flaps`);
  });

  test("after which nothing is lost or slow", async (t) => {
    const { guest, far } = bench().rig;
    await answered(guest, `-c 50 -i 0.01 ${FAR.ipv4}`);
    await far.must("iperf3 -s -D -1; sleep 0.3");
    const text = await guest.must(`iperf3 -J -c ${FAR.ipv4} -t 1`, 60_000);
    const { bits_per_second: rate } = (JSON.parse(text) as { end: { sum_received: { bits_per_second: number } } }).end
      .sum_received;
    assert.ok(rate > 1e6);
    t.diagnostic(`TCP at ${(rate / 1e6).toFixed(0)} Mbit/s`);
  });

  test("every mode the chip has comes up with a partner that has no other", async (t) => {
    const { rig, cell } = bench();
    const modes = await supported();
    for (const duplex of ["half", "full"] as const)
      for (const speed of [10, 100] as const)
        assert.ok(
          modes.some((mode) => mode.speed === speed && mode.duplex === duplex),
          `no ${speed} ${duplex}`,
        );
    assert.equal(Math.max(...modes.map(({ speed }) => speed)), cell.chip.speed);
    for (const { speed, duplex } of modes) {
      await rig.nic.ask({ command: "partner", abilities: { speeds: [speed], duplex } });
      await works({ speed, duplex });
    }
    t.diagnostic(modes.map(shown).join(", "));
  });

  test("every mode comes up when the guest offers no other", async () => {
    const { nic, guest } = bench().rig;
    await nic.ask({ command: "partner", abilities: {} });
    for (const mode of await supported()) {
      await guest.must(`ethtool -s ${NEAR.name} speed ${mode.speed} duplex ${mode.duplex} autoneg on`);
      await works(mode);
    }
  });

  test("what does not need negotiating comes up without", async () => {
    const { nic, guest } = bench().rig;
    for (const mode of (await supported()).filter(({ speed }) => speed <= 100)) {
      await nic.ask({
        command: "partner",
        abilities: { speeds: [mode.speed], duplex: mode.duplex, negotiates: false },
      });
      await guest.must(`ethtool -s ${NEAR.name} speed ${mode.speed} duplex ${mode.duplex} autoneg off`);
      await works(mode);
    }
  });

  test("with everything offered again, the fastest comes up", async () => {
    const { rig, cell } = bench();
    await rig.nic.ask({ command: "partner", abilities: {} });
    await rig.guest.must(`ethtool -s ${NEAR.name} autoneg on`);
    await works({ speed: cell.chip.speed as LinkSpeed, duplex: "full" });
  });
});
