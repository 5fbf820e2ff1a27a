/** Configuration space: the expected values were typed in from PCI 3.0 (6.1, 6.2, 6.8) and PCI Express 3.0 (7.8). */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CAPABILITIES,
  type ConfigRegister,
  HEADER,
  MSIX_CAPABILITY,
  MSIX_ENTRY,
  MSIX_ENTRY_BYTES,
} from "./config-registers.ts";

const places = (registers: readonly ConfigRegister[]): string =>
  registers.map(([offset, bytes, name]) => `${offset.toString(16)}/${bytes} ${name}`).join(", ");

test("the header's registers are where the PCI specification has them", () => {
  assert.equal(
    places(HEADER),
    [
      "0/2 VendorId, 2/2 DeviceId, 4/2 Command, 6/2 Status, 8/1 Revision, 9/1 ProgrammingInterface, a/1 Subclass, b/1 Class",
      "c/1 CacheLine, d/1 LatencyTimer, e/1 HeaderType, 10/4 Bar0, 14/4 Bar1, 18/4 Bar2, 1c/4 Bar3, 20/4 Bar4, 24/4 Bar5",
      "28/4 CardBusCis, 2c/2 SubsystemVendorId, 2e/2 SubsystemId, 30/4 ExpansionRom, 34/1 Capabilities",
      "3c/1 InterruptLine, 3d/1 InterruptPin, 3e/1 MinGrant, 3f/1 MaxLatency",
    ].join(", "),
  );
});

test("the registers of each capability are where the PCI and PCI Express specifications have them", () => {
  const found = Object.entries(CAPABILITIES).map(([id, { name, registers }]) => `${id} ${name}: ${places(registers)}`);
  assert.deepEqual(found, [
    "1 Power: 0/2 Id, 2/2 Capabilities, 4/2 Control",
    "3 Vpd: 0/2 Id, 2/2 Address, 4/4 Data",
    "5 Msi: 0/2 Id, 2/2 Control, 4/4 Address, 8/4 AddressHigh, c/2 Data",
    "16 Express: 0/2 Id, 2/2 Capabilities, 4/4 DeviceCapabilities, 8/2 DeviceControl, a/2 DeviceStatus, c/4 LinkCapabilities, 10/2 LinkControl, 12/2 LinkStatus, 24/4 DeviceCapabilities2, 28/2 DeviceControl2",
    "17 MsiX: 0/2 Id, 2/2 Control, 4/4 Table, 8/4 Pending",
  ]);
  assert.equal(places(MSIX_ENTRY), "0/4 Address, 4/4 AddressHigh, 8/4 Data, c/4 Control");
  assert.deepEqual([MSIX_CAPABILITY, MSIX_ENTRY_BYTES], [0x11, 16]);
});

const fieldsOf = (registers: readonly ConfigRegister[], register: string): Record<string, number> =>
  ({
    ...registers.find(([, , name]) => name === register)![3],
  }) as Record<string, number>;

test("the fields of command, status and control registers are where the PCI and PCI Express specifications have them", () => {
  const fields = (id: number, register: string) => fieldsOf(CAPABILITIES[id]!.registers, register);
  assert.deepEqual(fieldsOf(HEADER, "Command"), {
    interruptOff: 0x400,
    systemError: 0x100,
    parity: 0x40,
    busMaster: 4,
    memory: 2,
    io: 1,
  });
  assert.deepEqual(fieldsOf(HEADER, "Status"), {
    parityError: 0x8000,
    signalledSystemError: 0x4000,
    masterAbort: 0x2000,
    targetAbort: 0x1000,
    capabilities: 0x10,
    interrupt: 8,
  });
  assert.deepEqual(fields(1, "Control"), { pmeStatus: 0x8000, pmeEnable: 0x100, noSoftReset: 8, state: 3 });
  assert.deepEqual(fields(5, "Control"), { masking: 0x100, wide: 0x80, messages: 0x70, enable: 1 });
  assert.deepEqual(fields(16, "DeviceControl"), {
    reset: 0x8000,
    readRequest: 0x7000,
    noSnoop: 0x800,
    relaxedOrdering: 0x10,
    payload: 0xe0,
  });
  assert.deepEqual(fields(16, "DeviceStatus"), {
    pending: 0x20,
    unsupported: 8,
    fatal: 4,
    nonFatal: 2,
    correctable: 1,
  });
  assert.deepEqual(fields(16, "LinkControl"), { aspm: 3, clockRequest: 0x100 });
  assert.deepEqual(fields(16, "LinkStatus"), { width: 0x3f0, speed: 0xf });
  assert.deepEqual(fields(17, "Control"), { enable: 0x8000, mask: 0x4000, size: 0x7ff });
});
