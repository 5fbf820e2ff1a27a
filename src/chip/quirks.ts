/**
 * Quirks by name, with the reason for each. For most, the driver reads a field of the profile; a quirk that only some
 * chips of a die have is looked up here by name.
 */
import type { Chip, ChipKey } from "./chips.ts";
import { STANDARD_MTU } from "./frames.ts";

export interface Quirk {
  /** What the chip does, and how the driver handles it. */
  readonly because: string;
  readonly evidence: string;
  /** A test that fails if the driver does not handle the quirk. */
  readonly proof: { readonly file: string; readonly title: string };
  /**
   * A name in the driver's source that shows that the driver handles the quirk: a field of the profile, a constant, or
   * the quirk's own name.
   */
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
    because: "SYSErr is sometimes set without an error. The driver does not enable the interrupt of SYSErr, but polls the bit once a second. As on every chip, it resets the chip only if PCI status reports an error, too.",
    evidence: "reports from users; for this reason Linux's r8169 ignores SYSErr on every PCI Express chip. FreeBSD's re(4) resets the chip on SYSErr",
    proof: { file: "src/driver/events.test.ts", title: "a system error is handled, except on the two chips that raise it without a reason" },
    fact: "spuriousSystemError",
    on: keys("rtl8117-54a", "rtl8117-54b"),
  },
  brokenMsi: {
    because: "MSI interrupts get lost. The driver uses INTx.",
    evidence: `${LINUX}, from version 5.2 on`,
    proof: { file: "test/conformance/quirks.test.ts", title: "chips that lose MSI interrupts, and only these, use INTx" },
    fact: "interrupts",
    on: ({ bus, interrupts }) => bus === "pcie" && interrupts === "intx",
  },
  lostDoorbell: {
    because: "A doorbell write soon after another can be lost. If some frames were sent since the last check, but not all, the driver rings the doorbell again.",
    evidence: `${LINUX}; on chips that do not need it, the second write is harmless`,
    proof: { file: "src/driver/transmit-ring.test.ts", title: "`sent` rings the doorbell again if some frames were sent, but not all" },
    fact: "doorbell",
    on: ({ bus, profile }) => bus === "pcie" && profile.mac.doorbell === "TxPoll",
  },
  stalePadding: {
    because: "The chip pads short frames with old contents of the FIFO. The driver pads them with zeros to 60 bytes, and software segments super-frames whose last segment would be shorter.",
    evidence: "FreeBSD if_re.c (these chips lack RL_FLAG_AUTOPAD); Linux's r8169 pads on the same chips",
    proof: { file: "src/driver/transmit-ring.test.ts", title: "a short frame is sent from a zero-padded copy, and the caller's buffer is returned" },
    fact: "padding",
    on: ({ profile }) => profile.frames.padding === "stale",
  },
  damagedShortSums: {
    because: "A frame shorter than 42 bytes is damaged if its checksum is offloaded. Software computes the checksum; it does so for frames below 60 bytes on every chip.",
    evidence: "FreeBSD if_re.c, re_encap",
    proof: { file: RULES, title: "checksums of frames below 42 bytes are computed in software on the PCI chips and the first PCI Express chips" },
    fact: "damagesShortFrames",
    on: ({ profile }) => profile.frames.damagesShortFrames,
  },
  summedPadding: {
    because: "TCP and UDP checksums are computed as if the packet ended at the end of the frame. Software computes them for packets that end earlier.",
    evidence: "Linux's r8169 and Realtek's drivers leave padded frames to software on these chips",
    proof: { file: RULES, title: "checksums of frames below 60 bytes, or with padding after the packet, are computed in software on the 8168E-VL, the 8125 and later" },
    fact: "checksumsPadding",
    on: ({ profile }) => profile.frames.checksumsPadding,
  },
  shortUdpStopsTransmitter: {
    because: "UDP datagrams with an incomplete header, or of fewer than 47 bytes to the PTP ports, can stop the transmitter. The driver pads frames below 175 bytes to a complete UDP header, or 47 bytes for PTP, and software computes their checksums.",
    evidence: "DPDK net/r8169, rtl8125_get_patch_pad_len; Linux's r8169",
    proof: { file: RULES, title: "for the 8125A and 8125B, frames of up to 174 bytes are padded if the UDP header is incomplete or a PTP datagram is shorter than 47 bytes" },
    fact: "hangsOnShortUdp",
    on: ({ profile }) => profile.frames.hangsOnShortUdp,
  },
  unsummedOptions: {
    because: "The chip leaves options out of the IPv4 header checksum that it computes. So software computes the checksums of packets with options, and segments such super-frames.",
    evidence: "FreeBSD if_re.c (8168C)",
    proof: { file: RULES, title: "checksums and segmentation of IPv4 packets with options are done in software on the 8168C" },
    fact: "checksumOmitsOptions",
    on: ({ profile }) => profile.frames.checksumOmitsOptions,
  },
  segmentsPlainOnly: {
    because: "Segmentation fails with IPv4 options, with TCP options over IPv4, and when the last segment has six bytes or fewer. Software segments such packets.",
    evidence: LINUX,
    proof: { file: RULES, title: "the 8168E-VL does not segment IPv4 with options in either header, nor if the last segment has six bytes or fewer" },
    fact: "segmentsPlainOnly",
    on: ({ profile }) => profile.frames.segmentsPlainOnly,
  },
  firstTransmitFormat: {
    because: "Descriptors of the first format do not state where the headers are, and do not support IPv6. Software does all offloads for IPv6 and for frames with an in-band VLAN tag, and segments super-frames above 32,000 bytes or 24 segments (other chips: 64,000 and 64).",
    evidence: "RTL8169 data sheet; QEMU's RTL8139C+ does not parse headers after a VLAN tag; the limits are those of Linux's r8169",
    proof: { file: RULES, title: "no offload is requested for frames with an in-band VLAN tag from chips that parse the headers themselves" },
    fact: "transmitFormat",
    on: ({ profile }) => profile.frames.transmitFormat === 1,
  },
  noJumboSums: {
    because: "Transmit checksum offload does not work above an MTU of 1500, so software computes checksums.",
    evidence: "Linux's r8169, Realtek's drivers, FreeBSD if_re.c",
    proof: { file: RULES, title: "above an MTU of 1500, PCI chips offer checksums and segmentation, the 8125 and later only checksums, and other chips neither" },
    fact: "checksumsJumbo",
    on: ({ profile, largestMtu }) => largestMtu > STANDARD_MTU && !profile.frames.checksumsJumbo,
  },
  noJumboSegments: {
    because: "Segmentation does not work above an MTU of 1500, so software segments super-frames. Above an MTU of 2047, software does so on every chip.",
    evidence: "Linux's r8169, Realtek's drivers",
    proof: { file: RULES, title: "above an MTU of 1500, PCI chips offer checksums and segmentation, the 8125 and later only checksums, and other chips neither" },
    fact: "segmentsJumbo",
    on: ({ profile, largestMtu }) => largestMtu > STANDARD_MTU && !profile.frames.segmentsJumbo,
  },
  noJumboPause: {
    because: "Flow control does not work with jumbo frames. The driver does not advertise pause above an MTU of 1500.",
    evidence: LINUX,
    proof: { file: "src/driver/phy.test.ts", title: "pause is advertised in both directions, but not with jumbo frames" },
    fact: "STANDARD_MTU",
    on: ({ largestMtu }) => largestMtu > STANDARD_MTU,
  },
  jumboReadsLockUp: {
    because: "With jumbo frames and large PCI Express read requests the chip locks up. The driver then limits requests to 512 bytes.",
    evidence: "FreeBSD if_re.c, re_set_jumbo; Linux's r8169",
    proof: { file: "test/conformance/quirks.test.ts", title: "with jumbo frames the 8168B to 8168D use read requests of 512 bytes, all others of 4096" },
    fact: "readRequest",
    on: ({ profile, largestMtu, bus }) => bus === "pcie" && largestMtu > STANDARD_MTU && profile.mac.readRequest.jumbo === 512,
  },
  reversedHash: {
    because: "The eight bytes of the multicast hash filter are in reverse order.",
    evidence: "FreeBSD if_re.c, re_set_rxmode",
    proof: { file: "src/driver/receive-filter.test.ts", title: "the eight bytes of the hash filter are in reverse order on PCI Express chips" },
    fact: "reversedHash",
    on: ({ profile }) => profile.frames.reversedHash,
  },
  brokenMulticastHash: {
    because: "The multicast hash filter passes nothing unless all of its bits are set. The driver sets all of them as soon as one group is joined.",
    evidence: "Linux's r8169; FreeBSD if_re.c (for both steppings of the 8168F)",
    proof: { file: "src/driver/receive-filter.test.ts", title: "a chip with a broken hash filter accepts every group once one is joined" },
    fact: "allMulticastOnly",
    on: ({ profile }) => profile.frames.allMulticastOnly,
  },
  lastPieceLength: {
    because: "If a frame is in several buffers, its last descriptor reports the length of the last piece. On older chips it reports the length of the frame.",
    evidence: "DPDK net/r8169; FreeBSD if_re.c for older chips",
    proof: { file: "src/driver/receive-chains.test.ts", title: "a frame in several buffers is handed out whole, whether its last descriptor reports the frame's length or its last piece's" },
    fact: "countsLastPiece",
    on: ({ profile }) => profile.frames.countsLastPiece,
  },
  fcsLeftOut: {
    because: "If another operating system has left RxFormat bit 0 set, lengths exclude the FCS. The driver clears the bit.",
    evidence: "DPDK 1e370595f4",
    proof: { file: "test/conformance/probe.test.ts", title: "on the RTL8125BP and later, bring-up turns off the mode in which lengths exclude the FCS" },
    fact: "dropBadFcs",
    on: ({ profile }) => profile.frames.hashedFormat === 4,
  },
  longDump: {
    because: "If another operating system has left the extended counters enabled, a dump has 192 bytes where 64 are expected. The driver's buffer always has 192.",
    evidence: "CVE-2024-49973",
    proof: { file: "test/conformance/probe.test.ts", title: "a dump of 192 bytes, which another driver may have enabled, stays inside the driver's buffer" },
    fact: "EXTENDED_DUMP_BYTES",
    on: ({ profile }) => profile.tally.bytes === 192,
  },
  transmitConfigWhileOn: {
    because: "TxConfig and the transmit threshold take effect only while both directions are on. The driver writes them last.",
    evidence: "FreeBSD if_re.c, re_init_locked",
    proof: { file: "test/conformance/quirks.test.ts", title: "the PCI chips are configured after both directions are enabled, all others before" },
    fact: "configuredOnceOn",
    on: ({ profile }) => profile.mac.configuredOnceOn,
  },
  aspmStallsBus: {
    because: "With ASPM enabled in the chip, other PCI devices can lose access to the bus. The driver never enables ASPM on these chips.",
    evidence: "reports from users; Linux's r8169 excludes the same two chips",
    proof: { file: "test/conformance/aspm.test.ts", title: "the policy `full` is rejected on chips without ASPM, and the previous one stays" },
    fact: "aspmStallsBus",
    on: keys("rtl8168gu", "rtl8106eus"),
  },
  mdioGate: {
    because: "The management controller shares the PHY. The driver opens a gate for each access and closes it afterwards.",
    evidence: LINUX,
    proof: { file: "src/driver/phy-bus.test.ts", title: "an RTL8168DP's gate is opened for each access and closed afterwards, even if the access times out" },
    fact: "mdio-gated",
    on: ({ profile }) => profile.phyAccess === "mdio-gated",
  },
  busTiming: {
    because: "The timing of the PCI interface must match the bus clock. The driver writes the timing at each start.",
    evidence: "FreeBSD if_re.c, re_init_locked",
    proof: { file: "src/driver/procedures.test.ts", title: "the bus timing of an RTL8169SC depends on the chip and on the bus clock" },
    fact: "pciTiming",
    on: ({ start }) => start.mac.some((step) => "call" in step && step.call.startsWith("pciTiming")),
  },
} as const satisfies Record<string, Quirk>;

export type QuirkName = keyof typeof QUIRKS;

/** The quirks of a chip, by name. */
export const quirksOf = (chip: Chip): readonly QuirkName[] =>
  (Object.keys(QUIRKS) as QuirkName[]).filter((name) => QUIRKS[name].on(chip));
