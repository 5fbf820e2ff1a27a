/** What would be cut off with a card: the way out of this machine, and the session that someone types in. */
import { join } from "node:path";
import { type Files, namesIn, textOf } from "./files.ts";

/** An address of this machine. */
export interface LocalAddress {
  readonly interface: string;
  /** Without zone or prefix. */
  readonly address: string;
}

/** What the machine does with its network now. */
export interface NetworkUse {
  /** Interfaces with a default route of any metric. */
  readonly ipv4Routes: readonly string[];
  readonly ipv6Routes: readonly string[];
  /** The interface whose address the SSH session goes to; undefined where there is none. */
  readonly session: string | undefined;
}

/** Bits of a route's flags (linux/route.h). */
const RTF_UP = 0x1;
const RTF_REJECT = 0x200;
const isUsable = (flags: string | undefined): boolean =>
  (Number.parseInt(flags ?? "", 16) & (RTF_UP | RTF_REJECT)) === RTF_UP;

const rows = (text: string | undefined): readonly (readonly string[])[] =>
  (text ?? "").split("\n").map((line) => line.trim().split(/\s+/));

/** /proc/net/route: interface, destination, gateway, flags, …, mask as the 8th. */
const ipv4Defaults = (text: string | undefined): string[] =>
  rows(text).flatMap(([name = "", to, , flags, , , , mask]) =>
    to === "00000000" && mask === "00000000" && isUsable(flags) ? [name] : [],
  );

/** /proc/net/ipv6_route: destination, its prefix length, …, flags as the 9th, interface. */
const ipv6Defaults = (text: string | undefined): string[] =>
  rows(text).flatMap(([to = "", prefix, , , , , , , flags, name = ""]) =>
    /^0{32}$/.test(to) && prefix === "00" && isUsable(flags) && name !== "lo" ? [name] : [],
  );

/** SSH_CONNECTION of this process, or of one it was started from: `sudo` does not pass it on. */
const sshConnection = (files: Files, environment: NodeJS.ProcessEnv): string | undefined => {
  const own = environment["SSH_CONNECTION"];
  if (own !== undefined) return own;
  let pid = "self";
  for (let generation = 0; generation < 32; generation++) {
    const words = (textOf(join(files.proc, pid, "environ")) ?? "").split("\0");
    const found = words.find((word) => word.startsWith("SSH_CONNECTION="));
    if (found !== undefined) return found.slice("SSH_CONNECTION=".length);
    const parent = /^PPid:\s*(\d+)/m.exec(textOf(join(files.proc, pid, "status")) ?? "")?.[1];
    if (parent === undefined || Number(parent) <= 1) return undefined;
    pid = parent;
  }
  return undefined;
};

/** SSH_CONNECTION is "client port server port"; a link-local server address names its interface as zone. */
const sessionInterface = (connection: string | undefined, addresses: readonly LocalAddress[]): string | undefined => {
  const server = (connection ?? "").split(" ")[2];
  if (server === undefined) return undefined;
  const [address = "", zone] = server.replace(/^::ffff:(?=\d+\.)/i, "").split("%");
  return zone ?? addresses.find((each) => each.address.toLowerCase() === address.toLowerCase())?.interface;
};

/** @param addresses of this machine, in this network namespace */
export const readNetworkUse = (
  files: Files,
  addresses: readonly LocalAddress[],
  environment: NodeJS.ProcessEnv,
): NetworkUse => ({
  ipv4Routes: ipv4Defaults(textOf(join(files.proc, "self/net/route"))),
  ipv6Routes: ipv6Defaults(textOf(join(files.proc, "self/net/ipv6_route"))),
  session: sessionInterface(sshConnection(files, environment), addresses),
});

/** An interface and all it stands on: the ports of a bridge, the slaves of a bond, what a VLAN is on. */
const foundations = (files: Files, name: string): ReadonlySet<string> => {
  const found = new Set([name]);
  for (const each of found) {
    const names = namesIn(join(files.sys, "class/net", each));
    for (const lower of names) if (lower.startsWith("lower_")) found.add(lower.slice("lower_".length));
  }
  return found;
};

/** What goes over these interfaces, in words: "the default route (IPv4, br0 over eth0)". Empty when nothing does. */
export const carries = (files: Files, interfaces: readonly string[], use: NetworkUse): readonly string[] => {
  const over = (upper: string): string | undefined => {
    const below = foundations(files, upper);
    const name = interfaces.find((each) => below.has(each));
    if (name === undefined) return undefined;
    return name === upper ? name : `${upper} over ${name}`;
  };
  const words = (uppers: readonly string[], what: (way: string) => string): string[] =>
    [...new Set(uppers)].map(over).flatMap((way) => (way === undefined ? [] : [what(way)]));
  return [
    ...words(use.session === undefined ? [] : [use.session], (way) => `this SSH session (${way})`),
    ...words(use.ipv4Routes, (way) => `the default route (IPv4, ${way})`),
    ...words(use.ipv6Routes, (way) => `the default route (IPv6, ${way})`),
  ];
};
