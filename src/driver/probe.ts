/** Identifies a card in any state, and returns a `Nic` that is down. */
import { PCI_IDS } from "#chip/chips.ts";
import type { Driver } from "#kit/device.ts";
import { DeviceGone } from "#kit/errors.ts";
import type { InterruptLine } from "#kit/interrupts.ts";
import { randomStationAddress } from "#kit/station-address.ts";
import { maskInterrupts, quiesce, stationAddress } from "./bring-up.ts";
import { UnknownChip } from "./errors.ts";
import { hardwareOf } from "./hardware.ts";
import { identify } from "./identify.ts";
import { type NicOptions, checkOptions, firmwareOf, queuesOf } from "./nic-options.ts";
import { vectorsOf } from "./interrupts.ts";
import { findStationAddress } from "./station-address.ts";
import { allocateTally } from "./tally.ts";
import { Nic } from "./rtl8169.ts";

export type { NicOptions } from "./nic-options.ts";
export type { Nic, RunningNic } from "./rtl8169.ts";

/** The RTL8169 family's driver. */
export const rtl8169: Driver<Nic, NicOptions> = {
  name: "rtl8169",
  ids: PCI_IDS,
  probe(device, scope, options) {
    const io = device.registers;
    device.power.wake(options.clock);
    device.setBusMaster(false);
    const { xid, chip, unknownStepping, absent } = identify(io, device.id.device, options.clock);
    if (absent) throw new DeviceGone("TxConfig");
    if (chip === undefined) throw new UnknownChip(xid);
    checkOptions(chip, io.length, options);

    const queues = queuesOf(chip, options);
    const polled = options.queueThreads === true ? 1 : queues;
    const vectors = vectorsOf(device.interrupts, chip.profile.queues, { queues, polled });

    const { clock } = options;
    const hw = hardwareOf({ io, clock, chip }, chip.start, firmwareOf(chip, options), queues, polled);
    maskInterrupts(hw);
    quiesce(hw);
    if (chip.interrupts === "intx") device.interrupts.limit("intx");
    const request = (each: readonly number[]): InterruptLine => scope.use(device.interrupts.request(each));
    const [line, ...lentLines] = [request(vectors[0]), ...vectors.slice(1).map(request)] as const;
    const tally = scope.use(allocateTally(device.dma));
    const permanentAddress = findStationAddress(hw);
    const shown = stationAddress(hw);
    const original = permanentAddress ?? shown;
    const found = { device, chip, xid, unknownStepping, hw, line, lentLines };
    const nic = new Nic({ ...found, tally, permanentAddress, original, options });
    scope.defer(() => nic.power.restoreAddress());
    const address = options.address ?? permanentAddress ?? randomStationAddress();
    if (!shown.every((byte, i) => byte === address[i])) nic.address = address;
    scope.defer(() => nic.down());
    return nic;
  },
};
