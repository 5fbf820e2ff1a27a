/**
 * Takes the MAC over from the chip's firmware, which may have used it while no driver was bound ("out of band").
 *
 * Source: DPDK `drivers/net/r8169/r8169_hw.c`, rtl_exit_oob. The driver requests the list of packet buffers inside the
 * chip, and waits until the firmware has handed the list over.
 */
import type { TakeOver } from "#chip/mac.ts";
import { MCU, Mcu } from "#chip/registers.ts";
import { awaitState, type Hardware } from "./hardware.ts";

const LINK_LIST = { address: 0xe8de, start: 1 << 14, done: 1 << 15 } as const;
const LIMIT_MICROS = 4200;

const awaitList = (hw: Hardware): void =>
  awaitState(
    hw,
    "the management firmware to hand over the MAC",
    LIMIT_MICROS,
    () => (hw.io.read8(MCU) & Mcu.linkListReady) !== 0,
  );

const begin = (hw: Hardware): void => {
  hw.io.update8(MCU, Mcu.nowOutOfBand, 0);
  hw.side.macUpdate(LINK_LIST.address, LINK_LIST.start, 0);
  awaitList(hw);
};

export const TAKE_OVERS: Readonly<Record<TakeOver, (hw: Hardware) => void>> = {
  none: () => {},
  "link-list"(hw) {
    begin(hw);
    hw.side.macUpdate(LINK_LIST.address, 0, LINK_LIST.done);
    awaitList(hw);
  },
  "link-list-8125"(hw) {
    begin(hw);
    awaitList(hw);
  },
};
