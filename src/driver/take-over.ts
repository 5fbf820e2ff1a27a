/**
 * Takes the MAC from the chip's own firmware, which may have run it while no driver was there ("out of band").
 *
 * Source: DPDK `drivers/net/r8169/r8169_hw.c`, rtl_exit_oob: hand-shakes over the list of packet buffers inside the chip.
 */
import type { TakeOver } from "#chip/mac.ts";
import { MCU, Mcu } from "#chip/registers.ts";
import { awaitState } from "./drain.ts";
import type { Hardware } from "./hardware.ts";
import { SideBus } from "./side-bus.ts";

const LINK_LIST = { address: 0xe8de, start: 1 << 14, done: 1 << 15 } as const;
const LIMIT_MICROS = 4200;

const awaitList = (hw: Hardware): void =>
  awaitState(
    hw,
    "the management firmware to hand over the MAC",
    LIMIT_MICROS,
    () => (hw.io.read8(MCU) & Mcu.linkListReady) !== 0,
  );

const begin = (hw: Hardware, bus: SideBus): void => {
  hw.io.update8(MCU, Mcu.nowOutOfBand, 0);
  bus.macUpdate(LINK_LIST.address, LINK_LIST.start, 0);
  awaitList(hw);
};

export const TAKE_OVERS: Readonly<Record<TakeOver, (hw: Hardware) => void>> = {
  none: () => {},
  "link-list"(hw) {
    const bus = new SideBus(hw.io, hw.clock);
    begin(hw, bus);
    bus.macUpdate(LINK_LIST.address, 0, LINK_LIST.done);
    awaitList(hw);
  },
  "link-list-8125"(hw) {
    begin(hw, new SideBus(hw.io, hw.clock));
    awaitList(hw);
  },
};
