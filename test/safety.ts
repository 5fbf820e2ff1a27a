/**
 * Faults of the C driver for this family from 2004 to 2026, from its change log, kernel mail and CVE entries, and
 * faults that it may still have. Each entry states what prevents the fault in this driver, and which test shows that.
 */
import type { Shown } from "./shown.ts";

export type Class = "memory" | "device access" | "race" | "lifetime" | "hang" | "hardware" | "settings" | "accounting";

/** How the fault is prevented. */
export type Kept =
  /** The fault cannot be written, because of the language or a type, or because Ferrule has no such part. */
  | "impossible"
  /** The fault is detected where it would occur, and rejected, or counted and dropped. */
  | "checked"
  /** Nothing rules the fault out, but the driver does not have it, and a test would fail if it had. */
  | "tested";

export interface Hazard {
  readonly year: string;
  readonly what: string;
  readonly class: Class;
  readonly kept: Kept;
  readonly by: string;
  readonly tests: readonly Shown[];
}

const EXCHANGE = "src/driver/exchange.test.ts";
const RECEIVE = "src/driver/receive-ring.test.ts";
const CHAINS = "src/driver/receive-chains.test.ts";
const TRANSMIT = "src/driver/transmit-ring.test.ts";
const FIRMWARE = "src/driver/firmware.test.ts";
const RULES = "src/driver/offload-rules.test.ts";
const FAULTS = "test/conformance/faults.test.ts";
const SUITE = "test/conformance/conformance.ts";
const DIRECT = "test/conformance/direct.test.ts";
const PROBE = "test/conformance/probe.test.ts";
const QUIRKS = "test/conformance/quirks.test.ts";
const QUIET = "test/conformance/quiet.test.ts";
const SLEEP = "test/conformance/sleep.test.ts";
const STATE = "test/state/state.test.ts";
const DMA = "src/kit/dma.test.ts";
const RECOVERY = "src/app/recovery.test.ts";
const TYPES = "src/kit/mmio.types.ts";

const shown = (file: string, ...titles: readonly string[]): readonly Shown[] =>
  titles.map((title) => ({ file, title }));
const hazard = (
  year: string,
  of: Class,
  kept: Kept,
  what: string,
  by: string,
  ...tests: readonly (readonly Shown[])[]
): Hazard => ({
  year,
  class: of,
  kept,
  what,
  by,
  tests: tests.flat(),
});

const UNDER_FAULTS = shown(FAULTS, "${name}: ${FAULTS[name]}");
const HOSTILE = shown(RECEIVE, "whatever a hostile NIC writes back, every frame handed out is in a buffer of its own");
const STATES = shown(STATE, "${chip.key} is left as by ${source}, except for explained differences");

