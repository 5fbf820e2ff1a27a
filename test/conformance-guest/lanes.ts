/** VLANs between the guest and the far end, each with its own addresses, over one cable. */
import { FAR, NEAR, type Rig } from "../guest/rig.ts";

export interface Lane {
  readonly name: string;
  /** EtherType and VLAN ID of each tag, outermost first. */
  readonly tags: readonly (readonly [etherType: number, id: number])[];
  /** The far end's addresses. */
  readonly ipv4: string;
  readonly ipv6: string;
}

export const LANES: readonly Lane[] = [
  { name: "no tag", tags: [], ipv4: FAR.ipv4, ipv6: FAR.ipv6 },
  { name: "one tag", tags: [[0x8100, 5]], ipv4: "10.9.5.2", ipv6: "fd09:5::2" },
  {
    name: "stacked tags",
    tags: [
      [0x8100, 5],
      [0x8100, 6],
    ],
    ipv4: "10.9.6.2",
    ipv6: "fd09:6::2",
  },
  {
    name: "a service tag outside",
    tags: [
      [0x88a8, 7],
      [0x8100, 8],
    ],
    ipv4: "10.9.8.2",
    ipv6: "fd09:8::2",
  },
];

/** Returns the address of end 1 or 2 of a VLAN. `address` is the address of end 2. */
const at = (address: string, end: 1 | 2): string => address.replace(/2$/, String(end));

/** Settings of one end. Its VLAN interfaces are named after their tags: "v5.6". */
const script = (device: string, end: 1 | 2): string => {
  const made = new Set<string>();
  return LANES.filter(({ tags }) => tags.length > 0)
    .map(({ tags, ipv4, ipv6 }) => {
      let [under, path] = [device, "v"];
      const lines: string[] = [];
      for (const [etherType, id] of tags) {
        const name = path === "v" ? `v${id}` : `${path}.${id}`;
        const protocol = etherType === 0x8100 ? "802.1Q" : "802.1ad";
        if (!made.has(name))
          lines.push(
            `ip link add link ${under} name ${name} mtu ${path === "v" ? 1500 : 1496} type vlan proto ${protocol} id ${id}`,
            `ip link set ${name} up`,
          );
        made.add(name);
        [under, path] = [name, name];
      }
      lines.push(`ip addr add ${at(ipv4, end)}/24 dev ${under}`, `ip addr add ${at(ipv6, end)}/64 dev ${under} nodad`);
      return lines.join("\n");
    })
    .join("\n");
};

/** Creates the VLAN interfaces at both ends. */
export const makeLanes = async (rig: Rig): Promise<void> => {
  await rig.guest.mustRun(`set -e\nmodprobe 8021q\n${script(NEAR.name, 1)}`);
  await rig.far.mustRun(`set -e\n${script(FAR.name, 2)}`);
};
