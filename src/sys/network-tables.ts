/** Links of this thread's network namespace, and the routes of all its tables with all next hops, read by rtnetlink. */
import { Errno, SystemError } from "./errno.ts";
import { NetlinkSocket, attribute, attributesIn, type NetlinkMessage } from "./netlink-socket.ts";

/** linux/rtnetlink.h */
const RTM_GETLINK = 18;
const RTM_GETROUTE = 26;
const RTM_GETNEXTHOP = 106;
const RTM_NEWLINK = 16;
const RTM_NEWROUTE = 24;
const RTM_NEWNEXTHOP = 104;
const AF_UNSPEC = 0;
const AF_INET = 2;
const AF_INET6 = 10;
/** Requests the matching route with all its next hops, not only the path that the kernel chooses. */
const RTM_F_FIB_MATCH = 0x2000;

/** struct ifinfomsg { u8 family; u8 pad; u16 type; i32 index; u32 flags; u32 change } */
const INTERFACE_INFO = 16;
const IFF_UP = 0x1;
const Ifla = { broadcast: 2, name: 3, link: 5, master: 10, info: 18, peerNamespace: 37 } as const;
const IFLA_INFO_KIND = 1;

/** struct rtmsg { u8 family, destination bits, source bits, tos, table, protocol, scope, type; u32 flags } */
const ROUTE_INFO = 12;
const ROUTE_TYPE = 7;
const ROUTE_FLAGS = 8;
const RTN_UNICAST = 1;
const Rta = {
  destination: 1,
  source: 2,
  interface: 4,
  gateway: 5,
  multipath: 9,
  table: 15,
  via: 18,
  nextHop: 30,
} as const;
/** struct rtnexthop { u16 length; u8 flags, hops; i32 interface }, and attributes */
const NEXT_HOP = 8;

/** struct nhmsg { u8 family, scope, protocol, reserved; u32 flags } */
const NEXT_HOP_INFO = 8;
const Nha = { id: 1, group: 2, interface: 5, gateway: 6 } as const;
/** struct nexthop_grp { u32 id; u8 weight, reserved[3] } */
const GROUP_ENTRY = 8;

/** A network interface. */
export interface LinkInfo {
  readonly index: number;
  readonly name: string;
  readonly up: boolean;
  /** Kind of a virtual interface: "bridge", "vlan", "wireguard", …; undefined for hardware and loopback. */
  readonly kind: string | undefined;
  /**
   * Index of the interface below this one, or of the peer; undefined if there is none, or if it is not in this
   * namespace.
   */
  readonly link: number | undefined;
  /** Index of the interface of which this one is a port. */
  readonly master: number | undefined;
  /** The broadcast address; for a tunnel, the address of the other end; empty if there is none. */
  readonly broadcast: Uint8Array;
}

export interface NextHop {
  /** Index of the interface through which packets leave. */
  readonly link: number;
  /** Whether the next hop is a router; false if the destination itself is on the link. */
  readonly gateway: boolean;
}

export interface Route {
  /** The destination's first `prefix` bits; 4 or 16 bytes. */
  readonly destination: Uint8Array;
  readonly prefix: number;
  readonly table: number;
  /** False for local destinations, multicast, and routes that reject packets. */
  readonly unicast: boolean;
  readonly hops: readonly NextHop[];
}

const word = (bytes: Uint8Array | undefined, at = 0): number | undefined =>
  bytes === undefined || bytes.length < at + 4
    ? undefined
    : new DataView(bytes.buffer, bytes.byteOffset).getInt32(at, true);

const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : new TextDecoder().decode(bytes).replace(/\0.*$/s, "");

/** @returns undefined for a message of another kind, or one that is too short */
export const linkIn = ({ type, payload }: NetlinkMessage): LinkInfo | undefined => {
  if (type !== RTM_NEWLINK || payload.length < INTERFACE_INFO) return undefined;
  const attributes = attributesIn(payload, INTERFACE_INFO);
  const info = attributes.get(Ifla.info);
  const [index, link] = [word(payload, 4)!, word(attributes.get(Ifla.link))];
  const elsewhere = attributes.has(Ifla.peerNamespace);
  return {
    index,
    name: text(attributes.get(Ifla.name)) ?? `interface ${index}`,
    up: (word(payload, 8)! & IFF_UP) !== 0,
    kind: info === undefined ? undefined : text(attributesIn(info, 0).get(IFLA_INFO_KIND)),
    link: elsewhere || link === undefined || link === 0 || link === index ? undefined : link,
    master: word(attributes.get(Ifla.master)),
    broadcast: attributes.get(Ifla.broadcast) ?? new Uint8Array(),
  };
};

const hasGateway = (attributes: ReadonlyMap<number, Uint8Array>): boolean =>
  attributes.has(Rta.gateway) || attributes.has(Rta.via);

const multipath = (bytes: Uint8Array): NextHop[] => {
  const hops: NextHop[] = [];
  for (let at = 0; at + NEXT_HOP <= bytes.length;) {
    const length = new DataView(bytes.buffer, bytes.byteOffset).getUint16(at, true);
    if (length < NEXT_HOP || at + length > bytes.length) break;
    const attributes = attributesIn(bytes.subarray(at, at + length), NEXT_HOP);
    hops.push({ link: word(bytes, at + 4)!, gateway: hasGateway(attributes) });
    at += (length + 3) & ~3;
  }
  return hops;
};

/** Next hops that have an identifier (`ip nexthop`), by that identifier; for a group, the next hops of its members. */
type NamedHops = ReadonlyMap<number, readonly NextHop[]>;

