/** What a write to a register, or a read of it, sets off. The part that does it supplies the function, under this name. */

export type Effect =
  // Composition and rings
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
  // Registers behind registers, and the PHY
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
  | "serdesCommand"
  | "serdesMode";

/**
 * Called with the value as written and the bits that were written, both in the register's own position (a read has 0 and
 * 0), and the register's offset.
 */
export type EffectFunction = (value: number, lanes: number, offset: number) => void;

/** One function for each. */
export type Effects = Readonly<Record<Effect, EffectFunction>>;
