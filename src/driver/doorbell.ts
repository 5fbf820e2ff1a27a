/** The doorbell: the write that notifies the NIC of new descriptors. */
import type { Profile } from "#chip/profile.ts";
import { TxPoll8139 } from "#chip/registers-8139cp.ts";
import { TPPOLL } from "#chip/registers-8125.ts";
import { Poll, TxPoll } from "#chip/registers.ts";
import type { Mmio } from "#kit/mmio.ts";

const DOORBELLS: Readonly<Record<Profile["mac"]["doorbell"], (io: Mmio, queue: number) => () => void>> = {
  TxPoll8139: (io) => () => io.write8(TxPoll8139, Poll.normalPriority),
  TxPoll: (io) => () => io.write8(TxPoll, Poll.normalPriority),
  TPPOLL: (io, queue) => () => io.write16(TPPOLL, 1 << queue),
};

/** @param queue the transmit queue; 0 on chips with a single queue */
export const doorbellOf = (io: Mmio, { mac }: Profile, queue: number): (() => void) =>
  DOORBELLS[mac.doorbell](io, queue);
