import assert from "node:assert/strict";
import { test } from "node:test";
import { chipNamed } from "#chip/chips.ts";
import { quirksOf } from "#chip/quirks.ts";
import { startEvents } from "./session-facts.ts";

const ADDRESS = Uint8Array.of(2, 0, 0x5e, 0x10, 0, 1);
const CARD = { address: undefined, device: { bus: "vfio", address: "0000:03:00.0", unsafeNoIommu: false } } as const;
const MODEL = { address: undefined, device: { bus: "vfio-user", path: "nic.sock", stop: 0 } } as const;

const nic = (key: string, others: Partial<Parameters<typeof startEvents>[0]> = {}) => {
  const chip = chipNamed(key)!;
  return {
    address: ADDRESS,
    aspm: {
      state: { policy: "auto", allowed: false, because: "the system has disabled it on this link", link: "none" },
    },
    chip,
    firmware: undefined,
    permanentAddress: ADDRESS,
    unknownStepping: false,
    xid: chip.xid,
    ...others,
  } as const;
};

test("the quirks of the chip are an event with their names", () => {
  const [event] = startEvents(nic("rtl8168e-2c0"), MODEL);
  assert.deepEqual(event, { kind: "quirks", names: quirksOf(chipNamed("rtl8168e-2c0")!) });
  assert.ok(quirksOf(chipNamed("rtl8168e-2c0")!).includes("lostDoorbell"));
});

const rest = (...given: Parameters<typeof startEvents>) =>
  startEvents(...given).filter(({ kind }) => kind !== "quirks" && kind !== "note");

const notes = (chip: Parameters<typeof startEvents>[0]) =>
  startEvents(chip, MODEL).filter(({ kind }) => kind === "note");

test("the ASPM state of the link is a debug event, with the reason and the system's setting; PCI has none", () => {
  const message = "ASPM off in the chip: the system has disabled it on this link; the system allows none on the link";
  assert.deepEqual(notes(nic("rtl8168h")), [{ kind: "note", message }]);
  const { state } = nic("rtl8169s").aspm;
  assert.deepEqual(notes(nic("rtl8169s", { aspm: { state: { ...state, link: undefined } } })), []);
});

test("the PHY's firmware is an event; missing firmware is a warning for a card, and not for a model", () => {
  const chip = nic("rtl8168h");
  const loaded = rest(nic("rtl8168h", { firmware: "rtl8168h-2_0.0.2" }), CARD);
  assert.deepEqual(loaded, [{ kind: "firmware", file: "rtl_nic/rtl8168h-2.fw", version: "rtl8168h-2_0.0.2" }]);
  assert.match(JSON.stringify(rest(chip, CARD)), /rtl8168h-2\.fw is not installed/);
  assert.deepEqual(rest(chip, MODEL), []);
  assert.deepEqual(rest(nic("rtl8168b"), CARD), [], "this chip takes no firmware");
});

test("a random address and an unknown stepping are warnings; an address given by the user is not", () => {
  const lacking = nic("rtl8168b", { permanentAddress: undefined });
  assert.match(JSON.stringify(rest(lacking, CARD)), /a random one is used.*--mac/);
  assert.deepEqual(rest(lacking, { ...CARD, address: ADDRESS }), []);
  assert.match(
    JSON.stringify(rest(nic("rtl8168b", { unknownStepping: true, xid: 0x38a }), CARD)),
    /XID 38a.*ferrule report/,
  );
});
