/**
 * What Linux's r8169 writes for ASPM and latency tolerance when the board's vendor has marked ASPM as tested (MAC-OCP
 * 0xc0b2): `node test/derive/aspm.ts` boots a guest with two models of each chip, and writes
 * `test/derive/traces/aspm.jsonl`.
 *
 * In one model the registers of interest read as zeros, in the other as ones. If Linux writes the same word to both, it
 * writes the whole register; if it writes different words, they show which bits it sets and which it clears.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { CHIPS, type Chip } from "#chip/chips.ts";
import { Config2, Config5, FLAG, MACOCP } from "#chip/registers.ts";
import { ManyNics } from "../conformance-guest/many-nics.ts";
import { Guest } from "../guest/guest.ts";
import { Altered } from "../rigs/altered.ts";

const LIMIT_MILLIS = 1_800_000;
const TESTED_AT = 0xc0b2;
/** MAC-OCP ranges with what triggers latency reports, the tolerated latency, and the table of latencies. */
const OF_INTEREST: readonly (readonly [from: number, to: number])[] = [
  [0xcdd0, 0xcdff],
  [0xe032, 0xe034],
  [0xe092, 0xe094],
  [0xe0a2, 0xe0a2],
];
const isOfInterest = (address: number): boolean => OF_INTEREST.some(([from, to]) => address >= from && address <= to);
const LTR_EXTEND = 0xb6;
const INT_CFG0 = 0x34;

interface Run {
  readonly chip: Chip;
  readonly fill: number;
  /** The writes, oldest first. `where` is a MAC-OCP address, or "io 0x56" for a register of the BAR. */
  readonly writes: [where: string, value: number][];
}

const wanted = process.argv.slice(2);
const chips = (CHIPS as readonly Chip[]).filter(
  ({ key, profile }) => profile.registers.includes("latency") && (wanted.length === 0 || wanted.includes(key)),
);
const runs = chips.flatMap((chip) => [0, 0xffff].map((fill): Run => ({ chip, fill, writes: [] })));

using nics = new ManyNics(
  runs.map(({ chip }) => chip),
  (nic, i) => {
    const { chip, fill, writes } = runs[i]!;
    const { registersBar } = chip.profile.function;
    const single = [
      Config2,
      Config5,
      LTR_EXTEND,
      ...(chip.profile.registers.includes("multigigabit") ? [INT_CFG0] : []),
    ];
    let address = 0;
    return new Altered(nic, {
      read(region, offset, _width, value) {
        if (region !== registersBar || offset !== MACOCP) return value;
        if (address === TESTED_AT) return 1;
        return isOfInterest(address) ? fill : value;
      },
      write(region, offset, width, value) {
        if (region !== registersBar) return true;
        if (offset === MACOCP) {
          address = (value >>> 15) & 0xfffe;
          if (value >= FLAG && isOfInterest(address)) writes.push([`0x${address.toString(16)}`, value & 0xffff]);
        } else if (width === 1 && single.includes(offset)) writes.push([`io 0x${offset.toString(16)}`, value]);
        return true;
      },
    });
  },
);
await using guest = await Guest.boot({ kernel: "newest", devices: nics.devices });
await guest.mustRun("modprobe r8169", LIMIT_MILLIS);
for (const { writes } of runs) writes.length = 0;
await guest.mustRun("cd /sys/class/net; for i in eth*; do ip link set $i up; done", LIMIT_MILLIS);
const kernel = (await guest.mustRun("uname -r")).trim();
const lines = [
  { kernel: `Linux ${kernel}, r8169`, command: "node test/derive/aspm.ts" },
  ...chips.map(({ key }, i) => ({ chip: key, zeros: runs[2 * i]!.writes, ones: runs[2 * i + 1]!.writes })),
];
const path = join(import.meta.dirname, "traces/aspm.jsonl");
writeFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
console.error(`${path}: ${chips.length} chips, ${nics.complaints.length} complaints`);
