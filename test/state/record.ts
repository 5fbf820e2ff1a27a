/**
 * Records the state in which Linux's r8169 leaves every chip that it supports, in one guest for each kernel: `node
 * test/state/record.ts [CHIP…]`.
 */
import { setTimeout as wait } from "node:timers/promises";
import { CHIPS, type Chip } from "#chip/chips.ts";
import type { Rtl8169 } from "#model/rtl8169.ts";
import { ManyNics } from "../conformance-guest/many-nics.ts";
import { bootOf } from "../guest/initrd.ts";
import { Guest } from "../guest/guest.ts";
import { type KernelName, versionsOf } from "../guest/parts.ts";
import { untilIdle } from "./until-idle.ts";
import { WITHOUT_LINK, writeRecording } from "./record-file.ts";
import { MAC, type Moment, type Snapshot, snapshot } from "./snapshot.ts";

/** Time limit for sixty NICs on one emulated processor. */
const LIMIT_MILLIS = 1_800_000;
/** MTU for chips without jumbo frames. */
const SHORT_MTU = 1400;
const DEFAULT_MTU = 1500;
/** Wake-up by magic packet, link, unicast, broadcast and multicast. */
const EVERY_FORM = "pumbg";
/** Time in D3hot: longer than the models take to become idle once all are suspended. */
const ASLEEP_SECONDS = 60;
const D3HOT = 3;

interface Card {
  readonly chip: Chip;
  readonly nic: Rtl8169;
  /** The interface's name in the guest. */
  readonly name: string;
  readonly mtu: number;
  readonly moments: Map<Moment, Snapshot>;
}

/** The NICs for which the guest's driver has created an interface. */
const cardsOf = async (guest: Guest, nics: ManyNics): Promise<readonly Card[]> => {
  const places = await guest.mustRun(
    "cd /sys/class/net; for i in eth*; do echo $i $(basename $(readlink $i/device)); done",
  );
  const links = JSON.parse(await guest.mustRun("ip -d -j link show")) as { ifname: string; max_mtu: number }[];
  return places
    .trim()
    .split("\n")
    .flatMap((line) => {
      const [name = "", place] = line.split(" ");
      const found = nics.nics.find((nic) => nic.place === place);
      if (found === undefined) return [];
      const maxMtu = links.find(({ ifname }) => ifname === name)!.max_mtu;
      return [{ ...found, name, mtu: maxMtu > DEFAULT_MTU ? maxMtu : SHORT_MTU, moments: new Map() }];
    });
};

/** Waits for the link. If the driver sees no link on this chip, waits as long as the other chips need for theirs. */
const carrier = ({ chip, name }: Card): string =>
  WITHOUT_LINK.some((key) => key === chip.key)
    ? "sleep 5"
    : `until [ "$(cat /sys/class/net/${name}/carrier)" = 1 ]; do sleep 0.1; done`;

/**
 * Commands that the guest executes for every NIC before the state at a moment is recorded. The NICs remain in that
 * state until all are recorded. For "suspended" the commands are executed before all NICs are suspended together.
 */
const STEPS: readonly (readonly [moment: Moment, command: (card: Card) => string])[] = [
  ["up", (card) => `ip link set ${card.name} up; ${carrier(card)}`],
  ["mtu", (card) => `ip link set ${card.name} mtu ${card.mtu}; ${carrier(card)}`],
  ["back", (card) => `ip link set ${card.name} mtu ${DEFAULT_MTU}; ${carrier(card)}`],
  ["suspended", ({ name }) => `ethtool -s ${name} wol ${EVERY_FORM}`],
  ["resumed", carrier],
  ["closed", ({ name }) => `ethtool -s ${name} wol d; ip link set ${name} down`],
];

const takeSnapshot = async (moment: Moment, cards: readonly Card[]): Promise<void> => {
  await untilIdle(cards.map(({ nic }) => nic));
  for (const { nic, moments } of cards) moments.set(moment, snapshot(nic));
  console.error(`${moment}: ${cards.length} chips`);
};

/** Records the NICs while the guest has suspended them. Resolves when the guest has resumed them. */
const takeSnapshotAsleep = async (guest: Guest, cards: readonly Card[]): Promise<void> => {
  const { awake } = await guest.suspendDevices(LIMIT_MILLIS);
  while (cards.some(({ nic }) => nic.powerState !== D3HOT)) await wait(100);
  await takeSnapshot("suspended", cards);
  if (cards.some(({ nic }) => nic.powerState !== D3HOT)) throw new Error("the guest resumed its cards too early");
  const { exit, stderr } = await awake;
  if (exit !== 0) throw new Error(`the guest did not suspend (exit code ${exit}): ${stderr}`);
};

/** Records the chips that this kernel's driver supports; returns the others. */
const record = async (kernel: KernelName, chips: readonly Chip[]): Promise<readonly Chip[]> => {
  using nics = new ManyNics(chips, undefined, MAC);
  // With these kernel parameters the guest's kernel sends no frames by itself, and keeps the devices suspended for
  // `ASLEEP_SECONDS`.
  await using guest = await Guest.boot({
    kernel,
    devices: nics.devices,
    append: ["ipv6.disable=1", `suspend.pm_test_delay=${ASLEEP_SECONDS}`],
  });
  await guest.mustRun("modprobe r8169", LIMIT_MILLIS);
  const cards = await cardsOf(guest, nics);
  await takeSnapshot("probed", cards);
  for (const [moment, command] of STEPS) {
    for (const card of cards) await guest.mustRun(command(card), LIMIT_MILLIS);
    await (moment === "suspended" ? takeSnapshotAsleep(guest, cards) : takeSnapshot(moment, cards));
  }
  await guest.mustRun("rmmod r8169", LIMIT_MILLIS);
  await takeSnapshot("removed", cards);
  const firmware = versionsOf("tools")["firmware-realtek"];
  const driver = `Linux ${bootOf(kernel).version}, r8169, firmware-realtek ${firmware}`;
  const command = "node test/state/record.ts";
  for (const { chip, mtu, moments } of cards) writeRecording("linux", chip, { driver, command, mtu, moments });
  for (const complaint of nics.complaints) console.error(complaint);
  return chips.filter((chip) => cards.every((card) => card.chip !== chip));
};

/** The kernels, oldest first. A chip is recorded under the oldest one that supports it. */
const BY_AGE: readonly KernelName[] = ["6.12", "newest"];

const wanted = process.argv.slice(2);
let chips: readonly Chip[] = (CHIPS as readonly Chip[]).filter(
  ({ key }) => wanted.length === 0 || wanted.includes(key),
);
for (const kernel of BY_AGE) if (chips.length > 0) chips = await record(kernel, chips);
console.error(`supported by none: ${chips.map(({ key }) => key).join(", ") || "–"}`);
