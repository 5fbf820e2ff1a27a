/**
 * Finds the lower devices of an interface: from a bridge, a VLAN or a tunnel down to the cards through which its frames
 * leave.
 */
import { join } from "node:path";
import type { LinkInfo, NetworkTables, Route } from "#sys/network-tables.ts";
import { type Files, namesIn, textOf } from "./files.ts";

/**
 * Kinds of interfaces for which the kernel shows no lower device: their frames are encapsulated in other packets, or
 * pass through a program.
 */
const TUNNELS =
  /^(tun|wireguard|ovpn|ppp|gre|gretap|erspan|ip6gre|ip6gretap|ipip|sit|ip6tnl|vti6?|xfrm|vxlan|geneve|gtp|bareudp|l2tp\w*|amt|openvswitch)$/;
const OPEN_VSWITCH = "openvswitch";

/**
 * Protocols of packet sockets (linux/if_ether.h): ETH_P_ALL, and PPPoE's discovery and session. A program with such a
 * packet socket may implement a tunnel.
 */
const TUNNEL_PROTOCOLS = ["0003", "8863", "8864"];

export interface LowerDevices {
  /** Interfaces that certainly carry the frames: the interface itself, lower devices, ports. */
  readonly certain: ReadonlySet<number>;
  /** Interfaces that possibly carry the frames: the interfaces under a tunnel. */
  readonly possible: ReadonlySet<number>;
}

export class LinkStack {
  readonly #links: ReadonlyMap<number, LinkInfo>;
  readonly #files: Files;
  readonly #tables: NetworkTables;
  readonly #routes: readonly Route[];

  /** @param routes the routes in which a tunnel's underlying interface is looked up */
  constructor(files: Files, tables: NetworkTables, routes: readonly Route[]) {
    this.#links = new Map(tables.links().map((link) => [link.index, link]));
    this.#files = files;
    this.#tables = tables;
    this.#routes = routes;
  }

  name(index: number): string {
    return this.#links.get(index)?.name ?? `interface ${index}`;
  }

  index(name: string): number | undefined {
    return this.#where((link) => link.name === name)[0];
  }

  below(upper: number): LowerDevices {
    const certain = this.#closure([upper], (link) => this.#lowers(link));
    // Ports are not followed here: a TAP that is a port of a bridge belongs to a virtual machine or a similar program,
    // so no card is under it.
    const chain = this.#closure([upper], (link) => (link.link === undefined ? [] : [link.link]));
    const tunnels = [...chain]
      .flatMap((index) => this.#links.get(index) ?? [])
      .filter(({ kind }) => TUNNELS.test(kind ?? ""));
    const under = tunnels.flatMap((tunnel) => this.#under(tunnel));
    return { certain, possible: this.#closure(under, (link) => this.#lowers(link)) };
  }

  #where(test: (link: LinkInfo) => boolean): readonly number[] {
    return [...this.#links.values()].filter(test).map(({ index }) => index);
  }

  #closure(from: readonly number[], next: (link: LinkInfo) => readonly number[]): ReadonlySet<number> {
    const found = new Set(from);
    for (const index of found) {
      const link = this.#links.get(index);
      if (link !== undefined) for (const lower of next(link)) found.add(lower);
    }
    return found;
  }

  /**
   * The interfaces directly below an interface: its ports, its `lower_*` entries in sysfs, its parent, and, for one end
   * of a veth pair, the bridge that has the other end as a port.
   */
  #lowers({ index, name, link, kind }: LinkInfo): readonly number[] {
    const ports = this.#where(({ master }) => master === index);
    const files = namesIn(join(this.#files.sys, "class/net", name)).filter((file) => file.startsWith("lower_"));
    const listed = files.map((file) => this.index(file.slice("lower_".length)));
    const bridge = kind === "veth" && link !== undefined ? this.#links.get(link)?.master : undefined;
    return [...ports, ...[...listed, link, bridge].filter((lower) => lower !== undefined)];
  }

  /** Interfaces through which a tunnel's packets may leave. */
  #under(tunnel: LinkInfo): readonly number[] {
    if (tunnel.kind === OPEN_VSWITCH) {
      // In the kernel, the ports of all Open vSwitch bridges belong to one device.
      const switches = this.#where(({ kind }) => kind === OPEN_VSWITCH);
      const ports = this.#where(({ master }) => master !== undefined && switches.includes(master));
      if (ports.length > 0) return ports;
    }
    const remote = this.#tunnelEnd(tunnel);
    const way = remote === undefined ? undefined : this.#tables.routeTo(remote);
    if (way?.unicast === true) return way.hops.map(({ link }) => link);
    const pppoe = tunnel.kind === "ppp" ? this.#pppoe() : [];
    return pppoe.length > 0 ? pppoe : [...this.#gateways(), ...this.#listening()];
  }

  /** The remote address of an IP tunnel, if set. */
  #tunnelEnd({ kind, broadcast }: LinkInfo): Uint8Array | undefined {
    const isAddress = (broadcast.length === 4 || broadcast.length === 16) && broadcast.some((byte) => byte !== 0);
    return kind !== "tun" && isAddress ? broadcast : undefined;
  }

  /** The interfaces of the kernel's PPPoE sessions, from the last column of /proc/net/pppoe. */
  #pppoe(): readonly number[] {
    const lines = (textOf(join(this.#files.proc, "self/net/pppoe")) ?? "").split("\n").slice(1);
    return lines.flatMap((line) => this.index(line.trim().split(/\s+/).at(-1) ?? "") ?? []);
  }

  /**
   * The interfaces, except tunnels, of the routes through a gateway, because a tunnel's other end is rarely in a
   * directly connected network. If there are no such routes, all hardware interfaces that are up.
   */
  #gateways(): readonly number[] {
    const hops = this.#routes.flatMap(({ unicast, hops }) => (unicast ? hops : [])).filter(({ gateway }) => gateway);
    const found = hops.map(({ link }) => link).filter((link) => !TUNNELS.test(this.#links.get(link)?.kind ?? ""));
    return found.length > 0 ? found : this.#where(({ up, kind, name }) => up && kind === undefined && name !== "lo");
  }

  /**
   * The interfaces of packet sockets, which receive frames outside the network stack. Columns: socket, references,
   * type, protocol, interface, …
   */
  #listening(): readonly number[] {
    const lines = (textOf(join(this.#files.proc, "self/net/packet")) ?? "").split("\n").slice(1);
    return lines.flatMap((line) => {
      const [, , , protocol = "", index] = line.trim().split(/\s+/);
      return TUNNEL_PROTOCOLS.includes(protocol.toLowerCase()) ? [Number(index)] : [];
    });
  }
}
