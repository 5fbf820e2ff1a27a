/**
 * Features of the drivers for this family. The other columns are from their sources: Linux 7.3's r8169,
 * Realtek's r8168 8.055, r8125 9.016, r8126 10.017 and r8127 11.015 for Linux, DPDK 26.11's net_r8169, FreeBSD's re(4)
 * and rge(4).
 */
import type { Shown } from "./shown.ts";

export interface Feature {
  readonly name: string;
  readonly linux: string;
  readonly vendor: string;
  readonly dpdk: string;
  readonly freebsd: string;
  /** The tests, and in a few words the extent; or why it is missing. */
  readonly ours: { readonly tests: readonly Shown[]; readonly note?: string } | { readonly missing: string };
}

const DIRECT = "test/conformance/direct.test.ts";
const SUITE = "test/conformance/conformance.ts";
const PROBE = "test/conformance/probe.test.ts";
const LINK = "test/conformance/link-settings.test.ts";
const SAVING = "test/conformance/power-saving.test.ts";
const LEDS = "test/conformance/leds.test.ts";
const FAULTS = "test/conformance/faults.test.ts";
const RECOVERY = "src/app/recovery.test.ts";

const shown = (file: string, ...titles: readonly string[]): { readonly tests: readonly Shown[] } => ({
  tests: titles.map((title) => ({ file, title })),
});