/** Faults that were fixed in the C driver. */
// prettier-ignore
// oxfmt-ignore
export const FIXED: readonly Hazard[] = [
  hazard("2004", "hardware", "tested", "bytes of the VLAN tag in the wrong order, and its descriptor bits", "the format of the tag and that of the descriptor are each defined once", shown(RECEIVE, "the bytes of a VLAN tag are swapped to host order"), shown(TRANSMIT, "the descriptor requests insertion of a VLAN tag, with its bytes swapped")),
  hazard("2005", "race", "impossible", "an interrupt handler runs while the MTU changes", "one thread owns the NIC, and handles an interrupt as an event between two steps", shown("test/safety.test.ts", "the driver has no lock, and waits for no other thread"), shown("test/conformance/exact-losses.test.ts", "whatever fails, and however the NIC is restarted, the numbers of sent and of counted lost frames add up to that of the given frames:")),
  hazard("2005", "hang", "tested", "a closed device raises interrupts without end", "down masks, acknowledges and resets the chip", shown(QUIET, "a NIC that is down sends no pause frame, writes no memory and raises no interrupt")),
  hazard("2005", "lifetime", "impossible", "closing is not synchronised with the interrupt handler, and does not match opening", "each resource has a scope, which releases it once, in reverse order", shown("src/kit/device.test.ts", "unbinding releases everything in reverse order, once")),
  hazard("2008", "memory", "impossible", "for a chip that is not in the table, the driver reads past the table's end", "a table is searched, not indexed; arrays have bounds", shown(PROBE, "a chip with an unknown XID is rejected with that XID, and not read beyond the first 256 bytes")),
  hazard("2008", "memory", "impossible", "an oops while the chip is being identified", "a value that may be missing is `undefined` in its type, and must be handled to compile", shown(PROBE, "every chip of the table is identified, including those that need more than the XID")),
  hazard("2008", "device access", "impossible", "a register is accessed with the wrong width", "a register's type has its width and its permitted accesses", shown(TYPES, "the command register has 8 bits"), shown("src/kit/mmio.test.ts", "every access reaches the bus once, with the register's own width and an unsigned value")),
  hazard("2009", "memory", "checked", "CVE-2009-1389: a frame longer than the buffer is written beyond it", "the chip gets the buffer's size in each descriptor and the longest frame in RxMaxSize; a length that exceeds the buffer is dropped", HOSTILE, shown("test/conformance/receive.test.ts", "a frame longer than the MTU allows is not received, even if it fits in several buffers")),
  hazard("2009", "memory", "checked", "CVE-2009-4537: a frame of a crafted size is written beyond its buffer, because the chip does not always obey RxMaxSize", "nothing relies on RxMaxSize: the descriptor's size limits each write, and an IOMMU limits the chip's accesses to the window", shown(RECEIVE, "parts of frames, and frames with an invalid length, are counted and dropped"), shown("test/conformance/receive.test.ts", "${chip}: frames of any length are received whole, with buffers of any size")),
  hazard("2009", "lifetime", "impossible", "CVE-2009-3613: DMA mappings leak under jumbo traffic until none are left", "frames need no mappings: one window is mapped for the lifetime of the device", shown(SUITE, "up and down a hundred times leaks no DMA memory"), shown("test/leaks.test.ts", "a thousand mappings made and released hold no memory")),
  hazard("2010", "race", "impossible", "recovery from a full FIFO and polling both advance the receive index", "one thread advances the index; a reset creates new rings", shown("test/conformance/exact-losses.test.ts", "whatever fails, and however the NIC is restarted, the numbers of sent and of counted lost frames add up to that of the given frames:")),
  hazard("2010", "hang", "tested", "a full receive FIFO stops the receiver", "a check once a second detects it and resets the chip", UNDER_FAULTS, shown(RECOVERY, "after ${fault}, frames pass with the users' settings, and ${cause} is 1")),
  hazard("2010", "hardware", "tested", "the bit that enables MSI is wrong", "the kernel enables MSI; chips on which it fails use INTx", shown(QUIRKS, "chips that lose MSI interrupts, and only these, use INTx")),
  hazard("2010", "memory", "impossible", "a DMA mapping that failed is used", "the path of a frame makes no mappings; an allocation that fails throws before anything is written", shown("test/conformance/rings.test.ts", "rings or an MTU for which there is no DMA memory are rejected, and the NIC keeps its old ones"), shown(DMA, "an exhausted window reports the purpose and the space left")),
  hazard("2010", "race", "tested", "memory and registers are written in the wrong order", "OWN is stored last, through Atomics where the processor may reorder, and the doorbell follows", shown(TRANSMIT, "a frame in one fragment is one descriptor with OWN, FS, LS and its length (weakly ordered: ${weaklyOrdered})"), shown(RECEIVE, "a frame is handed out without its FCS, and its slot goes back to the NIC with another buffer (${cpu})")),
  hazard("2011", "hardware", "tested", "wrong receive checksums are reported as good (three fixes)", "a table has the result for every value of the bits, and is compared with a second implementation", shown(SUITE, "reports whether the ${name} checksum over"), shown(RECEIVE, "the NIC's checksum results are passed on as flags: ${what}")),
  hazard("2019", "hardware", "tested", "MSI on chips before the 8168D loses interrupts; on the 8168C it was later enabled again", "a field of each chip's profile", shown(QUIRKS, "chips that lose MSI interrupts, and only these, use INTx")),
  hazard("2019", "hardware", "tested", "a page is read in the wrong place; a PHY's identifier is wrong", "only the bus that selects the page stores the selected page", shown("src/driver/phy-bus.test.ts", "the page is selected before the first access, when it changes, and again after a reset", "an RTL8168DP's gate is opened for each access and closed afterwards, even if the access times out")),
  hazard("2019", "settings", "tested", "wrong switches for jumbo frames on the 8168E-VL", "fields of each chip's profile; a test sends and receives frames of every chip's largest MTU", shown(DIRECT, "sends and receives frames of its highest MTU"), STATES),
  hazard("2019", "settings", "tested", "errors in the wake-up by a cable that is plugged in, and in reception for wake-up on the 8125", "the start is one list of steps, whatever state the chip is in", shown(SLEEP, "${chip.key} armed for ${form} is woken by that event only", "${chip.key} resumes with its address, filter, MTU, rings and moderation")),
  hazard("2019", "settings", "tested", "the EEE setting of the user is lost on restart", "each part stores its settings and writes them at every start", shown("test/conformance/power-saving.test.ts", "while EEE is off, it is not advertised; while it is on, its chosen modes are; both settings survive an MTU change, down and up")),
  hazard("2020", "hang", "tested", "scattered frames and segmentation make the transmitter hang on some chips; they were switched off by default", "known errors of each chip are avoided in software; a stalled transmitter is reset after 5 s", shown(RULES, "a super-frame with a short last segment is segmented in software on chips that pad with stale bytes"), shown(FAULTS, "${name}: ${FAULTS[name]}")),
  hazard("2020", "lifetime", "impossible", "the PHY's driver is a separate module, which may be missing", "the driver has its own PHY code", STATES),
  hazard("2020", "device access", "checked", "firmware leaves a virtual page selected, so the next register access goes to the wrong page", "each program starts and ends on page 0, and accesses only existing registers", shown(FIRMWARE, "PHY registers are on the last page selected, and page 0 is selected at the end", "whatever a firmware file contains, it is rejected, or its program ends and accesses only existing registers")),
  hazard("2020", "race", "impossible", "interrupt handlers fail if the kernel forces them into threads, also with a shared line (two fixes)", "there is no handler in interrupt context", shown("src/kit/line.test.ts", "a handler is not called while it runs; an event that arrives meanwhile is delivered after it returns")),
  hazard("2020", "memory", "impossible", "a frame is freed twice on an error path", "the driver frees no frames: a buffer is exchanged for another, and a buffer that is given twice is rejected", shown(TRANSMIT, "in any order of sending and completion, fragments are returned once, in order"), shown(EXCHANGE, "with `checked`, a buffer is rejected if it is in two entries, if the NIC owns it, or if the offset is inside the buffer")),
  hazard("2020", "hardware", "tested", "short frames are damaged by the 8125 and by checksum offload", "rules in each chip's profile", shown(RULES, "checksums of frames below 60 bytes, or with padding after the packet, are computed in software on the 8168E-VL, the 8125 and later"), shown(TRANSMIT, "a short frame is sent from a zero-padded copy, and the caller's buffer is returned")),
  hazard("2020", "hardware", "tested", "some UDP datagrams make the 8125 hang", "rules in each chip's profile", shown(RULES, "for the 8125A and 8125B, frames of up to 174 bytes are padded if the UDP header is incomplete or a PTP datagram is shorter than 47 bytes")),
  hazard("2021", "hardware", "tested", "power saving that does not work on some chips", "start-up values of each chip, compared with Linux's", STATES),
  hazard("2021", "device access", "tested", "a wrong command for the second register space of the 8117 (Linux: 8168FP)", "start-up values of each chip, compared with Linux's", STATES),
  hazard("2021", "memory", "tested", "DMA after the buffers were freed, when wake-up is armed", "before a buffer is freed, the chip is reset and bus mastering is off; a device without an owner accesses no memory", shown(SLEEP, "${chip.key} after a shutdown has its own address, accesses no memory, and works with the next driver"), shown(QUIET, "a NIC that is down sends no pause frame, writes no memory"), shown("test/conformance/checked-dma.test.ts", "memory that the chip has used is inaccessible to it as soon as it is freed")),
  hazard("2021", "settings", "tested", "pause is advertised with jumbo frames; read requests have a wrong size", "rules in each chip's profile", shown("src/driver/phy.test.ts", "pause is advertised in both directions, but not with jumbo frames"), shown(QUIRKS, "with jumbo frames the 8168B to 8168D use read requests of 512 bytes, all others of 4096")),
  hazard("2021", "memory", "impossible", "names of statistics are copied from beyond their array", "names are strings in the table that defines the counters", shown("src/chip/counters.test.ts", "the counters fill the dump without gap or overlap")),
  hazard("2021", "lifetime", "impossible", "a sysfs entry is created twice", "the driver accesses only its device, and nothing else of the system", shown("test/architecture.test.ts", "a room imports only from rooms below it, and only some may use node: modules")),
  hazard("2022", "memory", "checked", "a header offset that was never set is used", "offsets are found in the frame and checked against its length before use", shown("src/host/send-request.test.ts", "a virtio header that does not match its frame never leads to an access outside the frame")),
  hazard("2023", "memory", "tested", "a NIC that is reopened writes frames to old addresses", "bus mastering is enabled only after the new rings exist, and the chip is reset before it gets their addresses", shown(SUITE, "works after another driver has left the chip running, with rings that no longer exist"), shown(QUIET, "a frame in the FIFO or the ring when the NIC goes down is not delivered after the next start"), shown("test/vfio/alone.test.ts", "works after another driver has left the card running, with rings that no longer exist")),
  hazard("2023", "hardware", "tested", "CRC errors of the 8168H", "start-up values of each chip, compared with Linux's", STATES),
  hazard("2023", "race", "impossible", "several threads read, modify and write the same registers (three fixes)", "only one thread reads, modifies and writes such registers; others access only their own rings and doorbells", shown(TYPES, "PhyStatus is read-only"), shown("test/conformance/queues.test.ts", "${chip.key}: each of ${Math.min(receive, transmit)} transmit queues sends, with its own doorbell, and interrupts when done")),
  hazard("2023", "settings", "tested", "ASPM was switched during polling, which was reverted; wrong ASPM of two chips", "ASPM is not switched while frames are moved", STATES),
  hazard("2023", "race", "impossible", "data races on ring indices and on the descriptors of both rings (three fixes)", "one thread per ring; a word written by the device is read once, through Atomics", HOSTILE, shown(CHAINS, "a frame that the NIC is still writing is not handed out, and `receive` does not wait for it")),
  hazard("2023", "hardware", "tested", "reception does not work after the link was down (8125)", "a receiver that loses every frame is detected and reset", shown(SUITE, "the link follows the cable, also under traffic"), UNDER_FAULTS),
  hazard("2023", "settings", "tested", "no network after resume with a management controller, or with a disabled one", "each start requests the controller to stop, with a time limit", shown("src/driver/procedures-8168g.test.ts", "${key}: a management controller that does not stop is reported after a tenth of a second")),
  hazard("2023", "hang", "impossible", "a deadlock on close, and one with jumbo frames on the 8125", "the driver has no lock", shown("test/safety.test.ts", "the driver has no lock, and waits for no other thread")),
  hazard("2023", "hang", "tested", "after the transmitter has stalled, ASPM must be disabled", "the NIC is restarted a limited number of times, and ASPM is disabled", shown("test/conformance/aspm.test.ts", "a transmit time-out disables ASPM until a policy is set"), shown(RECOVERY, "after ${fault}, frames pass with the users' settings, and ${cause} is 1")),
  hazard("2023", "hang", "tested", "a suspended NIC floods the network with pause frames", "down and suspend reset the chip, and leave the receiver off unless wake-up needs it", shown(QUIET, "a NIC that is down sends no pause frame"), shown(SLEEP, "${chip.key} with nothing armed does not wake up, and its PHY is powered down")),
  hazard("2024", "hang", "tested", "a PCI error on resume; a long wait for the firmware of a disabled controller", "every wait has a limit", shown("src/driver/drain.test.ts", "never drains"), shown("src/kit/clock.test.ts", "a wait without a limit, or in steps of 0, is rejected")),
  hazard("2024", "device access", "tested", "the board's firmware leaves another page of the PHY selected (8168D)", "the page is selected before the first access", shown("src/driver/phy-bus.test.ts", "the page is selected before the first access, when it changes, and again after a reset")),
  hazard("2024", "lifetime", "impossible", "CVE-2024-27021: a deadlock when LEDs are removed with their device", "no object outlives the scope that created it, and there is no lock", shown("test/safety.test.ts", "the driver has no lock, and waits for no other thread"), shown("src/kit/device.test.ts", "a failure to release one resource does not prevent the release of the others")),
  hazard("2024", "memory", "impossible", "CVE-2024-38586: padding changes the number of fragments after it was read, so descriptors become invalid", "padding is decided before the first descriptor is written, and needs no additional one", shown(TRANSMIT, "the last fragment of a short frame in several fragments is sent from a copy", "a frame is sent only if all of its fragments are given and fit"), shown("test/conformance/transmit-rules.test.ts", "a frame of any length in any fragments is padded with zeros, and no byte after it is sent")),
  hazard("2024", "race", "tested", "interrupts are lost if polling is already scheduled; the change was reverted", "the ring is checked once more after interrupts are enabled; an interrupt that is lost nevertheless is detected", shown("src/app/napi.test.ts", "a frame that arrived just before interrupts were enabled keeps the thread from sleeping"), shown(RECOVERY, "an event whose interrupt was lost is found and counted; while interrupts are missing, the thread polls")),
  hazard("2024", "accounting", "tested", "a frame that is sent later is counted as dropped", "whatever fails, each frame given to the driver is either sent or counted as lost", shown("test/conformance/exact-losses.test.ts", "whatever fails, and however the NIC is restarted, the numbers of sent and of counted lost frames add up to that of the given frames:")),
  hazard("2024", "memory", "tested", "CVE-2024-49973: the chip dumps more counters than the memory holds", "the buffer has room for the longest dump on every chip", shown(PROBE, "a dump of 192 bytes, which another driver may have enabled, stays inside the driver's buffer")),
  hazard("2024", "hang", "tested", "false system errors of the 8117 (Linux: 8168FP) cause resets", "on that chip the driver acts only if PCI status shows the error too", shown("src/driver/events.test.ts", "a system error is handled, except on the two chips that raise it without a reason"), UNDER_FAULTS),
  hazard("2024", "hardware", "tested", "ALDPS is enabled on the 8125; UDP is padded on chips that do not need it", "fields of each chip's profile", shown("test/conformance/power-saving.test.ts", "${chip.key}: ALDPS and giga-lite are off by default; on chips with a register for them, they can be switched, also across a reset"), shown(RULES, "chips without faults refuse no offload, and need no padding by software")),
  hazard("2025", "device access", "impossible", "PHYs are probed at addresses without a PHY; a wrong timer of the PCIe PHY", "the PHY has one address, and no others are probed", shown("src/driver/phy-bus.test.ts", "a register beyond 31 is rejected before anything is written to it"), STATES),
  hazard("2025", "settings", "tested", "frames are truncated after hibernation: RxConfig is not restored", "a start writes every register, whatever its value", shown(SLEEP, "${chip.key} resumes with its address, filter, MTU, rings and moderation"), shown(SUITE, "works after another driver has left the chip running, with rings that no longer exist")),
  hazard("2026", "settings", "tested", "wrong ratio of speeds for EEE; wrong wake-up of the 8117 with a management controller", "values of each chip, compared with Linux's", STATES),
];

