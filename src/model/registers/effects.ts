/**
 * Names of the side effects of register writes and reads. The part of the chip that implements a side effect supplies a
 * function with its name.
 */

export type Effect =
  // Filter, rings, start and stop
  | "station"
  | "filter"
  | "transmitBase"
  | "transmitBaseHigh"
  | "priorityBase"
  | "priorityBaseHigh"
  | "receiveBase"
  | "receiveBaseHigh"
  | "command"
  | "poll"
  | "pollQueues"
  | "queueTail"
  | "queueBase"
  | "steer"
  | "transmitConfig"
  | "receiveConfig"
  // Counters
  | "tally"
  // Interrupts and timer
  | "interruptConfigure"
  | "interruptMask"
  | "interruptMaskClear"
  | "interruptMaskSet"
  | "interruptObserve"
  | "acknowledge"
  | "acknowledgeUnavailable"
  | "mitigate"
  | "timerRead"
  | "timerRestart"
  | "timerThreshold"
  // Indirect registers, and the PHY
  | "csi"
  | "eri"
  | "ephy"
  | "macOcp"
  | "phyOcp"
  | "mdio"
  | "efuse"
  | "eeprom"
  | "managementOcp"
  | "mailboxControl"
  | "mailboxStatus"
  // The clock of the Precision Time Protocol
  | "ptpControl"
  | "ptpCommand"
  | "ptpAcknowledge"
  | "serdesCommand"
  | "serdesMode";

/**
 * Called with the written value, a mask of the written bits, and the register's offset. Value and mask are aligned to
 * the register; for a read both are 0.
 */
export type EffectFunction = (value: number, lanes: number, offset: number) => void;

export type Effects = Readonly<Record<Effect, EffectFunction>>;
