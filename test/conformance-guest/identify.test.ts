/** Every row of the family's table in guests at once: the newest kernel's driver must call each chip what it is. */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { type Chip, CHIPS } from "#chip/chips.ts";
import { noRig } from "../guest/available.ts";
import { Guest } from "../guest/guest.ts";
import { Nic } from "../guest/nic.ts";
import { scratchFolder } from "../guest/scratch.ts";
import { wantedKernels } from "./grid.ts";

/** What a PC's bus has room for, beside its own. */
const AT_ONCE = 20;
const STARTING = 4;
/** TxConfig's way to say that the chip's number is in TxConfigV2. */
const EXTENDED = 0x7c8;

const batches: readonly (readonly Chip[])[] = Array.from({ length: Math.ceil(CHIPS.length / AT_ONCE) }, (_, i) =>
  CHIPS.slice(i * AT_ONCE, (i + 1) * AT_ONCE),
);

const macOf = (chip: Chip): string =>
  `02:00:5e:10:01:${CHIPS.findIndex(({ key }) => key === chip.key)
    .toString(16)
    .padStart(2, "0")}`;

const serveAll = async (
  scope: AsyncDisposableStack,
  chips: readonly Chip[],
  folder: string,
): Promise<readonly Nic[]> => {
  const nics: Nic[] = [];
  for (let i = 0; i < chips.length; i += STARTING) {
    const some = chips.slice(i, i + STARTING).map(async (chip) => {
      const socket = join(folder, chip.key);
      return scope.use(await Nic.serve(undefined, { chip: chip.key, socket, wire: "responder", mac: macOf(chip) }));
    });
    nics.push(...(await Promise.all(some)));
  }
  return nics;
};

/** What the driver printed for each address: name and number. */
const identified = (log: readonly string[]): ReadonlyMap<string, { readonly name: string; readonly xid: number }> => {
  const lines = log.map((line) => /r8169 \S+ \S+: (\S.*), (\S+), (?:ext)?XID ([0-9a-f]+), IRQ/.exec(line));
  return new Map(
    lines.flatMap((line) =>
      line === null ? [] : [[line[2]!, { name: line[1]!, xid: Number.parseInt(line[3]!, 16) }]],
    ),
  );
};

describe("identify", { skip: noRig() || (!wantedKernels().includes("newest") && "needs the newest kernel") }, () => {
  for (const [i, chips] of batches.entries())
    describe(`chips ${i * AT_ONCE + 1} to ${i * AT_ONCE + chips.length} on Linux newest`, { timeout: 300_000 }, () => {
      test("each is called what it is, and probed without a complaint", async () => {
        await using scope = new AsyncDisposableStack();
        const folder = scratchFolder();
        scope.defer(() => rmSync(folder, { recursive: true, force: true }));
        const nics = await serveAll(scope, chips, folder);
        const devices = nics.flatMap((nic, n) => nic.device({ id: `nic${n}` }));
        const guest = scope.use(await Guest.boot({ kernel: "newest", megabytes: 1024, devices }));
        await guest.clearDmesg();
        await guest.must("modprobe r8169", 120_000);
        const found = identified(await guest.dmesg());
        for (const chip of chips) {
          const { name, xid } = found.get(macOf(chip)) ?? assert.fail(`${chip.key} was not identified`);
          assert.equal(name, chip.name);
          // Where TxConfig says that there is more to read, that is what the driver prints.
          const { mask, xid: wanted } = chip.xid === EXTENDED ? { mask: ~0, xid: 0 } : chip;
          assert.equal(xid & mask, wanted, chip.key);
        }
        assert.deepEqual(await guest.dmesg(4), []);
      });
    });
});
