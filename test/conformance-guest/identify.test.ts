/**
 * Tests every chip of the family in one guest: the driver must log the same name as for the real chip, and the link
 * must come up.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { CHIPS } from "#chip/chips.ts";
import { noRig } from "../guest/available.ts";
import { Guest } from "../guest/guest.ts";
import { KERNELS, type KernelName } from "../guest/parts.ts";
import { complaintsOf } from "../guest/kernel-log.ts";
import { wantedKernels } from "./grid.ts";
import { ManyNics } from "./many-nics.ts";

/** Time limit for each command on all NICs, up to 62, each of which takes a second to come up on an idle machine. */
const LIMIT_MILLIS = 1_800_000;

/**
 * The name and XID that Linux logs for real cards, and the first of our kernels that supports the chip. Both come from
 * logs and from Linux's driver, not from our chip table. Our table has steppings that Linux does not distinguish; these
 * have the same name and XID here.
 */
// prettier-ignore
// oxfmt-ignore
const LOGGED: readonly (readonly [key: string, name: string, xid: string, since?: KernelName])[] = [
  ["rtl8169s", "RTL8169s", "008"], ["rtl8110s", "RTL8110s", "040"], ["rtl8169sb", "RTL8169sb/8110sb", "100"],
  ["rtl8169sc-180", "RTL8169sc/8110sc", "180"], ["rtl8169sc-980", "RTL8169sc/8110sc", "980"],
  ["rtl8101e", "RTL8101e/RTL8100e", "340"], ["rtl8401", "RTL8401", "240"],
  ["rtl8102e-24x", "RTL8102e/RTL8103e", "24a"], ["rtl8102e-34x", "RTL8102e/RTL8103e", "34a"],
  ["rtl8102e-248", "RTL8102e", "248"], ["rtl8102e-348", "RTL8102e", "348"],
  ["rtl8102e-249", "RTL8102e", "249"], ["rtl8102e-349", "RTL8102e", "349"],
  ["rtl8105e-408", "RTL8105e", "408"], ["rtl8105e-409", "RTL8105e", "409"],
  ["rtl8402", "RTL8402", "440"], ["rtl8106e", "RTL8106e", "449"],
  ["rtl8168b", "RTL8168b/8111b", "380"],
  ["rtl8168c-3cx", "RTL8168c/8111c", "3c1"], ["rtl8168c-3c3", "RTL8168c/8111c", "3c3"],
  ["rtl8168c-3c2", "RTL8168c/8111c", "3c2"], ["rtl8168c-3c0", "RTL8168c/8111c", "3c0"],
  ["rtl8168cp-3cx", "RTL8168cp/8111cp", "3ca"], ["rtl8168cp-3c8", "RTL8168cp/8111cp", "3c8"],
  ["rtl8168cp-3c9", "RTL8168cp/8111cp", "3c9"],
  ["rtl8168dp-28b", "RTL8168dp/8111dp", "28b"], ["rtl8168dp-28a", "RTL8168dp/8111dp", "28a"],
  ["rtl8168d-280", "RTL8168d/8111d", "283"], ["rtl8168d-281", "RTL8168d/8111d", "281"],
  ["rtl8168e-2c0", "RTL8168e/8111e", "2c2"], ["rtl8168e-2c1", "RTL8168e/8111e", "2c1"],
  ["rtl8168evl", "RTL8168evl/8111evl", "2c9"],
  ["rtl8168f-480", "RTL8168f/8111f", "480"], ["rtl8168f-481", "RTL8168f/8111f", "481"], ["rtl8411", "RTL8411", "488"],
  ["rtl8168g", "RTL8168g/8111g", "4c0"], ["rtl8168gu", "RTL8168gu/8111gu", "509"], ["rtl8106eus", "RTL8106eus", "509"],
  ["rtl8411b", "RTL8411b", "5c8"],
  ["rtl8168h", "RTL8168h/8111h", "541"], ["rtl8107e", "RTL8107e", "541"], ["rtl8168m", "RTL8168M", "6c0", "6.12"],
  ["rtl8168ep", "RTL8168ep/8111ep", "502"],
  ["rtl8117-54a", "RTL8168fp/RTL8117", "54a"], ["rtl8117-54b", "RTL8168fp/RTL8117", "54b", "6.1"],
  ["rtl8125a", "RTL8125A", "609"], ["rtl8125b", "RTL8125B", "641"],
  ["rtl8168kb-609", "RTL8125A", "609"], ["rtl8168kb", "RTL8125B", "641"], ["rtl8168kd", "RTL8125D", "689", "newest"],
  ["rtl8168h-100", "RTL8168h/8111h", "541"], ["rtl8168h-300", "RTL8168h/8111h", "541"],
  ["rtl8125d-688", "RTL8125D", "688", "6.12"], ["rtl8125d-689", "RTL8125D", "689", "newest"],
  ["rtl8125k", "RTL8125K", "68a", "newest"], ["rtl9151a", "RTL9151A", "68b", "newest"],
  ["rtl8125cp", "RTL8125CP", "708", "newest"], ["rtl8125bp", "RTL8125BP", "681", "newest"],
  ["rtl8126a-649", "RTL8126A", "649", "6.12"], ["rtl8126a-64a", "RTL8126A", "64a", "6.12"],
  ["rtl8127a", "RTL8127A", "6c9", "newest"], ["rtl9151as", "RTL9151AS", "7c8", "newest"],
];
/**
 * Linux 5.10 logs this for every NIC that is a model, and nearly the same for real cards: the vital product data (VPD)
 * of both does not have the format of VPD.
 */
