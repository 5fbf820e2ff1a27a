/** The doorbell: the write that tells the NIC that descriptors wait. */
import type { Profile } from "#chip/profile.ts";
import { TxPoll8139 } from "#chip/registers-8139cp.ts";
import { TPPOLL } from "#chip/registers-8125.ts";
import { Poll, TxPoll } from "#chip/registers.ts";
import type { Mmio } from "#kit/mmio.ts";

const FIRST_QUEUE = 1 << 0;

const DOORBELLS: Readonly<Record<Profile["mac"]["doorbell"], (io: Mmio) => () => void>> = {
  TxPoll8139: (io) => () => io.write8(TxPoll8139, Poll.normalPriority),
  TxPoll: (io) => () => io.write8(TxPoll, Poll.normalPriority),
  TPPOLL: (io) => () => io.write16(TPPOLL, FIRST_QUEUE),
};

export const doorbellOf = (io: Mmio, { mac }: Profile): (() => void) => DOORBELLS[mac.doorbell](io);
