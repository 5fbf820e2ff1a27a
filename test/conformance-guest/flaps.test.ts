/** A cable that is unplugged and plugged under traffic, and every speed and duplex mode, selected at either end. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import type { LinkSpeed } from "#model/phy/link-partner.ts";
import { FAR, NEAR } from "../guest/rig.ts";
import { eventually } from "../rigs/eventually.ts";
import { answered } from "./echoes.ts";
import { onEachChip } from "./grid.ts";
import { linked } from "./linked.ts";
import { pace, serveStreams, stream } from "./streams.ts";

const FLAPS = 100;
/** iperf3's option for a duration longer than any test. */
const FOR_EVER = "-t 86400";
const BYTES = "2M";

interface Mode {
  readonly speed: LinkSpeed;
  readonly duplex: "half" | "full";
}

/** The modes that `ethtool` lists under a heading: "1000baseT/Full". */
const modesUnder = (heading: string, text: string): readonly Mode[] => {
  const list = new RegExp(`${heading}:((?:\\s+\\d+base\\S+)*)`).exec(text)?.[1] ?? "";
  return [...list.matchAll(/(\d+)base[^/\s]*\/(Half|Full)/g)].map(([, speed, duplex]) => ({
    speed: Number(speed) as LinkSpeed,
    duplex: duplex === "Half" ? "half" : "full",
  }));
};
const shown = ({ speed, duplex }: Mode): string => `${speed}/${duplex}`;

/**
 * Messages about modes that the kernel logs if the cable is unplugged between two of its register reads. After it has
 * read that the link is up, it either reads no abilities of the partner and reports a link without speed, or it reads
 * no negotiated speed and reports 10 Mbit/s.
 */
const PULLED_MEANWHILE = [
  /No phy led trigger registered for speed\(-1\)/,
  /Downshift occurred from .* to actual speed 10Mbps/,
];

onEachChip("flaps", { warnings: PULLED_MEANWHILE }, (bench) => {
  /** Waits until the guest has this link and traffic passes. */
  const works = async ({ speed, duplex }: Mode): Promise<void> => {
    const { guest } = bench().rig;
    await linked(guest, speed, duplex);
    await answered(guest, `-c 3 ${FAR.ipv4}`);
  };
  const supported = async (): Promise<readonly Mode[]> =>
    modesUnder("Supported link modes", await bench().rig.guest.mustRun(`ethtool ${NEAR.name}`));
  const carriers = async (): Promise<number> =>
    Number(await bench().rig.guest.mustRun(`cat /sys/class/net/${NEAR.name}/carrier_down_count`));
  /** Waits until frames have passed both ways. */
  const trafficPasses = async (): Promise<void> => {
    const { nic } = bench().rig;
    const before = (await nic.state()).traffic;
    await eventually("traffic both ways with the link up", async () => {
      const { sentFrames, receivedFrames } = (await nic.state()).traffic;
      return sentFrames > before.sentFrames && receivedFrames > before.receivedFrames;
    });
  };
  /** Waits until the driver has seen more than this number of link losses. */
  const awaitLosses = async (times: number): Promise<void> => {
    const count = `/sys/class/net/${NEAR.name}/carrier_down_count`;
    await bench().rig.guest.mustRun(`until [ $(cat ${count}) -gt ${times} ]; do sleep 0.01; done`);
  };

  test(`the cable is unplugged and plugged ${FLAPS} times under traffic both ways`, async (t) => {
    const { rig } = bench();
    const { guest, nic } = rig;
    await using _server = await serveStreams(rig);
    await using traffic = await guest.start(`iperf3 -c ${FAR.ipv4} -u --bidir -b 10M --forceflush ${FOR_EVER}`);
    // iperf3 opens a UDP stream with one datagram each way, and gives up if one is lost. The first report of a second
    // shows that the streams are open.
    await traffic.waitFor(/ sec /);
    const before = await carriers();
    for (let flap = 0; flap < FLAPS; flap++) {
      // In every second flap the cable is plugged in again only after the driver has noticed the loss. In the remaining
      // flaps it is plugged in again at once.
      const seen = flap % 2 === 1 ? await carriers() : undefined;
      await nic.ask({ command: "link", up: false });
      if (seen !== undefined) await awaitLosses(seen);
      await nic.ask({ command: "link", up: true });
      // Autonegotiation takes a while.
      await eventually("a link", async () => (await nic.state()).link.up);
      if (flap % 2 === 0) await trafficPasses();
      await sleep((flap * 7) % 40);
    }
    await rig.linked();
    await trafficPasses();
    const seen = (await carriers()) - before;
    // If the driver is delayed for longer than autonegotiation takes, it does not see the change.
    assert.ok(seen >= FLAPS / 2 && seen <= FLAPS, `the driver saw ${seen} flaps`);
    t.diagnostic(`the driver saw ${seen} flaps`);
  });

  test("afterwards nothing is lost", async (t) => {
    const { rig } = bench();
    await answered(rig.guest, `-c 50 ${FAR.ipv4}`);
    t.diagnostic(pace(await stream(rig, `-n ${BYTES}`)));
  });

  test("the link comes up in each mode of the chip if the partner supports only that mode", async (t) => {
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

  test("every mode links when the guest offers no other", async () => {
    const { guest } = bench().rig;
    for (const mode of await supported()) {
      await guest.mustRun(`ethtool -s ${NEAR.name} speed ${mode.speed} duplex ${mode.duplex} autoneg on`);
      await works(mode);
    }
  });

  test("in modes that do not need autonegotiation, the link comes up without autonegotiation", async () => {
    const { nic, guest } = bench().rig;
    for (const mode of (await supported()).filter(({ speed }) => speed <= 100)) {
      await nic.ask({
        command: "partner",
        abilities: { speeds: [mode.speed], duplex: mode.duplex, negotiates: false },
      });
      await guest.mustRun(`ethtool -s ${NEAR.name} speed ${mode.speed} duplex ${mode.duplex} autoneg off`);
      await works(mode);
    }
  });

  test("with all modes offered again, the fastest links", async () => {
    const { rig, cell } = bench();
    await rig.guest.mustRun(`ethtool -s ${NEAR.name} autoneg on`);
    await works({ speed: cell.chip.speed as LinkSpeed, duplex: "full" });
  });
});
