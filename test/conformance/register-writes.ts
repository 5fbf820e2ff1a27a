/**
 * Records every register write of the driver, from probe to removal, while each of its features is used, and what the
 * features report. `register-writes.json` has a digest of these records for each feature and configuration. The digests
 * reveal accidental changes of a value, a register, an order or a wait. `node test/conformance/register-writes.ts`
 * rewrites the file after a deliberate change. With the name of a configuration, such as a chip's key, it prints the
 * records themselves, to be compared with those of another version by diff.
 */
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { CHIPS } from "#chip/chips.ts";
import { ASPM_POLICIES } from "#driver/aspm.ts";
import type { Operation } from "#driver/operation.ts";
import { WAKE_FORMS } from "#driver/wake.ts";
import type { VirtualClock } from "#kit/clock.ts";
import { FerruleError } from "#kit/errors.ts";
import { LINK_SPEEDS, partnerOf } from "#model/phy/link-partner.ts";
import { type Alterations, Altered } from "../rigs/altered.ts";
import { type DirectRig, type DirectRigOptions, openDirectRig } from "../rigs/direct.ts";
import { ends, payload, udp } from "../rigs/frames.ts";

export const RECORDED = join(import.meta.dirname, "register-writes.json");

const STRANGER = Uint8Array.of(2, 0, 0, 0, 0, 0x77);
const GROUPS = [Uint8Array.of(1, 0, 0x5e, 0, 0, 1), Uint8Array.of(0x33, 0x33, 0, 0, 0, 0xfb)];

/** Records what a feature reports besides its writes. */
type Note = (what: unknown) => void;

const settle = (rig: DirectRig): void => {
  rig.pass(20_000);
  rig.poll();
};
const carryOut = <T>(rig: DirectRig, operation: Operation<T>): T => {
  for (;;) {
    const step = operation.next();
    if (step.done === true) return step.value;
    rig.pass(step.value);
  }
};
/** The result of `act`, or the code of the error with which the driver rejects the call. */
const attempt = <T>(act: () => T): T | string => {
  try {
    return act();
  } catch (error) {
    if (error instanceof FerruleError) return error.code;
    throw error;
  }
};

const start = (rig: DirectRig, note: Note): void => {
  rig.up();
  settle(rig);
  rig.send(udp(ends(), payload(100)));
  rig.deliver(udp(ends({ inbound: true }), payload(100)));
  note(rig.poll().length);
  const { nic } = rig;
  note([nic.link, nic.phy.id, nic.phy.settings, nic.phy.report(), nic.phy.statistics(), nic.offloads, nic.slots]);
  note([
    nic.wake.supported,
    nic.wake.fromPowerOff,
    nic.permanentAddress,
    nic.firmware,
    nic.eeprom().next().value,
    nic.tally(),
  ]);
};

const link = (rig: DirectRig, note: Note): void => {
  const { phy } = rig.nic;
  const { advertise } = phy.settings;
  for (const change of [
    { autonegotiate: false, speed: 10, fullDuplex: false },
    { speed: 100, fullDuplex: false },
    { fullDuplex: true },
    { autonegotiate: true },
    ...(["preferred-master", "forced-slave", "forced-master", "preferred-slave"] as const).map((masterSlave) => ({
      masterSlave,
    })),
    ...(["mdi", "mdix", "auto"] as const).map((crossover) => ({ crossover })),
    { downshift: false },
    { downshift: true },
    { fastRetrain: true },
    { fastRetrain: false },
    ...advertise.map((name) => ({ advertise: [name] })),
    { advertise },
    { speed: 10_000 },
    { speed: 1000 },
  ]) {
    note(attempt(() => phy.set(change)));
    settle(rig);
    note([rig.nic.link, phy.report()]);
  }
  for (const [receive, transmit] of [
    [false, false],
    [true, false],
    [false, true],
    [true, true],
  ] as const) {
    note(attempt(() => phy.setPause({ receive, transmit })));
    settle(rig);
    note([rig.nic.link.pause, phy.report().advertisedPause]);
  }
  for (const speed of [...LINK_SPEEDS, rig.nic.chip.speed] as const) {
    rig.setCarrier(false);
    settle(rig);
    rig.model.setCarrier(true, partnerOf({ speeds: [speed as (typeof LINK_SPEEDS)[number]] }));
    settle(rig);
    note([rig.nic.link, phy.report()]);
  }
  rig.model.setCarrier(false);
  rig.model.setCarrier(true);
  settle(rig);
  note(attempt(() => phy.restart()));
  settle(rig);
  note(phy.statistics());
};

