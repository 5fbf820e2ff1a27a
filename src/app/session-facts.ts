/** A session's reports about its NIC: when the NIC is up, and when something has changed. */
import { quirksOf } from "#chip/quirks.ts";
import type { Nic } from "#driver/rtl8169.ts";
import { formatMac } from "#wire/mac.ts";
import type { OffloadSwitches } from "./offload-switches.ts";
import type { DriverTask } from "./session-messages.ts";
import type { SessionEvent, SessionFacts } from "./session.ts";

export class FactsReader {
  readonly #nic: Nic;
  readonly #switches: Pick<OffloadSwitches, "inUse">;
  readonly #names: readonly [device: string, interfaceName: string];
  /** The NIC's address; it is cached, because a card that sleeps or is gone cannot be read. */
  #mac: string;
  /** The facts that were read last, as JSON. */
  #last = "";

  constructor(nic: Nic, switches: Pick<OffloadSwitches, "inUse">, names: readonly [string, string]) {
    this.#nic = nic;
    this.#switches = switches;
    this.#names = names;
    this.#mac = formatMac(nic.address);
  }

  /** The NIC's address. Must be set when it has changed. */
  set address(mac: Uint8Array) {
    this.#mac = formatMac(mac);
  }

  /** Reads the facts of a NIC that is up. */
  read(): SessionFacts {
    const nic = this.#nic;
    const [device, interfaceName] = this.#names;
    const facts = {
      device,
      chip: nic.chip.name,
      xid: nic.xid,
      mac: this.#mac,
      interfaceName,
      ringSlots: nic.slots,
      queues: { receive: nic.queues.length, transmit: nic.queues.filter(({ link }) => link.sends).length },
      offloads: this.#switches.inUse,
    };
    this.#last = JSON.stringify(facts);
    return facts;
  }

  /**
   * The facts if they have changed since they were last read. Undefined if they have not changed, if they were never
   * read, or if the NIC is down.
   */
  changed(): SessionFacts | undefined {
    if (this.#last === "" || !this.#nic.running) return undefined;
    const before = this.#last;
    const facts = this.read();
    return this.#last === before ? undefined : facts;
  }
}

type Started = { readonly aspm: Pick<Nic["aspm"], "state"> } & Pick<
  Nic,
  "address" | "chip" | "firmware" | "permanentAddress" | "unknownStepping" | "xid"
>;

/** Events about the start of the NIC: quirks, firmware, ASPM, warnings. */
export const startEvents = (
  nic: Started,
  { address, device }: Pick<DriverTask, "address" | "device">,
): readonly SessionEvent[] => {
  const events: SessionEvent[] = [];
  const names = quirksOf(nic.chip);
  if (names.length > 0) events.push({ kind: "quirks", names });
  if (nic.permanentAddress === undefined && address === undefined)
    events.push({
      kind: "warning",
      message: `the card has no MAC address; a random one is used: ${formatMac(nic.address)}`,
      hint: "Set a permanent one: --mac 02:00:5e:10:00:01.",
    });
  if (nic.unknownStepping)
    events.push({
      kind: "warning",
      message: `unknown stepping (XID ${nic.xid.toString(16)}); the card is driven as an ${nic.chip.name}`,
      hint: "Please send the output of `ferrule report`: see CONTRIBUTING.md, “An unknown chip”.",
    });
  const { firmware } = nic.chip;
  if (nic.firmware !== undefined && firmware !== undefined)
    events.push({ kind: "firmware", file: firmware, version: nic.firmware });
  // A model's PHY works without firmware, so missing firmware is reported only for a real card.
  else if (firmware !== undefined && device.bus === "vfio")
    events.push({
      kind: "warning",
      message: `${firmware} is not installed; the PHY runs without its firmware`,
      hint: "Install it: sudo apt install firmware-realtek (Debian, non-free-firmware) or linux-firmware.",
    });
  const { allowed, because, link } = nic.aspm.state;
  if (link !== undefined)
    events.push({
      kind: "note",
      message: `ASPM ${allowed ? "on" : "off"} in the chip: ${because}; the system allows ${link} on the link`,
    });
  return events;
};
