/**
 * Offloads of the chip, in every combination that the driver accepts: checksums, segmentation, scatter/gather, VLAN
 * tags. Each transfer uses its own port of the guest, by which its frames on the wire are identified.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { NEAR, type Rig } from "../guest/rig.ts";
import { onEachChip } from "./grid.ts";
import { LIMIT_MILLIS } from "../rigs/eventually.ts";
import { LANES, type Lane, makeLanes } from "./lanes.ts";
import { serveStreams } from "./streams.ts";
import { checkFrame, type CheckedFrame } from "./wire-check.ts";

const BYTES = 300_000;
const DATAGRAMS = 100;
/** Port on which the far end answers with a digest of what it receives. */
const DIGEST_PORT = 7000;
/** Port on which the far end sends the same file that the guest has. */
const SEND_PORT = 7001;
const FIRST_PORT = 20_000;

const onOff = [true, false] as const;
const word = (on: boolean): string => (on ? "on" : "off");

/**
 * Arguments of `ethtool -K`. The driver switches off what cannot be combined, such as segmentation without
 * scatter/gather.
 */
const FEATURES = [
  ...onOff.flatMap((checksum) =>
    onOff.flatMap((tso) =>
      onOff.map(
        (sg) => `rx ${word(checksum)} tx ${word(checksum)} sg ${word(sg)} tso ${word(tso)} txvlan on rxvlan on`,
      ),
    ),
  ),
  // VLAN tags in software in one or both directions, everything else in the chip.
  "rx on tx on sg on tso on txvlan off rxvlan off",
  "rx on tx on sg on tso on txvlan off rxvlan on",
  "rx on tx on sg on tso on txvlan on rxvlan off",
];
/** The combinations tested with datagrams, for which only the checksum offload makes a difference. */
const FOR_DATAGRAMS: readonly string[] = [FEATURES[0]!, FEATURES[7]!];

type Kind = "TCP from the guest" | "TCP to the guest" | "UDP from the guest";

interface Step {
  readonly title: string;
  /** The first of the two ports from which the guest may choose. */
  readonly port: number;
  readonly features: string;
  readonly lane: Lane;
  readonly to: string;
  readonly kind: Kind;
}

const kindsFor = (features: string): readonly Kind[] => {
  const streams = ["TCP from the guest", "TCP to the guest"] as const;
  return FOR_DATAGRAMS.includes(features) ? [...streams, "UDP from the guest"] : streams;
};

const STEPS: readonly Step[] = FEATURES.flatMap((features) =>
  LANES.flatMap((lane) =>
    [lane.ipv4, lane.ipv6].flatMap((to) => kindsFor(features).map((kind) => ({ features, lane, to, kind }))),
  ),
).map((step, i) => ({
  ...step,
  port: FIRST_PORT + 2 * i,
  title: `${step.kind} over ${step.to.includes(":") ? "IPv6" : "IPv4"}, ${step.lane.name}`,
}));

const COMMANDS: Readonly<Record<Kind, (to: string, port: number) => string>> = {
  "TCP from the guest": (to) => `nc -w 250 ${to} ${DIGEST_PORT} </tmp/data | cmp - /tmp/digest`,
  "TCP to the guest": (to) => `nc -w 250 ${to} ${SEND_PORT} </dev/null | cmp - /tmp/data`,
  "UDP from the guest": (to, port) =>
    `iperf3 -c ${to} --cport ${port} -u -b 4M -l 1100 -k ${DATAGRAMS} >/tmp/udp; grep -q '(0%) *receiver' /tmp/udp || { cat /tmp/udp; false; }`,
};

/**
 * The script of a transfer, which prints the title if the transfer fails. The script leaves the kernel a choice of two
 * local ports; a socket that connects gets the even one.
 */
const scriptOf = ({ kind, to, port, title }: Step): string => {
  const command = COMMANDS[kind](to, port).replaceAll("'", `'\\''`);
  const ports = `echo ${port} ${port + 1} >/proc/sys/net/ipv4/ip_local_port_range`;
  return `${ports}; timeout 280 sh -c '${command}' || echo "${title}"`;
};

const prepare = async (rig: Rig): Promise<void> => {
  await makeLanes(rig);
  // The receive buffer has room for all datagrams, even if their receiver is delayed.
  await rig.guest.mustRun("echo 8388608 >/proc/sys/net/core/rmem_default");
  // Without this setting, TCP would build super-frames of only two segments, because an emulated machine looks like a
  // slow network.
  await rig.guest.mustRun(
    `echo 40 >/proc/sys/net/ipv4/tcp_min_tso_segs; head -c ${BYTES} /dev/urandom >/tmp/data; sha256sum </tmp/data >/tmp/digest`,
  );
  // The far end is inside the guest, so both have the same files.
  await serveStreams(rig);
  for (const [port, program] of [
    [DIGEST_PORT, "sha256sum"],
    [SEND_PORT, "cat /tmp/data"],
  ] as const) {
    await rig.far.start(`exec nc -ll -p ${port} -e ${program}`);
    const listening = `:${port.toString(16).toUpperCase().padStart(4, "0")} [0-9A-F:]* 0A`;
    await rig.far.mustRun(`until grep -qs '${listening}' /proc/net/tcp /proc/net/tcp6; do sleep 0.05; done`);
  }
};

onEachChip("offloads", { far: "inside", capture: true, prepare }, (bench) => {
  for (const features of FEATURES)
    test(`streams arrive intact with ${features}`, async (t) => {
      const { rig } = bench();
      await rig.guest.run(`ethtool -K ${NEAR.name} ${features}`);
      const set = await rig.guest.mustRun(`ethtool -k ${NEAR.name}`);
      const now = (name: string): string => new RegExp(`^\\s*${name}: (.*)$`, "m").exec(set)?.[1] ?? "?";
      t.diagnostic(
        `checksums ${now("tx-checksumming")}, scatter/gather ${now("scatter-gather")}, segmentation ${now("tcp-segmentation-offload")}`,
      );
      const script = STEPS.filter((step) => step.features === features).map(scriptOf);
      assert.equal(await rig.guest.mustRun(script.join("\n"), 10 * LIMIT_MILLIS), "");
    });

  test("every frame on the wire is correct: tags, length, checksums", async () => {
    const frames = (await bench().rig.frames()).map(checkFrame);
    const wrong = frames.filter(({ faults }) => faults.length > 0);
    assert.deepEqual(
      wrong.map(({ faults, sent }) => `${sent ? "sent" : "received"}: ${faults.join()}`),
      [],
    );
    const byPort = new Map<number, CheckedFrame[]>();
    for (const frame of frames) {
      const port = frame.sent ? frame.source : frame.destination;
      const others = byPort.get(port);
      if (others === undefined) byPort.set(port, [frame]);
      else others.push(frame);
    }
    for (const { title, features, kind, lane, port } of STEPS) {
      const mine = byPort.get(port) ?? [];
      const where = `${title}, with ${features}`;
      const sends = kind !== "TCP to the guest";
      const carried = mine.filter(({ sent }) => sent === sends).reduce((sum, { bytes }) => sum + bytes.length, 0);
      assert.ok(
        carried > (kind === "UDP from the guest" ? DATAGRAMS * 1100 : BYTES),
        `${where}: only ${carried} bytes were sent`,
      );
      for (const { tags, bytes } of mine) {
        assert.deepEqual(
          tags.map(([type, control]) => [type, control & 0xfff]),
          lane.tags,
          where,
        );
        assert.ok(bytes.length <= 1514 + 4 * tags.length, `${where}: a frame has ${bytes.length} bytes`);
      }
    }
  });
});
