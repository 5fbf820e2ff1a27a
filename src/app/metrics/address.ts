/** Address of the metrics server: a TCP address of this machine, or a Unix socket. */
import { BlockList, isIP } from "node:net";
import { WrongUsage } from "../terminal/usage.ts";

export type MetricsAddress =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

const HINT = "Write 127.0.0.1:9101, [::1]:9101 or unix:PATH.";

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8);
LOOPBACK.addAddress("::1", "ipv6");

export const isLoopback = (host: string): boolean => LOOPBACK.check(host, isIP(host) === 6 ? "ipv6" : "ipv4");

/**
 * Parses `IPV4:PORT`, `[IPV6]:PORT` or `unix:PATH`.
 * @param anywhere allows addresses that other machines can reach
 * @throws {WrongUsage}
 */
export const parseMetricsAddress = (text: string, anywhere = false): MetricsAddress => {
  if (text.startsWith("unix:")) {
    const path = text.slice("unix:".length);
    if (path === "") throw new WrongUsage("the address unix: has no path", HINT);
    return { kind: "unix", path };
  }
  const [, v6, v4, digits] = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+)):(\d{1,5})$/i.exec(text) ?? [];
  const host = v6 ?? v4 ?? "";
  const port = Number(digits);
  if (isIP(host) !== (v6 === undefined ? 4 : 6) || !(port >= 1 && port <= 65_535))
    throw new WrongUsage(`"${text}" is not a valid address for metrics`, HINT);
  if (!isLoopback(host) && !anywhere)
    throw new WrongUsage(
      `other machines may reach ${text}`,
      "There is no password and no encryption. Use 127.0.0.1, or allow it with --metrics-public.",
    );
  return { kind: "tcp", host, port };
};