const NO_DATA = /invalid short VPD tag 0[05] at offset [12]$/;
/**
 * A warning that this test accepts: up to 62 cards share one emulated processor, so a card's frames may be
 * processed seconds too late.
 */
const SLOW = /NETDEV WATCHDOG: .* transmit queue \d+ timed out/;

/** By kernel and name of a chip: the name that this kernel logs, if it has no separate name for the chip yet. */
const OLD_NAMES: Readonly<Record<string, string>> = { "6.12 RTL8168M": "RTL8168h/8111h" };
const nameOn = (kernel: KernelName, name: string): string => OLD_NAMES[`${kernel.split("-")[0]} ${name}`] ?? name;

interface Found {
  readonly name: string;
  readonly mac: string;
  readonly xid: string;
  readonly carrier: string;
}

const LINE = /r8169 (\S+) eth\d+: (\S+), ([0-9a-f:]{17}), (?:XID ([0-9a-f]+)|extXID \S+), IRQ/;

/** Loads the driver; returns the NICs that it has logged, by device number of the PCI function. */
const find = async (guest: Guest): Promise<ReadonlyMap<string, Found>> => {
  await guest.mustRun("modprobe r8169", LIMIT_MILLIS);
  await guest.mustRun("cd /sys/class/net; for i in eth*; do ip link set $i up; done", LIMIT_MILLIS);
  await guest.mustRun(
    "cd /sys/class/net; for i in eth*; do until [ $(cat $i/carrier) = 1 ]; do sleep 0.1; done; done",
    LIMIT_MILLIS,
  );
  const links = await guest.mustRun(
    "cd /sys/class/net; for i in eth*; do echo $(basename $(readlink $i/device)) $(cat $i/carrier); done",
  );
  const carriers = new Map(
    links
      .trim()
      .split("\n")
      .map((line) => line.split(" ") as [string, string]),
  );
  const found = new Map<string, Found>();
  for (const line of await guest.dmesg()) {
    const [, place, name, mac, xid = "7c8"] = LINE.exec(line) ?? [];
    if (place !== undefined) found.set(place, { name: name!, mac: mac!, xid, carrier: carriers.get(place) ?? "none" });
  }
  return found;
};

describe("identify", { skip: noRig() }, () => {
  for (const kernel of KERNELS.filter((name) => wantedKernels().includes(name)))
    describe(`all chips on Linux ${kernel}`, { timeout: 2 * LIMIT_MILLIS }, () => {
      const known = LOGGED.filter(([, , , since]) => KERNELS.indexOf(kernel) >= KERNELS.indexOf(since ?? KERNELS[0]));
      let nics: ManyNics | undefined;
      let guest: Guest | undefined;
      let found: ReadonlyMap<string, Found> = new Map();
      before(async () => {
        nics = new ManyNics(known.map(([key]) => CHIPS.find((chip) => chip.key === key)!));
        guest = await Guest.boot({ kernel, devices: nics.devices });
        await guest.clearDmesg();
        found = await find(guest);
      });
      after(async () => {
        await guest?.[Symbol.asyncDispose]();
        nics?.[Symbol.dispose]();
      });

      known.forEach(([key, name, xid], i) => {
        const expected = nameOn(kernel, name);
        test(`${key} is ${expected}, and links`, () => {
          const { place, mac } = nics!.nics[i]!;
          const seen = found.get(place);
          assert.deepEqual(seen && { ...seen, xid: seen.xid.padStart(3, "0") }, {
            name: expected,
            mac,
            xid,
            carrier: "1",
          });
        });
      });

      test("lspci lists all of them", async () => {
        const text = await guest!.mustRun("lspci -vvv 2>/dev/null");
        for (const { place } of nics!.nics) assert.ok(text.includes(`${place.slice(5)} Class 0200`), place);
        assert.doesNotMatch(text, /Unknown header type|Malformed|!!!/);
      });

      test("the kernel logged no warning, and its driver caused no offence", async () => {
        assert.deepEqual(complaintsOf(await guest!.dmesg(4), [NO_DATA, SLOW]), []);
        assert.deepEqual(nics!.complaints, []);
      });
    });

  test("the list contains every chip of ours", () => {
    // The RTL8116AF is not in the list: this fibre chip reports its link in a place that none of our kernels reads.
    const all = [...LOGGED.map(([key]) => key), "rtl8116af"];
    assert.deepEqual(all.toSorted(), CHIPS.map(({ key }) => key as string).toSorted());
  });
});
