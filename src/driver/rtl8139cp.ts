/**
 * RTL8139C+: Fast Ethernet, the first chip with these descriptors.
 *
 * Sources: RTL8139C+ datasheet; FreeBSD `if_re.c` (re_init_locked, re_miibus_*, re_stop) and `if_rlreg.h`; what QEMU's
 * `hw/net/rtl8139.c` shows besides.
 */
import { ANAR, ANER, ANLPAR, Advertise, BMCR, BMSR, Bmcr, Bmsr, PHYID1, PHYID2 } from "#chip/phy.ts";
import {
  ANAR_8139,
  ANER_8139,
  ANLPAR_8139,
  BMCR_8139,
  BMSR_8139,
  CPlus8139,
  Config3_8139,
  Config5_8139,
  EarlyTxThreshold,
  MSR,
  MULINT_8139,
  Msr,
  RxConf8139,
  TxPoll8139,
} from "#chip/registers-8139cp.ts";
import {
  CPlus,
  Cfg9346,
  ChipCmd,
  Cmd,
  Conf3,
  Conf5,
  Lock,
  Poll,
  RxConf,
  THPDS,
  THPDSHigh,
  TxConf,
  TxConfig,
} from "#chip/registers.ts";
import { OutOfRange } from "#kit/errors.ts";
import { RECEIVE_8139, TRANSMIT_V1 } from "./descriptor-formats.ts";
import { type Card, type Family, type Hardware, type MacLink, type PhyBus, nothing } from "./family.ts";
import { INTERRUPTS_16 } from "./interrupt-registers.ts";

/** 512 bytes, as FreeBSD has it. */
const EARLY_TX = 16;

/** What BMCR has of the standard's bits; 8139s use others for purposes of their own (FreeBSD, re_miibus_writereg). */
const BMCR_BITS = Bmcr.reset | Bmcr.speedLow | Bmcr.autonegotiate | Bmcr.restart | Bmcr.fullDuplex;

/** The PHY has five registers, each in the window. It does not say who made it. */
const phy = ({ io }: Card): PhyBus => ({
  read(register) {
    switch (register) {
      case BMCR:
        return io.read16(BMCR_8139) & BMCR_BITS;
      case BMSR:
        return io.read16(BMSR_8139);
      case ANAR:
        return io.read16(ANAR_8139);
      case ANLPAR:
        return io.read16(ANLPAR_8139);
      case ANER:
        return io.read16(ANER_8139);
      case PHYID1:
      case PHYID2:
        return 0;
      default:
        return refuse(register);
    }
  },
  write(register, value) {
    // It can offer pause, but not for one direction alone: that bit is reserved.
    if (register === ANAR) io.write16(ANAR_8139, value & ~Advertise.asymmetricPause);
    else if (register === BMCR) {
      io.write8(Cfg9346, Lock.unlock);
      io.write16(BMCR_8139, value & BMCR_BITS);
      io.write8(Cfg9346, Lock.lock);
    } else refuse(register);
  },
});

const refuse = (register: number): never => {
  throw new OutOfRange(`the PHY of an RTL8139C+ has no register ${register} that can be had`);
};

/** The MAC does not say which duplex it uses: it is the best that both ends offer, or half where nothing was negotiated. */
const link = ({ io, phy: bus }: Hardware): MacLink => {
  const status = io.read8(MSR);
  const up = (status & Msr.linkDown) === 0;
  const speed = (status & Msr.speed10) === 0 ? 100 : 10;
  const control = bus.read(BMCR);
  const negotiated = (control & Bmcr.autonegotiate) !== 0;
  if (!negotiated) return { up, speed, fullDuplex: (control & Bmcr.fullDuplex) !== 0 };
  const both = (bus.read(BMSR) & Bmsr.negotiated) === 0 ? 0 : bus.read(ANAR) & bus.read(ANLPAR);
  return { up, speed, fullDuplex: (both & (speed === 100 ? Advertise.full100 : Advertise.full10)) !== 0 };
};

/** Wake-up off, and no early interrupts. The second ring is never rung for, but may hold anything after a reset. */
const prepare = ({ io }: Hardware): void => {
  io.update8(Config3_8139, Conf3.magicPacket | Conf3.linkUp, 0);
  io.update8(Config5_8139, Conf5.broadcastWake | Conf5.multicastWake | Conf5.unicastWake | Conf5.lanWake, 0);
  io.write16(MULINT_8139, 0);
  io.write32(THPDSHigh, 0);
  io.write32(THPDS, 0);
};

/** TxConfig and RxConfig count only once both directions are on (FreeBSD, re_init_locked). */
const enable = ({ io }: Hardware): void => {
  io.write8(ChipCmd, Cmd.transmitEnable | Cmd.receiveEnable);
  io.write32(TxConfig, TxConf.dmaBurst | TxConf.interFrameGap);
  io.write8(EarlyTxThreshold, EARLY_TX);
};

export const RTL8139CP: Family = {
  windowBytes: 256,
  ringLimit: 64,
  receive: RECEIVE_8139,
  transmit: TRANSMIT_V1,
  offloadsIpv6: false,
  interrupts: INTERRUPTS_16,
  doorbell: (io) => () => io.write8(TxPoll8139, Poll.normalPriority),
  command: CPlus8139.receiveEnable | CPlus8139.transmitEnable | CPlus.receiveVlan | CPlus.receiveChecksum,
  commandAbove4GiB: CPlus.dualAddress,
  receiveConfig: RxConf8139.wholeFrames | RxConf.dmaBurst,
  phy,
  link,
  // It has nothing that says when it is at rest. Reset ends both directions at once.
  drain: nothing,
  takeOver: nothing,
  prepare,
  // The receiver takes up to 4 KiB, whatever the buffers hold; the rings drop what does not fit.
  limitFrames: nothing,
  enable,
};