const powerSaving = (rig: DirectRig, note: Note): void => {
  const saving = rig.nic.powerSaving;
  const { supported } = saving.eee;
  for (const change of [
    { enabled: false },
    { enabled: true },
    { txLpi: false },
    { txLpi: true },
    { txLpiTimer: 20 },
    { txLpiTimer: undefined },
    ...supported.map((name) => ({ advertise: [name] })),
    { advertise: supported },
  ]) {
    note(attempt(() => saving.setEee(change)));
    settle(rig);
    note(saving.eee);
  }
  for (const on of [true, false]) {
    note([attempt(() => saving.setAldps(on)), saving.aldps]);
    note([attempt(() => saving.setGigaLite(on)), saving.gigaLite]);
    settle(rig);
  }
};

const moderation = (rig: DirectRig, note: Note): void => {
  const limits = rig.nic.moderation;
  for (const [micros, frames, sent] of [
    [5, 0, 100],
    [60, 8, 0],
    [300, 0, 2000],
    [0, 0, 0],
  ] as const)
    note(
      attempt(() =>
        limits.set({ receive: { micros, frames }, transmit: { micros: sent, frames: frames && frames * 2 } }),
      ),
    );
  for (const on of [true, false]) note([attempt(() => limits.setAdaptive(on)), limits.adaptive, limits.actual]);
};

const leds = (rig: DirectRig, note: Note): void => {
  const lamps = rig.nic.leds;
  note([lamps.count, lamps.speeds, lamps.rules, lamps.pattern]);
  for (let led = 0; led < lamps.count; led++)
    for (const speed of lamps.speeds) {
      lamps.set(led, { speeds: [speed], activity: led % 2 === 1 });
      note(lamps.rules);
    }
  for (const pattern of [1, 2]) note([attempt(() => lamps.setPattern(pattern)), lamps.pattern]);
  note(attempt(() => carryOut(rig, lamps.identify(1.25))));
};

const filter = (rig: DirectRig, note: Note): void => {
  const { nic } = rig;
  for (const change of [
    { groups: [] },
    { groups: GROUPS },
    { promiscuous: true },
    { addresses: [STRANGER] },
    { damaged: true, fcs: true },
    {},
  ]) {
    nic.filter = { promiscuous: false, groups: "all", ...change };
    rig.deliver(udp(ends({ inbound: true }), payload(200)));
    note(rig.poll().map(({ length }) => length));
  }
  for (const checksum of [false, true])
    for (const stripTag of [false, true]) nic.receiveOffloads.set({ checksum, stripTag });
  nic.address = STRANGER;
  note(nic.address);
};

const restarts = (rig: DirectRig, note: Note): void => {
  const { nic } = rig;
  for (const mtu of [nic.chip.largestMtu, 2000, 1400]) {
    note([attempt(() => void nic.setMtu(mtu)), nic.offloads]);
    settle(rig);
    note(nic.link);
  }
  nic.setRings(nic.slots / 2);
  settle(rig);
  nic.reset();
  settle(rig);
  nic.restartPhy();
  settle(rig);
  note(nic.link);
};

const aspm = (rig: DirectRig, note: Note): void => {
  for (const policy of [...ASPM_POLICIES, "auto"] as const) {
    note([attempt(() => rig.nic.aspm.set(policy, true)), rig.nic.aspm.state]);
    rig.nic.reset();
    settle(rig);
  }
};

const sleep = (rig: DirectRig, note: Note): void => {
  const { nic } = rig;
  for (const forms of [[], ...WAKE_FORMS.map((form) => [form]), WAKE_FORMS, []]) {
    note([attempt(() => (nic.wake.armed = forms)), nic.wake.armed]);
    nic.power.suspend();
    rig.pass(20_000);
    note([nic.power.resume().woken, nic.power.asleep]);
    settle(rig);
  }
};

const checks = (rig: DirectRig, note: Note): void => {
  const { nic } = rig;
  for (let checks = 0; checks < 4; checks++) {
    rig.pass(1_000_000);
    note(nic.checkHealth());
  }
  note(carryOut(rig, nic.selfTest(false)));
  note(carryOut(rig, nic.selfTest(true)));
  settle(rig);
  note([nic.link, nic.expiredWaits, nic.health.fifoOverflows, nic.health.ringsExhausted, nic.tally()]);
};

const queues = (rig: DirectRig, note: Note): void => {
  const { rss } = rig.nic;
  if (rss === undefined) return;
  note(rss.settings);
  rss.set({ table: rss.spread(1) });
  rss.set({ key: Uint8Array.from({ length: 40 }, (_, i) => 5 * i), table: rss.spread() });
  note(rss.settings);
};

const end = (rig: DirectRig, note: Note): void => {
  const { nic } = rig;
  nic.down();
  nic.up();
  settle(rig);
  nic.wake.armed = nic.wake.supported;
  nic.down();
  nic.power.shutdown({ wake: true });
  nic.power.resume();
  note([nic.address, nic.lost]);
};

