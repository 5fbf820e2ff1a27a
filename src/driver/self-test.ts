/**
 * Self-test, in short steps: registers, DMA, interrupts, link, and loopback in the MAC or the PHY.
 *
 * Online it does not affect traffic. Offline it needs the rings for itself until it ends: the data plane must not send
 * or receive. Frames that arrive meanwhile are dropped, and the link comes up again afterwards. A caller that forwards
 * frames must then renew its `Link` (`Nic.reset`), because the transmit ring still holds the test's memory.
 */
import { BMCR, Bmcr } from "#chip/phy.ts";
import { phyKind } from "#chip/phy-kinds.ts";
import { MAR0, MAR4, TxConf, TxConfig } from "#chip/registers.ts";
import type { DmaDomain, DmaMemory } from "#kit/dma.ts";
import { OutOfRange, Timeout } from "#kit/errors.ts";
import { FRAME_OFFSET, FRAME_WORDS, Received } from "#kit/link.ts";
import { SideBusTimeout } from "./errors.ts";
import type { Hardware } from "./hardware.ts";
import type { Operation } from "./operation.ts";
import type { Nic } from "./rtl8169.ts";
import { allocateTally, dumpTally } from "./tally.ts";

export type SelfTestName = "registers" | "DMA" | "link" | "MAC loopback" | "interrupt" | "PHY loopback";

/** One part of the test. `detail` says what was wrong, and is empty if the part passed. */
export interface SelfTestResult {
  readonly name: SelfTestName;
  readonly passed: boolean;
  readonly detail: string;
}

/** The report that `ethtool -t` shows. */
export interface SelfTestReport {
  readonly passed: boolean;
  readonly tests: readonly SelfTestResult[];
}

const PATTERNS = [0x5555_5555, 0xaaaa_aaaa, 0, 0xffff_ffff];
/** Byte that fills the memory for the counters before the dump. Real counters do not consist of such bytes. */
const FILL = 0xa5;
/** Frame lengths without FCS: the shortest, an odd one, and the longest with the usual MTU. */
const LENGTHS = [60, 601, 1514];
/** EtherType of the Ethernet loopback protocol. */
const ETHERTYPE = 0x9000;
const TURN_MICROS = 500;
const MAX_TURNS = 40;
const LINK_TURN_MICROS = 10_000;
/**
 * Limit of the number of turns, which together take 0.5 s. FreeBSD's re_diag waits as long for the PHY to enter
 * loopback.
 */
const MAX_LINK_TURNS = 50;
const HEADER = 14;
const BURST = 64;

/** @throws {OutOfRange} at the first step if the NIC is down or, offline, has frames to send */
export function* selfTest(hw: Hardware, nic: Nic, dma: DmaDomain, offline: boolean): Operation<SelfTestReport> {
  if (!nic.running) throw new OutOfRange("the NIC is down", "Bring it up first.");
  if (offline && nic.rings.transmit.pending() > 0)
    throw new OutOfRange(
      "the NIC still has frames to send",
      "Stop sending, wait until all frames are sent, then test.",
    );
  const tests: SelfTestResult[] = [];
  const check = (name: SelfTestName, detail: string): void => void tests.push({ name, passed: detail === "", detail });
  check("link", nic.refreshLink().up ? "" : "there is no link");
  yield TURN_MICROS;
  check("registers", identification(hw, nic) || (offline ? patterns(hw) : ""));
  yield TURN_MICROS;
  check("DMA", tallyDump(hw, dma));
  if (offline) {
    yield TURN_MICROS;
    yield* loopbacks(hw, nic, dma, check);
  }
  return { passed: tests.every(({ passed }) => passed), tests };
}

const identification = ({ io }: Hardware, { xid }: Nic): string => {
  const read = (io.read32(TxConfig) >>> TxConf.xidShift) & TxConf.xidMask;
  return read === xid ? "" : `the identification is 0x${read.toString(16)}, but was 0x${xid.toString(16)}`;
};

/** Checks that the registers of the multicast hash keep written values. Their former value is restored. */
const patterns = ({ io }: Hardware): string => {
  for (const register of [MAR0, MAR4]) {
    const before = io.read32(register);
    for (const pattern of PATTERNS) {
      io.write32(register, pattern);
      const read = io.read32(register);
      if (read === pattern) continue;
      io.write32(register, before);
      return `a register read 0x${read.toString(16)} after 0x${pattern.toString(16)} was written`;
    }
    io.write32(register, before);
  }
  return "";
};

