/** The far end of a model's wire, as written on the command line. */
import { WrongUsage, parseInterfaceName } from "../terminal/usage.ts";

export type WireSpec =
  /** A TAP interface. `namespace` is the descriptor of the network namespace in which the TAP is created. */
  | { readonly kind: "tap"; readonly name: string; readonly namespace?: number }
  /** A built-in far end that answers ARP, ping and UDP echo. */
  | { readonly kind: "responder" }
  /** Replays a capture file at a rate, or at the times in the file; the NIC's frames may be recorded. */
  | {
      readonly kind: "pcap";
      readonly file: string | undefined;
      readonly record: string | undefined;
      readonly rate: number | undefined;
      readonly loop: boolean;
    }
  /** A stream socket with QEMU's framing. The wire connects to a socket that listens, or listens itself. */
  | { readonly kind: "stream"; readonly path: string; readonly listen: boolean }
  /** A pair of datagram sockets, between which each frame is one datagram. */
  | { readonly kind: "datagram"; readonly path: string; readonly peer: string };

export const WIRE_SYNTAX = [
  "tap:NAME                        a TAP interface, created here (needs permission to create one)",
  "responder                       answers ARP, ping and UDP echo as 10.70.0.2",
  "unix:PATH                       connects to a stream socket: `passt -s PATH`, QEMU's `-netdev stream,server=on`",
  "unix:PATH,listen                listens on a stream socket: QEMU's `-netdev stream,server=off`",
  "unix:PATH,dgram=PEER            datagrams from PATH to PEER: QEMU's `-netdev dgram`",
  "pcap:FILE[,rate=N|max][,loop]   receives the frames of a pcap or pcapng file, N per second or at the file's times",
  "pcap:[FILE],record=OUT          also records the frames that the NIC sends, in a pcapng file",
] as const;

const HINT = "Write tap:NAME, responder, unix:PATH[,listen|,dgram=PEER] or pcap:FILE[,record=OUT][,rate=N|max][,loop].";

interface Parts {
  readonly first: string;
  readonly options: ReadonlyMap<string, string | undefined>;
}

/** Parses `FIRST,name=value,name`. @throws {WrongUsage} for unknown or repeated options */
const partsOf = (text: string, rest: string, known: readonly string[]): Parts => {
  const [first = "", ...words] = rest.split(",");
  const options = new Map<string, string | undefined>();
  for (const word of words) {
    const [name = "", value] = word.split(/=(.*)/s, 2);
    if (!known.includes(name)) throw new WrongUsage(`unknown option "${name}" in the wire "${text}"`, HINT);
    if (options.has(name)) throw new WrongUsage(`"${name}" is given twice in the wire "${text}"`, HINT);
    if (value === "") throw new WrongUsage(`"${name}" in the wire "${text}" has no value`, HINT);
    options.set(name, value);
  }
  return { first, options };
};

const flag = (options: Parts["options"], name: string, text: string): boolean => {
  if (options.get(name) !== undefined) throw new WrongUsage(`"${name}" in the wire "${text}" takes no value`, HINT);
  return options.has(name);
};

const value = (options: Parts["options"], name: string, text: string): string | undefined => {
  if (options.has(name) && options.get(name) === undefined)
    throw new WrongUsage(`"${name}" in the wire "${text}" has no value`, HINT);
  return options.get(name);
};

const parseUnix = (text: string, rest: string): WireSpec => {
  const { first: path, options } = partsOf(text, rest, ["listen", "dgram"]);
  if (path === "") throw new WrongUsage(`the wire "${text}" has no path`, HINT);
  const peer = value(options, "dgram", text);
  const listen = flag(options, "listen", text);
  if (peer === undefined) return { kind: "stream", path, listen };
  if (listen) throw new WrongUsage(`the wire "${text}" is both a datagram socket and a listener`, HINT);
  if (peer === path) throw new WrongUsage(`the wire "${text}" would send to itself`, HINT);
  return { kind: "datagram", path, peer };
};

const parsePcap = (text: string, rest: string): WireSpec => {
  const { first, options } = partsOf(text, rest, ["record", "rate", "loop"]);
  const record = value(options, "record", text);
  if (first === "" && record === undefined) throw new WrongUsage(`the wire "${text}" has no file`, HINT);
  if (first !== "" && first === record) throw new WrongUsage(`the wire "${text}" reads and writes the same file`, HINT);
  const rate = value(options, "rate", text);
  const loop = flag(options, "loop", text);
  if (first === "" && (loop || rate !== undefined))
    throw new WrongUsage(
      `the wire "${text}" has no file to replay`,
      "Omit rate and loop, or add a file: pcap:FILE,loop.",
    );
  const number = rate === "max" ? Infinity : /^\d+(\.\d+)?$/.test(rate ?? "") ? Number(rate) : Number.NaN;
  if (rate !== undefined && !(number > 0))
    throw new WrongUsage(`"${rate}" is not a valid rate`, "Write frames per second, or max: pcap:FILE,rate=1000.");
  return {
    kind: "pcap",
    file: first === "" ? undefined : first,
    record,
    rate: rate === undefined ? undefined : number,
    loop,
  };
};

/** @throws {WrongUsage} */
export const parseWire = (text: string): WireSpec => {
  if (text === "responder") return { kind: "responder" };
  const [kind = "", rest] = text.split(/:(.*)/s, 2);
  if (rest !== undefined) {
    if (kind === "tap") return { kind: "tap", name: parseInterfaceName(rest) };
    if (kind === "unix") return parseUnix(text, rest);
    if (kind === "pcap") return parsePcap(text, rest);
  }
  throw new WrongUsage(`unknown wire "${text}"`, HINT);
};

/** The wire that a NIC at the other end of this cable must have; undefined if the far end is not a NIC. */
export const oppositeEnd = (wire: WireSpec): WireSpec | undefined => {
  if (wire.kind === "stream") return { ...wire, listen: !wire.listen };
  return wire.kind === "datagram" ? { ...wire, path: wire.peer, peer: wire.path } : undefined;
};

/** Paths of the sockets that a wire creates. */
export const socketsOf = (wire: WireSpec): readonly string[] =>
  wire.kind === "datagram" || (wire.kind === "stream" && wire.listen) ? [wire.path] : [];

/** The file to which a wire records frames; undefined if it does not record. */
export const recordOf = (wire: WireSpec): string | undefined => (wire.kind === "pcap" ? wire.record : undefined);

/** A file that the command will read, write, connect to or create. */
export interface PathNeed {
  readonly path: string;
  readonly use: "read" | "write" | "make";
}

/** The files that a wire uses. */
export const pathsOf = (wire: WireSpec): readonly PathNeed[] => {
  if (wire.kind === "tap") return [{ path: "/dev/net/tun", use: "write" }];
  if (wire.kind === "stream" || wire.kind === "datagram") return [{ path: wire.path, use: "make" }];
  if (wire.kind === "responder") return [];
  const { file, record } = wire;
  return [
    ...(file === undefined ? [] : [{ path: file, use: "read" } as const]),
    ...(record === undefined ? [] : [{ path: record, use: "make" } as const]),
  ];
};
