/**
 * Determines which traffic would be cut off if a card were unbound: default routes, the present SSH session, disks,
 * connections.
 */
import type { NetworkTables, Route } from "#sys/network-tables.ts";
import { openConnections, remoteStorage } from "./connections.ts";
import type { Files } from "./files.ts";
import { addressBytes, addressText, isLinkLocal } from "./ip-address.ts";
import { LinkStack } from "./link-stack.ts";
import { type End, type SshSession, sshSession } from "./ssh-session.ts";

/** An address of this machine. */
export interface LocalAddress {
  readonly interface: string;
  /** The address without zone or prefix length. */
  readonly address: string;
}

/** The network of one machine, as this process sees it. */
export interface Network {
  readonly files: Files;
  readonly tables: NetworkTables;
  readonly addresses: readonly LocalAddress[];
  readonly environment: NodeJS.ProcessEnv;
}

/** Something that uses the network, and the indices of the interfaces that it uses. */
interface Use {
  readonly what: string;
  /** Detail that is shown before the path, such as "IPv4". */
  readonly about: string | undefined;
  readonly links: readonly number[];
}

/**
 * Maximum number of routes that are read for each address family. A router with a full table has hundreds of thousands
 * of routes; its route to the Internet is found with PROBES.
 */
const MAX_ROUTES = 20_000;
/** Maximum number of connections that are examined. */
const MAX_CONNECTIONS = 20_000;
/**
 * Addresses of root name servers and a resolver. The kernel's routes to them show how a machine without a default route
 * reaches the Internet. Nothing is sent to these addresses.
 */
const PROBES = ["9.9.9.9", "193.0.14.129", "198.41.0.4", "2001:7fd::1", "2001:503:ba3e::2:30"];
/** Routing tables that are not named in the output (linux/rtnetlink.h). */
const MAIN_TABLES = [253, 254];

/**
 * Whether a route covers so many networks that it leads out of the site. Examples are the default route, the two halves
 * into which VPNs split the default route, and 2000::/3. Routes within private, loopback, link-local and multicast
 * addresses are excluded.
 */
const isExternalRoute = ({ unicast, destination, prefix }: Route): boolean => {
  const first = destination[0]!;
  if (!unicast) return false;
  if (destination.length === 4) return first < 224 && (prefix < 8 || (prefix === 8 && first !== 10 && first !== 127));
  return prefix <= 16 && (first & 0xfe) !== 0xfc && first < 0xfe;
};

const linksOf = (route: Route | undefined): readonly number[] =>
  route?.unicast === true ? route.hops.map(({ link }) => link) : [];

const routeUse = (route: Route, what: string): Use => {
  const family = route.destination.length === 4 ? "IPv4" : "IPv6";
  const table = MAIN_TABLES.includes(route.table) ? "" : `, table ${route.table}`;
  return { what, about: family + table, links: linksOf(route) };
};

/** The default routes of every table, and the routes over which the kernel would send packets to the Internet. */
const externalRouteUses = (tables: NetworkTables, routes: readonly Route[]): readonly Use[] => {
  const external = routes.filter(isExternalRoute).map((route) => {
    const network = `${addressText(route.destination)}/${route.prefix}`;
    return routeUse(route, route.prefix === 0 ? "the default route" : `the route to ${network}`);
  });
  const probed = PROBES.map((text) => tables.routeTo(addressBytes(text)!)).filter((route) => route !== undefined);
  return [
    ...external,
    ...probed
      .filter((route) => route.unicast && !isExternalRoute(route))
      .map((route) => routeUse(route, "the route to the Internet")),
  ];
};

const holders = ({ addresses }: Network, stack: LinkStack, address: string): readonly number[] =>
  addresses
    .filter((each) => each.address.toLowerCase() === address)
    .flatMap((each) => stack.index(each.interface) ?? []);

const textOfEnd = ({ address, text }: End): string => (address === undefined ? text : addressText(address));

