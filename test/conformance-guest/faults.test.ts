/**
 * Reports how the driver reacts to each fault of the device and of the wire. Asserts only that the NIC works again
 * after the fault, with the mildest remedy that helps.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Direction, ImpairmentName } from "#host/impaired-lane.ts";
import { DEVICE_FAULTS, faultsOf } from "#app/serve/device-faults.ts";
import { FAR, NEAR } from "../guest/rig.ts";
import { answered } from "./echoes.ts";
import { onEachChip } from "./grid.ts";
import { stream } from "./streams.ts";

/** Commands that the guest executes during a fault. The exit code and the last line of each are reported. */
const ECHOES = `ping -q -c 20 -i 0.02 -W 0.5 ${FAR.ipv4} | sed -n 's/.*received, //p'`;
/**
 * Echo requests for as long as the kernel takes to detect a stalled transmitter. `timeout` ends ping because ping's own
 * limits are unsuitable: with a count, ping would wait for late replies for only twice the longest round trip, and with
 * a time limit (-w) it would end at the first error.
 */
const LONG_ECHOES = `timeout -s INT 10 ping -q -i 0.2 ${FAR.ipv4} | sed -n 's/.*received, //p'`;
/** Waits for a link, which takes a third of a second if it comes up at all. */
const LINK = `for i in $(seq 20); do [ "$(cat /sys/class/net/${NEAR.name}/carrier)" = 1 ] && break; sleep 0.1; done`;
const UP_AGAIN = `ip link set ${NEAR.name} down; ip link set ${NEAR.name} up; ${LINK}; ${ECHOES}`;
const RELOAD = `rmmod r8169; modprobe r8169; ip link set ${NEAR.name} up; ip addr replace ${NEAR.ipv4}/24 dev ${NEAR.name}; ${LINK}; ${ECHOES}`;

interface Provocation {
  /** Number of occurrences. If omitted, the fault lasts until it is cleared. */
  readonly count?: number;
  readonly command: string;
}

/** How each fault of the device is provoked. */
const PROVOCATIONS: Readonly<Record<string, Provocation>> = {
  "lost-interrupt": { count: 1, command: LONG_ECHOES },
  "repeated-interrupt": { count: 20, command: ECHOES },
  "stuck-reset": { command: UP_AGAIN },
  "stuck-counters": { command: `ethtool -S ${NEAR.name} | tail -n 1; ${ECHOES}` },
  "dma-error": { count: 1, command: LONG_ECHOES },
  "silent-phy": { command: `ethtool ${NEAR.name} | tail -n 1; ${UP_AGAIN}` },
  "upset-phy": { command: `${LINK}; ${ECHOES}; ${UP_AGAIN}` },
  "forgetful-phy": { command: `${LINK}; ${ECHOES}` },
  "lost-doorbell": { count: 1, command: LONG_ECHOES },
  "stuck-transmitter": { count: 2, command: LONG_ECHOES },
  "stuck-receiver": { count: 2, command: `${ECHOES}; ${UP_AGAIN}` },
  "link-loss": { command: `${ECHOES}; ${UP_AGAIN}` },
  "receive-overflow": { count: 10, command: ECHOES },
  removal: { command: `${ECHOES}; ethtool ${NEAR.name} | tail -n 1; ethtool -S ${NEAR.name} | tail -n 1` },
  "silent-eri": { command: UP_AGAIN },
  "silent-ephy": { command: RELOAD },
  "silent-csi": { command: RELOAD },
  "silent-efuse": { command: RELOAD },
};

interface WireFault {
  readonly name: ImpairmentName;
  readonly probability: number;
  readonly micros?: number;
}
const WIRE_FAULTS: readonly WireFault[] = [
  { name: "loss", probability: 0.05 },
  { name: "corrupt", probability: 0.05 },
  { name: "crc", probability: 0.05 },
  { name: "duplicate", probability: 0.3 },
  { name: "reorder", probability: 0.3 },
  { name: "delay", probability: 0.5, micros: 20_000 },
];
/** Time for each remedy to bring the link up before the next one is tried; the last remedy has no limit of its own. */
const LINK_MILLIS = 2_500;
const BOTH: readonly Direction[] = ["in", "out"];

/**
 * Remedies, the mildest first. The last is a power cycle of everything except the card, whose fault is over by then.
 */
const REMEDIES = [
  "nothing",
  "ip link down, up",
  "rmmod, insmod",
  "removed from the bus and found again",
  "reset of the machine",
] as const;

const LAST_REMEDY = REMEDIES[REMEDIES.length - 1]!;

/** A line of the log without the time, the device and the numbers that vary between runs. */
const normalized = (line: string): string =>
  line
    .replace(/^\[\s*[\d.]+\] /, "")
    .replace(/r8169 0000:00:\S+ (eth0: )?/, "")
    .replace(/\d{4,}/g, "N");
const distinct = (lines: readonly string[]): readonly string[] => [...new Set(lines)];
/** Lines of a kernel warning's report that do not say what the warning is about. */
const NOISE =
  /^(Modules linked in|CPU:|Hardware name|RIP:|Code:|RSP:|RAX:|RDX:|RBP:|R\d\d:|FS:|CS:|CR2:|Call Trace|---| ? ?<\/?TASK>|Workqueue|Tainted| |\?)/;

