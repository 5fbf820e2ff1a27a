/**
 * Offloads that users switch on and off. Some are in the NIC, some are work that the TAP leaves to this process, and
 * some are done by the kernel on the TAP.
 */
import { ALL_MULTICAST, type ReceiveFilter } from "#driver/receive-filter.ts";
import type { Nic } from "#driver/rtl8169.ts";
import type { UplinkSwitches } from "#host/tap-uplink.ts";
import { deviceFeatures, type DeviceFeature, setDeviceFeatures } from "#sys/device-features.ts";
import type { Tap } from "#sys/tap.ts";
import { FEATURES, type FeatureName } from "./ethtool/feature-names.ts";

export interface FeatureState {
  readonly active: boolean;
  readonly requested: boolean;
  /** Whether the feature cannot be changed. */
  readonly fixed: boolean;
}
export type FeatureStates = Readonly<Record<FeatureName, FeatureState>>;

/** Features that the kernel implements on the interface, whatever the NIC supports. */
const KERNELS: readonly FeatureName[] = [
  "tx-scatter-gather",
  "tx-generic-segmentation",
  "tx-nocache-copy",
  "rx-gro-list",
  "rx-udp-gro-forwarding",
];

/**
 * Features that driver and uplink implement. The value is the TAP's feature that makes the kernel leave the work to
 * this process, if there is one.
 */
const OURS = {
  "tx-checksum-ipv4": "tx-checksum-ip-generic",
  "tx-checksum-ipv6": "tx-checksum-ip-generic",
  "tx-vlan-hw-insert": undefined,
  "rx-vlan-hw-parse": undefined,
  "rx-gro": undefined,
  "tx-tcp-segmentation": "tx-tcp-segmentation",
  "tx-tcp6-segmentation": "tx-tcp6-segmentation",
  "rx-checksum": undefined,
  "rx-fcs": undefined,
  "rx-all": undefined,
} as const satisfies Partial<Record<FeatureName, FeatureName | undefined>>;
type Ours = keyof typeof OURS;
const isOurs = (name: string): name is Ours => Object.hasOwn(OURS, name);
/** Features that are off by default: reception of damaged frames, and of the FCS. */
const INITIALLY_OFF: readonly string[] = ["rx-fcs", "rx-all"];

const ABSENT: FeatureState = { active: false, requested: false, fixed: true };

export class OffloadSwitches {
  readonly #nic: Nic;
  readonly #tap: Tap;
  #filter = ALL_MULTICAST;
  readonly #changed: (switches: UplinkSwitches) => void;
  readonly #wanted = new Map<Ours, boolean>(
    (Object.keys(OURS) as Ours[]).map((name) => [name, !INITIALLY_OFF.includes(name)]),
  );

  /** @param parts `changed` passes the new switches to the present uplink, if there is one */
  constructor(parts: { nic: Nic; tap: Tap; changed: (switches: UplinkSwitches) => void }) {
    this.#nic = parts.nic;
    this.#tap = parts.tap;
    this.#changed = parts.changed;
  }

  /**
   * Offloads that the uplink leaves to the NIC. Segmentation is off without checksums, because the kernel requests it
   * only together with them.
   */
  get uplink(): UplinkSwitches {
    const on = (name: Ours): boolean => this.#wanted.get(name) === true;
    const checksum = on("tx-checksum-ipv4") || on("tx-checksum-ipv6");
    return {
      checksum,
      tso4: on("tx-tcp-segmentation") && on("tx-checksum-ipv4"),
      tso6: on("tx-tcp6-segmentation") && on("tx-checksum-ipv6"),
      insertTag: on("tx-vlan-hw-insert"),
      verified: on("rx-checksum"),
      merge: on("rx-gro"),
    };
  }

  /** Names of the offloads in use, as listed in `SessionFacts`. */
  get inUse(): readonly string[] {
    const { checksum, tso4, tso6, insertTag, verified } = this.uplink;
    const { offloads } = this.#nic;
    const active = {
      "rx-checksum": verified,
      "tx-checksum": checksum && offloads.checksum,
      tso4: tso4 && offloads.segmentation,
      tso6: tso6 && offloads.segmentation && offloads.ipv6,
      "vlan-insert": insertTag,
      "vlan-strip": this.#wanted.get("rx-vlan-hw-parse") === true,
      scatter: true,
    };
    return Object.entries(active).flatMap(([name, on]) => (on ? [name] : []));
  }

  /** Combines the filter that users set on the interface with the switches of this object. */
  filtered(filter: ReceiveFilter): ReceiveFilter {
    this.#filter = filter;
    return { ...filter, damaged: this.#wanted.get("rx-all") === true, fcs: this.#wanted.get("rx-fcs") === true };
  }

  /** @throws {SystemError} */
  states(): FeatureStates {
    const kernels = this.#tap.withInterfaces((interfaces, name) => deviceFeatures(interfaces, name));
    return Object.fromEntries(FEATURES.map((name) => [name, this.#state(name, kernels)])) as FeatureStates;
  }

  /**
   * Sets features; those that cannot be changed keep their state.
   * @throws {SystemError}
   */
  set(wanted: Readonly<Record<string, boolean>>): void {
    for (const [name, on] of Object.entries(wanted)) if (isOurs(name)) this.#wanted.set(name, on);
    const nic = this.#nic;
    nic.receiveOffloads.set({
      checksum: this.#wanted.get("rx-checksum") === true,
      stripTag: this.#wanted.get("rx-vlan-hw-parse") === true,
    });
    nic.filter = this.filtered(this.#filter);
    this.#changed(this.uplink);
    const kernels = Object.fromEntries(
      Object.entries(wanted).filter(([name]) => KERNELS.some((each) => each === name)),
    );
    if (Object.keys(kernels).length > 0)
      this.#tap.withInterfaces((interfaces, name) => setDeviceFeatures(interfaces, name, kernels));
  }

  /**
   * Whether the chip supports the feature at all, and whether it supports it at the present MTU: some chips lose an
   * offload with jumbo frames.
   */
  #ability(name: Ours): { readonly ever: boolean; readonly now: boolean } {
    const { offloads, chip } = this.#nic;
    const { checksum, segmentation, ipv6 } = offloads;
    const second = chip.profile.frames.transmitFormat === 2;
    const abilities: Partial<Record<Ours, { readonly ever: boolean; readonly now: boolean }>> = {
      "tx-checksum-ipv4": { ever: true, now: checksum },
      "tx-checksum-ipv6": { ever: second, now: checksum && ipv6 },
      "tx-tcp-segmentation": { ever: true, now: segmentation },
      "tx-tcp6-segmentation": { ever: second, now: segmentation && ipv6 },
    };
    return abilities[name] ?? { ever: true, now: true };
  }

  #state(name: FeatureName, kernels: ReadonlyMap<string, DeviceFeature>): FeatureState {
    // Descriptors of all chips have 64-bit addresses.
    if (name === "highdma") return { active: true, requested: true, fixed: true };
    if (isOurs(name)) {
      const { ever, now } = this.#ability(name);
      if (!ever) return ABSENT;
      const requested = this.#wanted.get(name) === true;
      const asks = OURS[name];
      const asked = asks === undefined || kernels.get(asks)?.active === true;
      return { active: requested && now && asked, requested, fixed: false };
    }
    const kernel = KERNELS.includes(name) ? kernels.get(name) : undefined;
    if (kernel === undefined) return ABSENT;
    return { active: kernel.active, requested: kernel.requested, fixed: !kernel.changeable };
  }
}