const FEATURES = { start, link, powerSaving, moderation, leds, filter, restarts, aspm, sleep, checks, queues, end };

export interface Configuration {
  readonly name: string;
  readonly options: DirectRigOptions;
  /** Whether registers that are changed bit by bit read all ones, so that the writes show which bits are cleared. */
  readonly allOnes?: boolean;
}

/**
 * Every chip unchanged; every chip with registers that read all ones; each chip that has several queues, with all its
 * queues in use; and each chip that may have an SFP cage, with a cage.
 */
export const CONFIGURATIONS: readonly Configuration[] = CHIPS.flatMap(({ key, profile }) => [
  { name: key, options: { chip: key } },
  { name: `${key}, all ones`, options: { chip: key, strict: "off" as const }, allOnes: true },
  ...(profile.queues.receive === 1
    ? []
    : [{ name: `${key}, all queues`, options: { chip: key, nic: { queues: profile.queues.receive } } }]),
  ...(profile.registers.includes("serdes")
    ? [{ name: `${key}, fibre`, options: { chip: key, medium: "fibre" as const } }]
    : []),
]);

/**
 * Registers that are changed bit by bit: LEDs, RxConfig, Config1 to Config5, PMCH, DLLPR, MCU, CPlusCmd, MISC, MISC_1;
 * and the data registers of MAC-OCP, extended registers, configuration space and the PCI Express PHY.
 */
const CHANGED: readonly number[] = [
  0x18, 0x44, 0x52, 0x53, 0x54, 0x55, 0x56, 0x6f, 0xd0, 0xd3, 0xe0, 0xf0, 0xf2, 0xb0, 0x70, 0x64, 0x80,
];
const PHY_OCP = 0xb8;

/**
 * Makes the registers of `CHANGED` and the PHY's OCP registers read ones: in all their bits, or in bits 15:0 if a
 * register has 32 bits. The PHY's standard registers (0xa400 to 0xa4ff) keep their values.
 */
const allOnes = (): Alterations => {
  let phyAddress = 0;
  return {
    read(region, offset, width, value) {
      if (region === "config") return value;
      if (offset === PHY_OCP) return phyAddress >= 0xa400 && phyAddress < 0xa500 ? value : (value | 0xffff) >>> 0;
      return CHANGED.includes(offset) ? (value | (width === 4 ? 0xffff : 2 ** (8 * width) - 1)) >>> 0 : value;
    },
    write(_region, offset, _width, value) {
      if (offset === PHY_OCP) phyAddress = (value >>> 15) & 0xfffe;
      return true;
    },
  };
};

/**
 * Lines by feature: `w16 2:3c 5 @1200` is a 16-bit write of 5 to offset 0x3c of region 2, 1200 µs after the start. What
 * a feature reports is a line of JSON.
 */
export const writesOf = ({ options, allOnes: full = false }: Configuration): ReadonlyMap<string, readonly string[]> => {
  const features = new Map<string, string[]>();
  let clock: VirtualClock | undefined;
  let lines: string[] = [];
  const begin = (feature: string): void => void features.set(feature, (lines = []));
  begin("probe");
  {
    using rig = openDirectRig({
      ...options,
      between: (model) =>
        new Altered(full ? new Altered(model, allOnes()) : model, {
          write: (region, offset, width, value) => {
            lines.push(
              `w${8 * width} ${region}:${offset.toString(16)} ${value.toString(16)} @${Math.round(clock?.now() ?? 0)}`,
            );
            return true;
          },
        }),
    });
    clock = rig.clock;
    for (const [name, use] of Object.entries(FEATURES)) {
      begin(name);
      use(rig, (what) => void lines.push(JSON.stringify(what) ?? "undefined"));
    }
    begin("removal");
  }
  return features;
};

/** For each feature, the number of lines and the beginning of their SHA-256. */
export const digestsOf = (configuration: Configuration): readonly string[] =>
  [...writesOf(configuration)].map(([feature, lines]) => {
    const digest = createHash("sha256").update(lines.join("\n")).digest("hex").slice(0, 8);
    return `${feature} ${lines.length} ${digest}`;
  });

if (import.meta.main) {
  const wanted = CONFIGURATIONS.find(({ name }) => name === process.argv[2]);
  if (wanted !== undefined) for (const [name, lines] of writesOf(wanted)) console.log(`# ${name}\n${lines.join("\n")}`);
  else {
    const all = CONFIGURATIONS.map(
      (each) => `  ${JSON.stringify(each.name)}: ${JSON.stringify(digestsOf(each).join(", "))}`,
    );
    writeFileSync(RECORDED, `{\n${all.join(",\n")}\n}\n`);
  }
}
