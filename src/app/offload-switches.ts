/**
 * Offloads that users switch on and off. The NIC and this process execute most of them; the kernel executes the rest on
 * the TAP.
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
const KERNEL_FEATURES: readonly FeatureName[] = [
  "tx-scatter-gather",
  "tx-generic-segmentation",
  "tx-nocache-copy",
  "rx-gro-list",
  "rx-udp-gro-forwarding",
];

/**
 * Features that driver and uplink implement. The value of each is the TAP's feature that makes the kernel leave the
 * work to this process, if there is one.
 */
const DRIVER_FEATURES = {
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
type DriverFeature = keyof typeof DRIVER_FEATURES;
const isDriverFeature = (name: string): name is DriverFeature => Object.hasOwn(DRIVER_FEATURES, name);
/** Features that are off by default: reception of damaged frames, and of the FCS. */
const INITIALLY_OFF: readonly string[] = ["rx-fcs", "rx-all"];

const ABSENT: FeatureState = { active: false, requested: false, fixed: true };

export class OffloadSwitches {
  readonly #nic: Nic;
  readonly #tap: Tap;
  #filter = ALL_MULTICAST;
  readonly #changed: (switches: UplinkSwitches) => void;
  readonly #requested = new Map<DriverFeature, boolean>(
    (Object.keys(DRIVER_FEATURES) as DriverFeature[]).map((name) => [name, !INITIALLY_OFF.includes(name)]),
  );

  /** @param parts `changed` passes the new switches to the present uplink, if there is one */
  constructor(parts: { nic: Nic; tap: Tap; changed: (switches: UplinkSwitches) => void }) {
    this.#nic = parts.nic;
    this.#tap = parts.tap;
    this.#changed = parts.changed;
  }

  /**
   * The state of the link, and the offloads that the uplink leaves to the NIC. Segmentation is off while checksums are
   * off, because the kernel requests segmentation only together with checksums.
   */
  get uplink(): UplinkSwitches {
    const on = (name: DriverFeature): boolean => this.#requested.get(name) === true;
    const checksum = on("tx-checksum-ipv4") || on("tx-checksum-ipv6");
    return {
      carrier: this.#nic.link.up,
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
      "vlan-strip": this.#requested.get("rx-vlan-hw-parse") === true,
      scatter: true,
    };
    return Object.entries(active).flatMap(([name, on]) => (on ? [name] : []));
  }

  /** Combines the filter that users set on the interface with the features `rx-all` and `rx-fcs`. */
  filtered(filter: ReceiveFilter): ReceiveFilter {
    this.#filter = filter;
    return { ...filter, damaged: this.#requested.get("rx-all") === true, fcs: this.#requested.get("rx-fcs") === true };
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
  set(requests: Readonly<Record<string, boolean>>): void {
    for (const [name, on] of Object.entries(requests)) if (isDriverFeature(name)) this.#requested.set(name, on);
    const nic = this.#nic;
    nic.receiveOffloads.set({
      checksum: this.#requested.get("rx-checksum") === true,
      stripTag: this.#requested.get("rx-vlan-hw-parse") === true,
    });
    nic.filter = this.filtered(this.#filter);
    this.#changed(this.uplink);
    const kernels = Object.fromEntries(
      Object.entries(requests).filter(([name]) => KERNEL_FEATURES.some((each) => each === name)),
    );
    if (Object.keys(kernels).length > 0)
      this.#tap.withInterfaces((interfaces, name) => setDeviceFeatures(interfaces, name, kernels));
  }

  /**
   * Whether the chip supports the feature at all, and whether the feature is available at the present MTU. Some chips
   * lose an offload with jumbo frames.
   */
  #support(name: DriverFeature): { readonly supported: boolean; readonly available: boolean } {
    const { offloads, chip } = this.#nic;
    const { checksum, segmentation, ipv6 } = offloads;
    const second = chip.profile.frames.transmitFormat === 2;
    const support: Partial<Record<DriverFeature, { readonly supported: boolean; readonly available: boolean }>> = {
      "tx-checksum-ipv4": { supported: true, available: checksum },
      "tx-checksum-ipv6": { supported: second, available: checksum && ipv6 },
      "tx-tcp-segmentation": { supported: true, available: segmentation },
      "tx-tcp6-segmentation": { supported: second, available: segmentation && ipv6 },
    };
    return support[name] ?? { supported: true, available: true };
  }

  #state(name: FeatureName, kernels: ReadonlyMap<string, DeviceFeature>): FeatureState {
    // Descriptors of all chips have 64-bit addresses.
    if (name === "highdma") return { active: true, requested: true, fixed: true };
    if (isDriverFeature(name)) {
      const { supported, available } = this.#support(name);
      if (!supported) return ABSENT;
      const requested = this.#requested.get(name) === true;
      const tapFeature = DRIVER_FEATURES[name];
      const tapActive = tapFeature === undefined || kernels.get(tapFeature)?.active === true;
      return { active: requested && available && tapActive, requested, fixed: false };
    }
    const kernel = KERNEL_FEATURES.includes(name) ? kernels.get(name) : undefined;
    if (kernel === undefined) return ABSENT;
    return { active: kernel.active, requested: kernel.requested, fixed: !kernel.changeable };
  }
}