/** The interfaces of an SSH session: the one that receives its packets, and the one that sends the replies. */
const sessionUse = (network: Network, stack: LinkStack, { client, server }: SshSession): Use => {
  const zones = [client, server].flatMap(({ zone }) => (zone === undefined ? [] : (stack.index(zone) ?? [])));
  const answers = client.address === undefined || isLinkLocal(client.address) ? [] : [client.address];
  const paths = answers.flatMap((address) =>
    linksOf(network.tables.routeTo(address, server.address) ?? network.tables.routeTo(address)),
  );
  return {
    what: "this SSH session",
    about: undefined,
    links: [...zones, ...holders(network, stack, textOfEnd(server)), ...paths],
  };
};

const storageUses = ({ files, tables }: Network): readonly Use[] =>
  remoteStorage(files).map(({ what, servers }) => ({
    what,
    about: servers.map(addressText).join(", "),
    links: servers.flatMap((server) => linksOf(tables.routeTo(server))),
  }));

/** Combines all connections over the same interfaces. */
const connectionUses = (network: Network, stack: LinkStack, session: SshSession | undefined): readonly Use[] => {
  const paths = new Map<string, { readonly links: readonly number[]; readonly peers: string[] }>();
  const seen = new Map<string, readonly number[]>();
  for (const { local, peer, peerPort } of openConnections(network.files).slice(0, MAX_CONNECTIONS)) {
    const [near, far] = [addressText(local), addressText(peer)];
    if (
      session?.clientPort === peerPort &&
      session.client.address !== undefined &&
      addressText(session.client.address) === far
    )
      continue;
    const route = (): readonly number[] =>
      isLinkLocal(peer) ? [] : linksOf(network.tables.routeTo(peer, local) ?? network.tables.routeTo(peer));
    const links = seen.get(`${near} ${far}`) ?? [...new Set([...route(), ...holders(network, stack, near)])];
    seen.set(`${near} ${far}`, links);
    const path = paths.get(links.join()) ?? { links, peers: [] };
    paths.set(links.join(), path);
    path.peers.push(`${far} port ${peerPort}`);
  }
  return [...paths.values()].map(({ links, peers }) => ({
    what: peers.length === 1 ? "an open connection" : `${peers.length} open connections`,
    about: peers.length === 1 ? peers[0] : `${peers[0]} and others`,
    links,
  }));
};

/** The first path over one of the interfaces, such as "br0 over eth0"; undefined if there is none. */
const pathOver = (stack: LinkStack, links: readonly number[], cards: readonly number[]): string | undefined => {
  const below = links.map((upper) => ({ upper, ...stack.below(upper) }));
  for (const uncertain of [false, true])
    for (const { upper, certain, possible } of below) {
      const card = cards.find((each) => (uncertain ? possible : certain).has(each));
      if (card === undefined) continue;
      const over = uncertain ? ", perhaps over" : " over";
      return card === upper ? stack.name(card) : `${stack.name(upper)}${over} ${stack.name(card)}`;
    }
  return undefined;
};

/**
 * Describes the traffic over these interfaces, such as "the default route (IPv4, br0 over eth0)". The list is empty if
 * no traffic is visible in this network namespace. @throws {SystemError} if the kernel does not report links or routes
 */
export const trafficOver = (network: Network, interfaces: readonly string[]): readonly string[] => {
  const { files, tables, environment } = network;
  const routes = tables.routes(MAX_ROUTES);
  const stack = new LinkStack(files, tables, routes);
  const session = sshSession(files, environment);
  const uses = [
    ...(session === undefined ? [] : [sessionUse(network, stack, session)]),
    ...externalRouteUses(tables, routes),
    ...storageUses(network),
    ...connectionUses(network, stack, session),
  ];
  const cards = interfaces.flatMap((name) => stack.index(name) ?? []);
  const words = uses.flatMap(({ what, about, links }) => {
    const path = pathOver(stack, links, cards);
    return path === undefined ? [] : [`${what} (${about === undefined ? path : `${about}, ${path}`})`];
  });
  return [...new Set(words)];
};