/**
 * Expected offences. A driver that continues without a reset does not wait ("hurried"), and moves rings that are in use
 * ("running"). A card that was removed and inserted again is asleep until it is set up again ("asleep").
 */
const OFFENCES = ["hurried", "running", "asleep"];

onEachChip("faults", { warnings: [/./], offences: OFFENCES }, (bench) => {
  const works = async (): Promise<boolean> => {
    const { exit, stdout } = await bench().rig.guest.run(
      `for i in 1 2 3 4; do ping -q -c 1 -W 0.4 ${FAR.ipv4} >/dev/null && exec ping -q -c 10 -i 0.02 -W 0.5 ${FAR.ipv4}; sleep 0.1; done; exit 1`,
    );
    return exit === 0 && stdout.includes(" 0% packet loss");
  };
  const apply = async (remedy: (typeof REMEDIES)[number], limitMillis?: number): Promise<void> => {
    const { rig } = bench();
    const { guest } = rig;
    switch (remedy) {
      case "nothing":
        return;
      case "ip link down, up":
        await guest.run(`ip link set ${NEAR.name} down; ip link set ${NEAR.name} up`);
        break;
      case "rmmod, insmod":
        await guest.run("rmmod r8169; modprobe r8169");
        break;
      case "removed from the bus and found again":
        await guest.run(
          `for device in /sys/bus/pci/devices/*; do grep -q 0x10ec $device/vendor && echo 1 >$device/remove; done
           echo 1 >/sys/bus/pci/rescan; modprobe r8169; sleep 0.5`,
        );
        break;
      case "reset of the machine":
        await guest.reset();
        await guest.mustRun("modprobe r8169");
        break;
      default:
        remedy satisfies never;
    }
    await guest.mustRun(`ip link set ${NEAR.name} up`);
    await rig.carrier(true, limitMillis);
    await rig.configure();
  };
  /**
   * Applies one remedy after the other until the NIC works. Returns the remedy that helped. @throws {Error} if none did
   */
  const recover = async (): Promise<string> => {
    for (const remedy of REMEDIES) {
      // If a remedy itself fails, the next one is tried.
      const done = await apply(remedy, LINK_MILLIS).then(
        () => true,
        () => false,
      );
      if (done && (await works())) return remedy;
    }
    // On a busy machine each remedy may have been too slow, so the last one is tried again.
    await apply(LAST_REMEDY);
    await answered(bench().rig.guest, `-c 10 ${FAR.ipv4}`);
    return LAST_REMEDY;
  };
  /**
   * Clears the kernel's log, and makes every later message of the driver go to the log, without rate limit, and not to
   * the console.
   */
  const clearLog = async (): Promise<void> => {
    await bench().rig.guest.mustRun("echo 0 >/proc/sys/net/core/message_cost; dmesg -n 1; dmesg -c >/dev/null");
  };
  const logged = async (): Promise<string> => {
    const lines = distinct((await bench().rig.guest.dmesg(4)).map(normalized).filter((line) => !NOISE.test(line)));
    return lines.length === 0
      ? "reports nothing"
      : `says ${lines.slice(0, 3).join("; ")}${lines.length > 3 ? "; …" : ""}`;
  };

  for (const name of Object.keys(DEVICE_FAULTS))
    test(`${name}: ${DEVICE_FAULTS[name]}`, async (t) => {
      const { rig, cell } = bench();
      const { guest, nic } = rig;
      if (!faultsOf(cell.chip).includes(name)) return t.skip("this chip has no such registers");
      const provocation = PROVOCATIONS[name];
      assert.ok(provocation !== undefined, `nothing provokes ${name}`);
      const { command, count } = provocation;
      await clearLog();
      await nic.ask({ command: "fault", name, ...(count === undefined ? {} : { count }) });
      const { exit, stdout } = await guest.run(command, 45_000);
      const struck = (await nic.state()).faults.find((fault) => fault.name === name)?.struck;
      await nic.ask({ command: "clearFault" });
      const output = stdout.trim().replaceAll("\n", "; ");
      t.diagnostic(
        `driver ${await logged()}; guest sees ${exit === 124 ? "no end" : output === "" ? "nothing" : output}`,
      );
      if (struck !== undefined && struck > 0) t.diagnostic(`struck ${struck} times`);
      t.diagnostic(`helps: ${await recover()}`);
    });

  for (const { name, ...impairment } of WIRE_FAULTS)
    test(`a wire with ${name}: streams pass both ways`, async (t) => {
      const { rig } = bench();
      const { guest, nic } = rig;
      await clearLog();
      await nic.ask({ command: "wire", name, directions: BOTH, ...impairment });
      try {
        for (const flag of ["", "-R"]) await stream(rig, `-n 100K ${flag}`);
        const echoes = (await guest.run(ECHOES)).stdout.trim();
        const { wire, counters } = await nic.state();
        t.diagnostic(`driver ${await logged()}; ${echoes}`);
        assert.ok(wire.in.struck[name]! > 0);
        if (name === "crc") assert.ok(counters.rxErrors > 0);
      } finally {
        await nic.ask({ command: "clearWire", directions: BOTH });
      }
      t.diagnostic(`helps: ${await recover()}`);
    });
});