const hopsOf = (attributes: ReadonlyMap<number, Uint8Array>, named: NamedHops): readonly NextHop[] => {
  const many = attributes.get(Rta.multipath);
  if (many !== undefined) return multipath(many);
  const link = word(attributes.get(Rta.interface));
  if (link !== undefined) return [{ link, gateway: hasGateway(attributes) }];
  return named.get(word(attributes.get(Rta.nextHop)) ?? 0) ?? [];
};

/** @returns undefined for a message of another kind, or one that is too short */
export const routeIn = ({ type, payload }: NetlinkMessage, named: NamedHops = new Map()): Route | undefined => {
  if (type !== RTM_NEWROUTE || payload.length < ROUTE_INFO) return undefined;
  const attributes = attributesIn(payload, ROUTE_INFO);
  const destination = new Uint8Array(payload[0] === AF_INET6 ? 16 : 4);
  destination.set((attributes.get(Rta.destination) ?? new Uint8Array()).subarray(0, destination.length));
  return {
    destination,
    prefix: payload[1]!,
    table: word(attributes.get(Rta.table)) ?? payload[4]!,
    unicast: payload[ROUTE_TYPE] === RTN_UNICAST,
    hops: hopsOf(attributes, named),
  };
};

const namedHops = (messages: Iterable<NetlinkMessage>): NamedHops => {
  const hops = new Map<number, readonly NextHop[]>();
  const groups = new Map<number, readonly number[]>();
  for (const { type, payload } of messages) {
    const attributes = attributesIn(payload, NEXT_HOP_INFO);
    const [id, link, group] = [
      word(attributes.get(Nha.id)),
      word(attributes.get(Nha.interface)),
      attributes.get(Nha.group),
    ];
    if (type !== RTM_NEWNEXTHOP || id === undefined) continue;
    if (link !== undefined) hops.set(id, [{ link, gateway: attributes.has(Nha.gateway) }]);
    const members = Math.floor((group?.length ?? 0) / GROUP_ENTRY);
    if (members > 0)
      groups.set(
        id,
        Array.from({ length: members }, (_, i) => word(group, i * GROUP_ENTRY)!),
      );
  }
  for (const [id, members] of groups)
    hops.set(
      id,
      members.flatMap((member) => hops.get(member) ?? []),
    );
  return hops;
};

/** Errors with which the kernel reports that there is no route. */
const UNREACHABLE: readonly number[] = [Errno.ENETUNREACH, Errno.EHOSTUNREACH, Errno.EACCES, Errno.EINVAL];

/** The network tables of a kernel; in tests, recorded ones. */
export interface NetworkTables {
  /** @throws {SystemError} */
  links(): readonly LinkInfo[];
  /** Routes from all tables and of both families; at most the first `max` of each family. @throws {SystemError} */
  routes(max: number): readonly Route[];
  /**
   * The route that the kernel would use to an address (4 or 16 bytes), optionally for packets from a local address;
   * undefined if there is none. @throws {SystemError}
   */
  routeTo(address: Uint8Array, from?: Uint8Array): Route | undefined;
}

/**
 * The tables of the network namespace of the thread that creates this object. The thread must be in that namespace when
 * it calls a method.
 */
export class KernelTables implements NetworkTables, Disposable {
  readonly #socket = NetlinkSocket.open();
  #named: NamedHops | undefined;

  links(): readonly LinkInfo[] {
    using socket = NetlinkSocket.open();
    const found = [...socket.dump(RTM_GETLINK, new Uint8Array(INTERFACE_INFO), "links")].map(linkIn);
    return found.filter((link) => link !== undefined);
  }

  routes(max: number): readonly Route[] {
    const routes: Route[] = [];
    for (const family of [AF_INET, AF_INET6]) {
      using socket = NetlinkSocket.open();
      const body = new Uint8Array(ROUTE_INFO);
      body[0] = family;
      let left = max;
      for (const message of socket.dump(RTM_GETROUTE, body, "routes")) {
        const route = routeIn(message, this.#namedHops());
        if (route !== undefined) routes.push(route);
        if (--left === 0) break;
      }
    }
    return routes;
  }

  routeTo(address: Uint8Array, from?: Uint8Array): Route | undefined {
    const head = new Uint8Array(ROUTE_INFO);
    head.set([address.length === 4 ? AF_INET : AF_INET6, 8 * address.length, 8 * (from?.length ?? 0)]);
    new DataView(head.buffer).setUint32(ROUTE_FLAGS, RTM_F_FIB_MATCH, true);
    const source = from === undefined ? [] : [attribute(Rta.source, from)];
    const body = Buffer.concat([head, attribute(Rta.destination, address), ...source]);
    try {
      return routeIn(this.#socket.ask(RTM_GETROUTE, body, "route"), this.#namedHops());
    } catch (error) {
      if (error instanceof SystemError && UNREACHABLE.includes(error.errno)) return undefined;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }

  /** Next hops with an identifier. Kernels before 5.3 have none. */
  #namedHops(): NamedHops {
    return (this.#named ??= this.#readNamedHops());
  }

  #readNamedHops(): NamedHops {
    using socket = NetlinkSocket.open();
    try {
      const body = new Uint8Array(NEXT_HOP_INFO);
      body[0] = AF_UNSPEC;
      return namedHops(socket.dump(RTM_GETNEXTHOP, body, "next hops"));
    } catch (error) {
      if (error instanceof SystemError && [Errno.EOPNOTSUPP, Errno.EINVAL].includes(error.errno)) return new Map();
      throw error;
    }
  }
}
