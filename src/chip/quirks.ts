/**
 * What chips do wrong, by name: the reason for a field of a profile that is otherwise hard to understand. Most quirks are encoded
 * in such a field, and the driver reads that; one that belongs to single chips of a die is asked for here.
 */
import type { Chip, ChipKey } from "./chips.ts";
import { STANDARD_MTU } from "./frames.ts";

export interface Quirk {
  /** What the chip does, and what the driver does about it. */
  readonly because: string;
  readonly evidence: string;
  /** A test that fails when the driver does not do it. */
  readonly proof: { readonly file: string; readonly title: string };
  /** What the driver reads to know of it: a field of the profile, or this quirk's name. */
  readonly fact: string;
  readonly on: (chip: Chip) => boolean;
}

const keys =
  (...wanted: readonly ChipKey[]) =>
  (chip: Chip): boolean =>
    (wanted as readonly string[]).includes(chip.key);

const RULES = "src/driver/offload-rules.test.ts";
const LINUX = "Linux's r8169 does so";

// prettier-ignore
// oxfmt-ignore
export const QUIRKS = {
  spuriousSystemError: {
    because: "SYSErr is set now and then although nothing is wrong. The driver does not enable it; it looks once a second, and believes it when PCI status shows an error too. On other chips it means a bus error and causes a reset.",
    evidence: "reports from the field; Linux's r8169 ignores SYSErr on every PCI Express chip for that reason, FreeBSD's re(4) resets on it",
    proof: { file: "src/driver/events.test.ts", title: "a system error is handled, except on the two chips that raise it spuriously" },
    fact: "spuriousSystemError",
    on: keys("rtl8117-54a", "rtl8117-54b"),
  },
  brokenMsi: {
    because: "Interrupts by MSI get lost. The driver uses INTx.",
    evidence: `${LINUX}, from version 5.2 on`,
    proof: { file: "test/conformance/quirks.test.ts", title: "chips that lose interrupts by MSI, and only these, are driven by INTx" },
    fact: "interrupts",
    on: ({ bus, interrupts }) => bus === "pcie" && interrupts === "intx",
  },
  lostDoorbell: {
    because: "A doorbell that follows another closely can be lost. The driver rings it again when it has reclaimed frames and others are pending.",
    evidence: `${LINUX}; on chips that do not need it one more write is harmless`,
    proof: { file: "src/driver/transmit-ring.test.ts", title: "rings again when a reclaim finds frames left: a doorbell close behind another can be lost" },
    fact: "doorbell",
    on: ({ bus, profile }) => bus === "pcie" && profile.mac.doorbell === "TxPoll",
  },
  stalePadding: {
    because: "Short frames are padded with old contents of the FIFO. The driver pads them with zeros, to 60 bytes, and software cuts super-frames whose last segment would be shorter.",
    evidence: "FreeBSD if_re.c (RL_FLAG_AUTOPAD missing); Linux's r8169 pads on the same chips",
    proof: { file: "src/driver/transmit-ring.test.ts", title: "a short frame leaves from a copy with zeros behind, and its own buffer comes back" },
    fact: "padding",
    on: ({ profile }) => profile.frames.padding === "stale",
  },
  damagedShortSums: {
    because: "A frame below 42 bytes whose checksum is filled in is damaged. Software computes it (below 60 bytes it does so on every chip).",
    evidence: "FreeBSD if_re.c, re_encap",
    proof: { file: RULES, title: "frames below 42 bytes are summed in software on the PCI chips and the first on PCI Express" },
    fact: "damagesShort",
    on: ({ profile }) => profile.frames.damagesShort,
  },
  summedPadding: {
    because: "TCP and UDP checksums are computed as if the packet ended with the frame. Software computes those of packets that end before.",
    evidence: "Linux's r8169 and Realtek's drivers leave padded frames to software on these chips",
    proof: { file: RULES, title: "frames below 60 bytes, or with padding behind the packet, are summed in software on the 8168E-VL, the 8125 and later" },
    fact: "sumsPadding",
    on: ({ profile }) => profile.frames.sumsPadding,
  },
  shortUdpStopsTransmitter: {
    because: "UDP datagrams without a whole header, or of fewer than 47 bytes to the ports of PTP, can stop the transmitter. In frames below 175 bytes the driver pads to a whole UDP header, or 47 bytes for PTP, and software computes their checksums.",
    evidence: "DPDK net/r8169, rtl8125_get_patch_pad_len; Linux's r8169",
    proof: { file: RULES, title: "a fragment of UDP's header and PTP's datagrams get the length that the 8125A and 8125B need, up to 174 bytes" },
    fact: "stumblesOverUdp",
    on: ({ profile }) => profile.frames.stumblesOverUdp,
  },
  unsummedOptions: {
    because: "The IPv4 header checksum leaves options out. Software computes the checksums of packets with options and cuts such super-frames.",
    evidence: "FreeBSD if_re.c (8168C)",
    proof: { file: RULES, title: "IPv4 packets with options are summed and cut in software on the 8168C" },
    fact: "sumsNoOptions",
    on: ({ profile }) => profile.frames.sumsNoOptions,
  },
  segmentsPlainOnly: {
    because: "Segmentation fails with IPv4 options, with TCP options over IPv4, and when the last segment has six bytes or fewer. Software cuts these.",
    evidence: LINUX,
    proof: { file: RULES, title: "the 8168E-VL cuts neither IPv4 with options of either header, nor into a last segment of six bytes or fewer" },
    fact: "segmentsPlainOnly",
    on: ({ profile }) => profile.frames.segmentsPlainOnly,
  },
  firstTransmitFormat: {
    because: "Descriptors of the first format do not say where the headers are, and know no IPv6. Software does everything over IPv6 or behind a tag in the frame, and cuts super-frames above 32,000 bytes or 24 segments (elsewhere 64,000 and 64).",
    evidence: "RTL8169 data sheet; QEMU's RTL8139C+ does not look behind a tag; limits as in Linux's r8169",
    proof: { file: RULES, title: "chips that find the headers themselves are asked nothing behind a tag in the frame" },
    fact: "transmitFormat",
    on: ({ profile }) => profile.frames.transmitFormat === 1,
  },
  noJumboSums: {
    because: "The transmitter fills in no checksums above an MTU of 1500. Software does.",
    evidence: "Linux's r8169, Realtek's drivers, FreeBSD if_re.c",
    proof: { file: RULES, title: "checksums and segmentation end at an MTU of 1500, but PCI chips keep both and the 8125 and later keep checksums" },
    fact: "sumsJumbo",
    on: ({ profile, largestMtu }) => largestMtu > STANDARD_MTU && !profile.frames.sumsJumbo,
  },
  noJumboSegments: {
    because: "Segmentation does not work above an MTU of 1500. Software cuts (above 2047 it does so on every chip).",
    evidence: "Linux's r8169, Realtek's drivers",
    proof: { file: RULES, title: "checksums and segmentation end at an MTU of 1500, but PCI chips keep both and the 8125 and later keep checksums" },
    fact: "segmentsJumbo",
    on: ({ profile, largestMtu }) => largestMtu > STANDARD_MTU && !profile.frames.segmentsJumbo,
  },
  noJumboPause: {
    because: "Flow control does not work with jumbo frames. The driver does not advertise it above an MTU of 1500.",
    evidence: LINUX,
    proof: { file: "src/driver/phy.test.ts", title: "pause is offered both ways, and not with jumbo frames" },
    fact: "STANDARD_MTU",
    on: ({ largestMtu }) => largestMtu > STANDARD_MTU,
  },
  jumboReadsLockUp: {
    because: "With jumbo frames and large PCI Express read requests the chip locks up. The driver limits requests to 512 bytes then.",
    evidence: "FreeBSD if_re.c, re_set_jumbo; Linux's r8169",
    proof: { file: "test/conformance/quirks.test.ts", title: "with jumbo frames the 8168B to 8168D use read requests of 512 bytes, all others of 4096" },
    fact: "readRequest",
    on: ({ profile, largestMtu, bus }) => bus === "pcie" && largestMtu > STANDARD_MTU && profile.mac.readRequest.jumbo === 512,
  },
  reversedHash: {
    because: "The eight bytes of the multicast hash are in reverse order.",
    evidence: "FreeBSD if_re.c, re_set_rxmode",
    proof: { file: "src/driver/receive-filter.test.ts", title: "a PCI chip has the hash as it is, a PCI Express chip with its eight bytes in reverse order" },
    fact: "reversedHash",
    on: ({ profile }) => profile.frames.reversedHash,
  },
  brokenMulticastHash: {
    because: "The multicast hash passes nothing unless all of its bits are set. The driver sets them as soon as one group is wanted.",
    evidence: "Linux's r8169; FreeBSD if_re.c, there for both steppings of the 8168F",
    proof: { file: "src/driver/receive-filter.test.ts", title: "a chip whose hash does not work takes every group as soon as one is wanted" },
    fact: "allMulticastOnly",
    on: ({ profile }) => profile.frames.allMulticastOnly,
  },
  lastPieceLength: {
    because: "The last descriptor of a frame in several buffers has the length of its own piece; on older chips it has the length of the frame.",
    evidence: "DPDK net/r8169; FreeBSD if_re.c for older chips",
    proof: { file: "src/driver/receive-chains.test.ts", title: "a frame in several buffers comes out whole, whichever length its end has" },
    fact: "countsLastPiece",
    on: ({ profile }) => profile.frames.countsLastPiece,
  },
  fcsLeftOut: {
    because: "If another system has left RxFormat bit 0 set, lengths are without FCS. The driver clears it.",
    evidence: "DPDK 1e370595f4",
    proof: { file: "test/conformance/probe.test.ts", title: "RTL8125BP and later deliver frames with FCS whatever another system had configured" },
    fact: "dropBadFcs",
    on: ({ profile }) => profile.frames.hashedFormat === 4,
  },
  longDump: {
    because: "If another system has left the extended counters on, a dump has 192 bytes where 64 were asked for. The driver's buffer always has 192.",
    evidence: "CVE-2024-49973",
    proof: { file: "test/conformance/probe.test.ts", title: "a dump of 192 bytes, which another driver may have enabled, stays inside the driver's buffer" },
    fact: "EXTENDED_DUMP_BYTES",
    on: ({ profile }) => profile.tally.bytes === 192,
  },
  transmitConfigWhileOn: {
    because: "TxConfig and the transmit threshold take effect only while both directions are on. The driver writes them last.",
    evidence: "FreeBSD if_re.c, re_init_locked",
    proof: { file: "test/conformance/quirks.test.ts", title: "the PCI chips are configured once both directions are on, all others before" },
    fact: "configuredOnceOn",
    on: ({ profile }) => profile.mac.configuredOnceOn,
  },
  aspmStallsBus: {
    because: "With ASPM enabled in the chip, other PCI devices can lose access to the bus. The driver never enables it.",
    evidence: "reports from the field; Linux's r8169 excludes the same two chips",
    proof: { file: "test/conformance/aspm.test.ts", title: "the policy `full` is refused where ASPM cannot be had, and the one before stays" },
    fact: "aspmStallsBus",
    on: keys("rtl8168gu", "rtl8106eus"),
  },
  mdioGate: {
    because: "The management controller shares the PHY. The driver opens a gate for each access and closes it again.",
    evidence: LINUX,
    proof: { file: "src/driver/phy-bus.test.ts", title: "an RTL8168DP's gate is open for each access and closed again, also after one that never ends" },
    fact: "mdio-gated",
    on: ({ profile }) => profile.phyAccess === "mdio-gated",
  },
  busTiming: {
    because: "The timing of the PCI interface must fit the clock of the bus. The driver writes it at each start.",
    evidence: "FreeBSD if_re.c, re_init_locked",
    proof: { file: "src/driver/procedures.test.ts", title: "the bus timing of an RTL8169SC depends on the chip and on the clock of the bus" },
    fact: "pciTiming",
    on: ({ start }) => start.mac.some((step) => "call" in step && step.call.startsWith("pciTiming")),
  },
} as const satisfies Record<string, Quirk>;

export type QuirkName = keyof typeof QUIRKS;

/** The quirks of a chip, by name. */
export const quirksOf = (chip: Chip): readonly QuirkName[] =>
  (Object.keys(QUIRKS) as QuirkName[]).filter((name) => QUIRKS[name].on(chip));