/** Checks that the chip writes its counters to the given address, and not a byte beyond them. */
const tallyDump = (hw: Hardware, dma: DmaDomain): string => {
  using memory = allocateTally(dma);
  memory.bytes.fill(FILL);
  try {
    dumpTally(hw, memory);
  } catch (error) {
    if (error instanceof Timeout || error instanceof SideBusTimeout) return error.message;
    throw error;
  }
  const { bytes } = hw.chip.profile.tally;
  if (memory.bytes.subarray(0, bytes).every((byte) => byte === FILL)) return "nothing was written to memory";
  return memory.bytes.subarray(bytes).every((byte) => byte === FILL) ? "" : "more bytes were written than requested";
};

type Check = (name: SelfTestName, detail: string) => void;

function* loopbacks(hw: Hardware, nic: Nic, dma: DmaDomain, check: Check): Operation<void> {
  const { io, chip } = hw;
  using memory = dma.allocate({ what: "self-test frames", bytes: 2048, align: 64, direction: "toDevice" });
  nic.interrupt();
  nic.unmask();
  try {
    io.update32(TxConfig, 0, TxConf.loopback);
    check("MAC loopback", yield* exchange(nic, memory));
    check("interrupt", nic.line.take() ? "" : "frames were looped back without an interrupt");
  } finally {
    io.update32(TxConfig, TxConf.loopback, 0);
  }
  // The five PHY registers of the RTL8139C+ have no loopback; a SerDes has other registers.
  if (nic.phy.cage || chip.profile.phyAccess === "registers") return;
  try {
    const speed = phyKind(chip).estatus === 0 ? Bmcr.speedLow : Bmcr.speedHigh;
    nic.phy.write(BMCR, Bmcr.loopback | Bmcr.fullDuplex | speed);
    for (let turns = 0; !nic.refreshLink().up && turns < MAX_LINK_TURNS; turns++) yield LINK_TURN_MICROS;
    check("PHY loopback", yield* exchange(nic, memory));
  } finally {
    nic.phy.apply();
    nic.interrupt();
    nic.unmask();
  }
}

/** Sends a frame from the test's own memory. The entry that is used keeps its buffer. */
const send = ({ queues: [{ link }] }: Nic, offset: number, length: number): boolean => {
  const kept = link.burst[FRAME_OFFSET]!;
  link.burst.set([offset, length, 0, 0]);
  const taken = link.transmit(0, 1);
  link.burst[FRAME_OFFSET] = kept;
  return taken === 1;
};

/**
 * Checks that frames of each length, sent to the NIC's own address, come back unchanged. Returns what is wrong, or an
 * empty string.
 */
function* exchange(nic: Nic, memory: DmaMemory): Operation<string> {
  for (const length of LENGTHS) {
    const frame = memory.bytes.subarray(0, length);
    frame.set(nic.address, 0);
    frame.set(nic.address, 6);
    frame.set([ETHERTYPE >> 8, ETHERTYPE & 0xff], 12);
    for (let i = HEADER; i < length; i++) frame[i] = (i * 7 + length) & 0xff;
    if (!send(nic, memory.offset, length)) return "the ring accepted no frame";
    let received = false;
    for (let turns = 0; turns < MAX_TURNS && !received; turns++) {
      yield TURN_MICROS;
      received = returned(nic, frame);
    }
    if (!received) return `a frame of ${length} bytes did not come back`;
  }
  return "";
}

/** Receives frames, and returns true if `frame` was among them. */
const returned = (nic: Nic, frame: Uint8Array): boolean => {
  let found = false;
  for (const { link } of nic.queues) {
    const pieces: Uint8Array[] = [];
    for (let n = link.receive(0, BURST); n > 0; n = link.receive(0, BURST))
      for (let i = 0; i < n; i++) {
        const [offset = 0, length = 0, flags = 0] = link.burst.subarray(i * FRAME_WORDS);
        pieces.push(nic.memory.bytes.slice(offset, offset + length));
        if ((flags & Received.more) === 0) found ||= matches(pieces.splice(0), frame);
      }
  }
  return found;
};

/** True if the pieces begin with the frame; the FCS may follow it. */
const matches = (pieces: readonly Uint8Array[], frame: Uint8Array): boolean => {
  const bytes = pieces.flatMap((piece) => [...piece]);
  return bytes.length >= frame.length && frame.every((byte, i) => byte === bytes[i]);
};