// prettier-ignore
// oxfmt-ignore
export const FEATURES: readonly Feature[] = [
  { name: "chips of the family", linux: "all but RTL8168KB, KD by name", vendor: "8168B and later", dpdk: "8168G and later, not 8411B", freebsd: "8139C+ to 8168; 8125, 8126, 8127 in part", ours: { ...shown(DIRECT, "is identified, has a link, passes frames both ways and fills in checksums"), note: "all, and RTL8139C+" } },
  { name: "unknown stepping", linux: "refused", vendor: "as the nearest", dpdk: "as the nearest", freebsd: "refused", ours: { ...shown(PROBE, "an unknown stepping is driven as the nearest of its family, and reported"), note: "as the nearest, with a warning" } },
  { name: "start-up of MAC, PCIe PHY and PHY", linux: "yes", vendor: "yes", dpdk: "yes", freebsd: "rge: yes", ours: { tests: [{ file: "test/state/state.test.ts", title: "" }], note: "[compared with Linux](state.md)" } },
  { name: "PHY and MAC firmware", linux: "files", vendor: "files or built in", dpdk: "built in", freebsd: "rge: built in", ours: { ...shown("test/guest/firmware.test.ts", "${chip.key} starts with ${file}, and links"), note: "Linux's files" } },
  { name: "sources of the MAC address", linux: "5", vendor: "5, EEPROM", dpdk: "3", freebsd: "2, EEPROM", ours: { ...shown("test/conformance/address.test.ts", "${key}: found in the ${place}"), note: "5, EEPROM" } },
  { name: "autonegotiation at every speed of the chip", linux: "yes", vendor: "yes", dpdk: "yes", freebsd: "yes", ours: shown(DIRECT, "links at every speed that the partner supports, and passes frames") },
  { name: "advertised modes chosen", linux: "yes", vendor: "yes", dpdk: "yes", freebsd: "yes", ours: shown(LINK, "each mode of the chip, advertised alone, is the mode of the link", "settings made before `up` apply at `up`, and survive an MTU change, down, up and a chip reset") },
  { name: "forced speed and duplex", linux: "yes", vendor: "yes", dpdk: "yes", freebsd: "yes", ours: { ...shown(LINK, "forced to 10 or 100 Mbit/s, it links without negotiation with a partner forced to the same"), note: "10 and 100 Mbit/s, the only speeds that IEEE 802.3 allows to be forced" } },
  { name: "modes of the partner shown", linux: "yes", vendor: "yes", dpdk: "no", freebsd: "no", ours: shown(LINK, "the link report has the modes of both ends") },
  { name: "PHY statistics", linux: "no", vendor: "no", dpdk: "no", freebsd: "no", ours: { ...shown(LINK, "counts link losses, also between two checks, and idle errors at 1000 Mbit/s"), note: "the error counters of IEEE 802.3's registers, and lost links" } },
  { name: "clock master or slave", linux: "yes", vendor: "no", dpdk: "no", freebsd: "re: yes", ours: { ...shown(LINK, "master and slave are resolved from the settings of both ends"), note: "1000 Mbit/s and faster" } },
  { name: "MDI, MDI-X", linux: "no", vendor: "no", dpdk: "no", freebsd: "auto", ours: { ...shown(LINK, "with manual MDI or MDI-X, it links if the two ends differ, and reports the setting"), note: "from RTL8211B on; no source gives the register of earlier and of Fast Ethernet PHYs" } },
  { name: "downshift", linux: "fixed, on", vendor: "fixed, on", dpdk: "no", freebsd: "no", ours: { ...shown(LINK, "a cable of two pairs carries 100 Mbit/s with downshift, and nothing without"), note: "8168E and later" } },
  { name: "fast retrain", linux: "no", vendor: "no", dpdk: "fixed", freebsd: "no", ours: { ...shown(LINK, "fast retrain is advertised at the advertised speeds above 1000, and not changed until it is set"), note: "2500 Mbit/s and faster" } },
  { name: "pause frames negotiated", linux: "yes", vendor: "yes", dpdk: "yes", freebsd: "rge: yes", ours: shown("src/driver/phy.test.ts", "pause is resolved by table 28B-3 of IEEE 802.3 for all sixteen pairs of abilities") },
  { name: "pause frames set by the user", linux: "yes", vendor: "module option", dpdk: "yes", freebsd: "no", ours: { ...shown(LINK, "advertises pause as set: table 28B-2 of IEEE 802.3", "pause cannot be set with jumbo frames, is not advertised while they are enabled, and is restored afterwards"), note: "the advertisement; the MAC takes pause from autonegotiation alone" } },
  { name: "PHY left in any state by another system", linux: "yes", vendor: "yes", dpdk: "yes", freebsd: "yes", ours: shown("test/conformance/phy-left.test.ts", "a PHY that was left ${state} has a link at full speed after") },
  { name: "PHY switched off by the board, dead controller", linux: "no", vendor: "yes", dpdk: "yes, no check of the controller", freebsd: "no", ours: { ...shown("test/conformance/phy-left.test.ts", "a PHY that the board disables is an error, and nothing is written to it"), note: "an error with a hint" } },
  { name: "fibre", linux: "8127ATF", vendor: "8168H with SGMII, 8127ATF", dpdk: "8127ATF", freebsd: "no", ours: { ...shown(LINK, "an RTL8127ATF runs its module at 10000 or 1000 Mbit/s, and rejects settings that a module does not have", "an RTL8116af has the one speed of its transceiver, and rejects every other setting"), note: "8127ATF at 10 and 1 Gbit/s, 8116af" } },
  { name: "checksums, transmit", linux: "yes", vendor: "yes", dpdk: "yes", freebsd: "yes", ours: shown(SUITE, "the NIC fills in the ${name} checksum over ${ip}") },
  { name: "checksums, receive", linux: "yes", vendor: "yes", dpdk: "yes", freebsd: "yes", ours: shown(SUITE, "reports whether the ${name} checksum over") },
  { name: "TCP segmentation, IPv4 and IPv6", linux: "yes", vendor: "yes", dpdk: "yes", freebsd: "re: yes", ours: shown(SUITE, "the NIC segments a super-frame over ${ip} with correct headers") },
  { name: "offloads combined, with fragments and tags", linux: "yes", vendor: "yes", dpdk: "yes", freebsd: "re: yes", ours: shown(SUITE, "every combination of checksum, segmentation and fragments, over") },
  { name: "chip errors avoided in software", linux: "yes", vendor: "yes", dpdk: "in part", freebsd: "in part", ours: shown("src/driver/offload-rules.test.ts", "checksums of frames below 60 bytes, or with padding after the packet, are computed in software", "the 8168E-VL does not segment IPv4 with options") },
  { name: "VLAN tags inserted and stripped", linux: "yes", vendor: "yes", dpdk: "yes", freebsd: "yes", ours: shown(SUITE, "the NIC inserts a tag, also into segments", "strips a VLAN tag and passes it with the frame") },
  { name: "two tags stripped", linux: "no", vendor: "8125 and later", dpdk: "no", freebsd: "no", ours: { missing: "not planned: the kernel's TAP passes one tag beside the frame" } },
  { name: "jumbo frames", linux: "yes", vendor: "yes", dpdk: "yes", freebsd: "yes", ours: shown(DIRECT, "sends and receives frames of its highest MTU") },
  { name: "receive filter", linux: "yes", vendor: "yes", dpdk: "yes", freebsd: "yes", ours: shown("test/e2e/filter.test.ts", "") },
  { name: "ring sizes", linux: "fixed, 256", vendor: "64 to 1024", dpdk: "to 4096", freebsd: "fixed, 256", ours: { ...shown("test/conformance/rings.test.ts", "${chip.key}: rings from 64 descriptors to the chip's limit hold as many frames, and can be changed while up"), note: "64 to the chip's limit, changed while up" } },
  { name: "frames in several receive buffers", linux: "no, buffers of 16 KiB", vendor: "yes", dpdk: "yes", freebsd: "yes", ours: shown("test/conformance/receive.test.ts", "${chip}: frames of any length are received whole, with buffers of any size") },
  { name: "hash of received frames", linux: "no", vendor: "8125 and later", dpdk: "8125 and later", freebsd: "no", ours: { ...shown("test/conformance/receive.test.ts", "${chip}: the hash of a frame is that of Microsoft's specification"), note: "8125 and later, for programs that use the library" } },
  { name: "damaged frames and the FCS on request", linux: "yes", vendor: "yes", dpdk: "FCS", freebsd: "no", ours: { ...shown("test/conformance/receive.test.ts", "${chip}: damaged frames are received on request, marked", "the FCS is at the end of each frame on request, also after an MTU change"), note: "for programs that use the library" } },
  { name: "several queues, RSS", linux: "in review, 8127", vendor: "4 receive, 2 transmit; 8168H and M by separate registers", dpdk: "4 receive, 2 transmit", freebsd: "no", ours: { tests: [...shown("test/conformance/queues.test.ts", "${chip.key}: the queue of a flow is the indirection table's entry for its Toeplitz hash (Microsoft's vectors)", "${chip.key}: ${receive} queues lose or duplicate no frame, and each flow stays in order", "${chip.key}: each of ${Math.min(receive, transmit)} transmit queues sends, with its own doorbell, and interrupts when done", "${chip.key}: key, table and queues survive reset and MTU change; a link change also interrupts").tests, ...shown("test/conformance/lent-queues.test.ts", "${chip.key}: a lent queue is interrupted by its own vector, and polled without reading a register").tests, ...shown("test/e2e/queue-threads.test.ts", "four queues with a thread each: new rings, another MTU, sleep and reset under traffic lose no frame uncounted").tests], note: "8125B and later: 4 receive and 2 transmit, RTL8127 8 and 8; `--queues`, polled by one thread or (`--threads each`) a thread each. Of the 8168H's and M's own queues, usable sources have only the registers' addresses" } },
  { name: "interrupt moderation", linux: "up to 8117", vendor: "fixed values", dpdk: "off", freebsd: "by timer", ours: { ...shown("test/conformance/moderation.test.ts", "${chip.key}: a delay coalesces several frames into one interrupt, separately for each direction", "${chip.key}: moderation survives a reset and an MTU change, and can be switched off", "${key}: adaptive moderation follows the frame rate"), note: "every chip but the RTL8139C+, which has none; fixed or by the frame rate; `ferrule ethtool -C`, and for programs that use the library" } },
  { name: "hardware counters", linux: "13", vendor: "13, and more from 8125 on", dpdk: "13", freebsd: "13", ours: { tests: [...shown(SUITE, "the chip's counters match the traffic on the cable").tests, ...shown("test/conformance/receive.test.ts", "${chip.key}: the counters include those of the long dump, whose setting is restored").tests], note: "13, and more from 8125 on" } },
  { name: "wake-on-LAN", linux: "5 forms", vendor: "5 forms, from power-off too", dpdk: "no", freebsd: "re: yes", ours: { ...shown("test/conformance/sleep.test.ts", "${chip.key} armed for ${form} is woken by that event only"), note: "5 forms" } },
  { name: "suspend and resume", linux: "yes", vendor: "yes", dpdk: "no", freebsd: "re: yes", ours: shown("test/conformance/sleep.test.ts", "${chip.key} resumes with its address, filter, MTU, rings and moderation") },
  { name: "sleep while there is no link", linux: "yes", vendor: "yes", dpdk: "no", freebsd: "no", ours: { ...shown("src/app/idle-sleep.test.ts", "${chip}: sleeps after some seconds without a link, and carries frames once it has one again"), note: "`--sleep-without-link`; the link is checked once a second" } },
  { name: "shutdown that leaves wake-up armed", linux: "yes", vendor: "yes", dpdk: "no", freebsd: "re: yes", ours: shown("test/conformance/sleep.test.ts", "${chip.key} after a shutdown has its own address, accesses no memory, and works with the next driver") },
  { name: "EEE", linux: "yes, timer fixed", vendor: "yes", dpdk: "off", freebsd: "off", ours: { ...shown(SAVING, "EEE is initially as under Linux, and each mode that is advertised alone makes the MAC idle at its speed", "the time before it idles follows the MTU until it is set, in microseconds at the speed of the link"), note: "8168E-VL and later; not the 8105E, 8106E and 8402, on which Linux keeps it off too" } },
  { name: "ALDPS, giga-lite", linux: "off", vendor: "module option", dpdk: "off", freebsd: "off", ours: { ...shown(SAVING, "ALDPS and giga-lite are off by default; on chips with a register for them, they can be switched, also across a reset"), note: "8168G and later; giga-lite 8168H and later" } },
  { name: "LEDs", linux: "8168B and later", vendor: "module option", dpdk: "no", freebsd: "no", ours: { ...shown(LEDS, "each LED shows the configured speeds and traffic, also after a reset", "one of four patterns is set for all LEDs, and kept; rules and blinking are rejected"), note: "no register has bits for 5 and 10 Gbit/s" } },
  { name: "self-test", linux: "no", vendor: "no", dpdk: "no", freebsd: "re: loopback, at attach", ours: { ...shown("test/conformance/self-test.test.ts", "offline it passes every test in steps of at most 5 ms, sends nothing on the wire, and gets its link back", "online it loses no frame and keeps the link"), note: "registers, DMA, interrupt, link, loopback of MAC and PHY" } },
  { name: "cable test", linux: "no", vendor: "in part", dpdk: "no", freebsd: "no", ours: { missing: "not planned: no source under a licence that permits using its facts names the registers" } },
  { name: "module information of fibre parts", linux: "no", vendor: "no", dpdk: "no", freebsd: "no", ours: { missing: "not possible: the chip has no access to the module's memory (SFF-8472), which needs an I²C bus that no source documents" } },
  { name: "identify by LED", linux: "no", vendor: "no", dpdk: "no", freebsd: "no", ours: { ...shown(LEDS, "blinks for the given time, and then returns to its previous state, also if aborted"), note: "8168B and later, with a link up to 2500 Mbit/s: the LED lights by the link speed" } },
  { name: "ASPM by policy", linux: "yes", vendor: "yes", dpdk: "clock request", freebsd: "no", ours: { ...shown("test/conformance/aspm.test.ts", "`auto` follows the system's setting of the link if the board is marked as validated", "`full` enables ASPM on any board, and it stays enabled across an MTU change"), note: "auto, off, full ([power.md](power.md))" } },
  { name: "latency tolerance reports (LTR)", linux: "yes", vendor: "yes", dpdk: "no", freebsd: "no", ours: { ...shown("test/derive/aspm.test.ts", "${chip.key}: ASPM and latency reports are enabled as Linux does"), note: "8168H, 8168EP and later; with ASPM" } },
  { name: "ethtool", linux: "23 operations", vendor: "about 32", dpdk: "–", freebsd: "sysctl", ours: { tests: [...shown("test/ethtool/ethtool.test.ts", "${chip}: each line equals the real one's, or its difference is explained").tests, ...shown("test/ethtool/switches.test.ts", "a reset keeps every setting").tests], note: "[25 flags, ethtool's own text](ethtool.md)" } },
  { name: "PTP hardware clock", linux: "no", vendor: "8125B and later, not 8125BP", dpdk: "no", freebsd: "no", ours: { ...shown("test/conformance/ptp.test.ts", "${chip.key}: the PTP clock is read, set, stepped and adjusted", "${chip.key}: PTP event messages are timestamped when sent and when received, other frames are not", "${chip.key}: time, rate and timestamps survive a reset, an MTU change, down and up"), note: "8125B and later, not 8125BP; [for programs that use the library](library.md#the-ptp-clock)" } },
  { name: "management controller (DASH)", linux: "3 kinds", vendor: "3 kinds, client", dpdk: "yes", freebsd: "re: yes", ours: { ...shown("src/driver/procedures-8168g.test.ts", "${key}: the management controller's transmitter and receiver are stopped"), note: "stopped while the driver uses the MAC" } },
  { name: "recovery of a NIC that fails", linux: "transmit watchdog, bus errors of PCI chips", vendor: "watchdog, ESD check", dpdk: "reset operation", freebsd: "watchdog", ours: { ...shown(RECOVERY, "after ${fault} frames pass with the users' settings, and ${cause} counts one", "a NIC whose memory accesses all fail is restarted as often as the budget allows, then given up"), note: "[by cause](recovery.md), with the link kept" } },
  { name: "lost interrupts and doorbells found", linux: "doorbells", vendor: "doorbells", dpdk: "polls", freebsd: "doorbells", ours: shown(RECOVERY, "an event whose interrupt was lost is found and counted; while interrupts are missing, the thread polls", "a lost doorbell is rung again and counted; frames are delayed, none is lost") },
  { name: "a card that leaves the bus and returns", linux: "detached after a bus reset has failed", vendor: "PCIe settings restored", dpdk: "no", freebsd: "no", ours: { ...shown(RECOVERY, "a removed card is waited for, and if it does not return the session ends"), note: "waits for a configurable time" } },
  { name: "frames lost by a reset counted", linux: "no", vendor: "no", dpdk: "no", freebsd: "no", ours: shown("test/conformance/exact-losses.test.ts", "sent + counted = given") },
  { name: "faults of the chip survived", linux: "–", vendor: "–", dpdk: "–", freebsd: "–", ours: shown(FAULTS, "${name}: ${FAULTS[name]}") },
  { name: "DMA confined by an IOMMU, required", linux: "if enabled", vendor: "if enabled", dpdk: "with vfio-pci", freebsd: "if enabled", ours: { tests: [{ file: "test/vfio/alone.test.ts", title: "" }] } },
];