/** Hazards that remain in the C driver of Linux 7.3, found by reading its source. */
// prettier-ignore
// oxfmt-ignore
export const OPEN_IN_C: readonly Hazard[] = [
  hazard("7.3", "memory", "checked", "if the device reports a length below that of the FCS, nearly 4 GiB are copied", "a length must be at least an Ethernet header after the FCS is subtracted", shown(RECEIVE, "parts of frames, and frames with an invalid length, are counted and dropped"), HOSTILE),
  hazard("7.3", "memory", "checked", "the ownership, lengths and indices that the device writes are trusted completely", "each word is read once, checked against what was posted, and only then used; an IOMMU is required unless --unsafe-noiommu", HOSTILE, shown(CHAINS, "${name}: whatever a hostile NIC writes back, each entry is in a buffer of its own, and no buffer is lost"), shown("test/vfio/alone.test.ts", "cannot access other memory: the IOMMU blocks it, the kernel logs it, nothing is sent")),
  hazard("7.3", "device access", "impossible", "a read that times out returns all ones, which are modified and written back", "a read that times out throws: there is no value to write", shown(QUIET, "if the read of a read-modify-write times out, nothing is written")),
  hazard("7.3", "hang", "checked", "a wait of up to 100 s for the management controller; polls of 10 ms during a reset", "every wait has a limit: 0.1 to 150 ms, and up to 0.6 s for a PHY's reset; a firmware program has a separate limit", shown("src/driver/procedures-8168g.test.ts", "${key}: a management controller that does not stop is reported after a tenth of a second"), shown("src/driver/phy.test.ts", "a PHY that stays in reset is abandoned after half a second")),
  hazard("7.3", "hang", "checked", "the firmware interpreter has no limit and no bounds", "a file is first checked as a whole; its program has ranges, and a limit of steps and time", shown(FIRMWARE, "a program that never ends is stopped, by the limit of its steps or of its time", "every error in a file is detected before the program runs")),
  hazard("7.3", "device access", "impossible", "an error code is used as the value of a PHY register", "errors are thrown, not returned", shown(QUIET, "if the read of a read-modify-write times out, nothing is written"), shown("src/driver/phy-bus.test.ts", "an access that never completes is abandoned after 2 ms")),
  hazard("7.3", "settings", "tested", "moderation is lost on reset; a PCIe PHY register number above its mask addresses another register", "settings are written at each start; the bank is part of a register's address", shown("test/conformance/moderation.test.ts", "${chip.key}: moderation survives a reset and an MTU change, and can be switched off"), STATES),
];

/** Faults that none of these measures prevents. */
export const REMAINDER: readonly string[] = [
  "`src/sys` calls C through `node:ffi`. Its `SAFETY:` lines, the engine, the kernel and the C library are trusted ([soundness.md](soundness.md#what-is-trusted)).",
  "The rings and the network side index the DMA window as words. A wrong index reads or writes another frame's bytes in that window, but never other memory. The property tests of both rings check for wrong indices.",
  "Without an IOMMU (`--unsafe-noiommu`) the chip can write anywhere, as under C.",
  "“Impossible” refers to the mechanism of a fault, not to its symptom. A thread can still hang in its own loop, and memory still leaks if it is never released. Time limits and leak tests protect against both.",
  "Rows of the class “hardware” depend on values from public sources and on a model. Model and driver may share a misunderstanding. Tests with Linux, DPDK and QEMU make that less likely. No real card has been driven so far.",
  "If the PHY loses its tuning but links with its power-on settings, and these read like the settings for jumbo frames, the driver does not notice.",
];
