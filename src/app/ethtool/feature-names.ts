/** Features of an interface by the kernel's names, and the groups in which ethtool shows them. */

/** The features in the order of the kernel's bits. Changes are shown in this order. */
export const FEATURES = [
  "tx-scatter-gather",
  "tx-checksum-ipv4",
  "tx-checksum-ip-generic",
  "tx-checksum-ipv6",
  "highdma",
  "tx-scatter-gather-fraglist",
  "tx-vlan-hw-insert",
  "rx-vlan-hw-parse",
  "rx-vlan-filter",
  "vlan-challenged",
  "tx-generic-segmentation",
  "rx-gro",
  "rx-lro",
  "tx-tcp-segmentation",
  "tx-gso-robust",
  "tx-tcp-ecn-segmentation",
  "tx-tcp-mangleid-segmentation",
  "tx-tcp6-segmentation",
  "tx-fcoe-segmentation",
  "tx-gre-segmentation",
  "tx-gre-csum-segmentation",
  "tx-ipxip4-segmentation",
  "tx-ipxip6-segmentation",
  "tx-udp_tnl-segmentation",
  "tx-udp_tnl-csum-segmentation",
  "tx-gso-partial",
  "tx-tunnel-remcsum-segmentation",
  "tx-sctp-segmentation",
  "tx-esp-segmentation",
  "tx-udp-segmentation",
  "tx-gso-list",
  "tx-tcp-accecn-segmentation",
  "tx-checksum-fcoe-crc",
  "tx-checksum-sctp",
  "rx-ntuple-filter",
  "rx-hashing",
  "rx-checksum",
  "tx-nocache-copy",
  "loopback",
  "rx-fcs",
  "rx-all",
  "tx-vlan-stag-hw-insert",
  "rx-vlan-stag-hw-parse",
  "rx-vlan-stag-filter",
  "l2-fwd-offload",
  "hw-tc-offload",
  "esp-hw-offload",
  "esp-tx-csum-hw-offload",
  "rx-udp_tunnel-port-offload",
  "tls-hw-tx-offload",
  "tls-hw-rx-offload",
  "rx-gro-hw",
  "rx-gro-list",
  "macsec-hw-offload",
  "rx-udp-gro-forwarding",
  "hsr-tag-ins-offload",
  "hsr-tag-rm-offload",
  "hsr-fwd-offload",
  "hsr-dup-offload",
] as const;
export type FeatureName = (typeof FEATURES)[number];

/**
 * A line of `-k` with a name of ethtool's own. If the name stands for several features, they are listed below the line,
 * and the line shows only whether any of them is on.
 */
export interface FeatureGroup {
  readonly short: string;
  readonly long: string;
  readonly features: readonly FeatureName[];
}

export const GROUPS: readonly FeatureGroup[] = [
  { short: "rx", long: "rx-checksumming", features: ["rx-checksum"] },
  {
    short: "tx",
    long: "tx-checksumming",
    features: [
      "tx-checksum-ipv4",
      "tx-checksum-ip-generic",
      "tx-checksum-ipv6",
      "tx-checksum-fcoe-crc",
      "tx-checksum-sctp",
    ],
  },
  { short: "sg", long: "scatter-gather", features: ["tx-scatter-gather", "tx-scatter-gather-fraglist"] },
  {
    short: "tso",
    long: "tcp-segmentation-offload",
    features: [
      "tx-tcp-segmentation",
      "tx-tcp-ecn-segmentation",
      "tx-tcp-mangleid-segmentation",
      "tx-tcp6-segmentation",
      "tx-tcp-accecn-segmentation",
    ],
  },
  { short: "gso", long: "generic-segmentation-offload", features: ["tx-generic-segmentation"] },
  { short: "gro", long: "generic-receive-offload", features: ["rx-gro"] },
  { short: "lro", long: "large-receive-offload", features: ["rx-lro"] },
  { short: "rxvlan", long: "rx-vlan-offload", features: ["rx-vlan-hw-parse"] },
  { short: "txvlan", long: "tx-vlan-offload", features: ["tx-vlan-hw-insert"] },
  { short: "ntuple", long: "ntuple-filters", features: ["rx-ntuple-filter"] },
  { short: "rxhash", long: "receive-hashing", features: ["rx-hashing"] },
];

const grouped = new Set<string>(GROUPS.flatMap(({ features }) => features));

/** Features that `-k` lists under their own names, after the groups. */
export const UNGROUPED: readonly FeatureName[] = FEATURES.filter((name) => !grouped.has(name));

/** The features that a word of `-K` stands for; none for an unknown word. */
export const featuresNamed = (word: string): readonly FeatureName[] =>
  GROUPS.find(({ short, long }) => word === short || word === long)?.features ??
  FEATURES.filter((name) => name === word);
