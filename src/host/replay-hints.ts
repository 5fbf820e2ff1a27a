/** Advice for capture files that cannot be replayed as they are. `replay-file.test.ts` runs most of the commands. */
import { get16 } from "#wire/bigendian.ts";
import { EtherType } from "#wire/ethernet.ts";
import { MAX_PAUSE_SECONDS } from "./replay-schedule.ts";
import { SKIP_REASONS, type SkipReason, type Replay } from "./replay.ts";

/** A file name quoted for a shell. */
export const quoted = (path: string): string => {
  // A command would treat a name with a leading dash as an option.
  const name = path.startsWith("-") ? `./${path}` : path;
  return /^[\w@%+=:,./-]+$/.test(name) ? name : `'${name.replaceAll("'", String.raw`'\''`)}'`;
};

const unpack = (tool: string) => (path: string) => `Unpack it first: ${tool} < ${quoted(path)} > OUT`;
const convert = (path: string): string => `Convert it first: editcap -F pcapng ${quoted(path)} OUT`;

interface Format {
  readonly name: string;
  readonly magic: readonly number[];
  readonly hint: (path: string) => string;
}

const bytesOf = (text: string): number[] => Array.from(text, (letter) => letter.charCodeAt(0));

const FORMATS: readonly Format[] = [
  { name: "compressed with gzip", magic: [0x1f, 0x8b], hint: unpack("gunzip") },
  { name: "compressed with zstd", magic: [0x28, 0xb5, 0x2f, 0xfd], hint: unpack("zstd -d") },
  { name: "compressed with xz", magic: [0xfd, ...bytesOf("7zXZ")], hint: unpack("xz -d") },
  { name: "compressed with bzip2", magic: bytesOf("BZh"), hint: unpack("bunzip2") },
  { name: "compressed with lz4", magic: [0x04, 0x22, 0x4d, 0x18], hint: unpack("lz4 -d") },
  {
    name: "a zip archive",
    magic: bytesOf("PK\x03\x04"),
    hint: (path) => `Unpack it first: unzip -p ${quoted(path)} > OUT`,
  },
  { name: "a snoop file", magic: bytesOf("snoop\0"), hint: convert },
  { name: "a Network Monitor file", magic: bytesOf("GMBU"), hint: convert },
  { name: "a Network Monitor file", magic: bytesOf("RTSS"), hint: convert },
  { name: "a Sniffer file", magic: bytesOf("TRSNIFF"), hint: convert },
];

/** The name of a file's format, with advice, if it is one of `FORMATS`; otherwise undefined. */
export const formatOf = (bytes: Uint8Array, path: string): readonly [name: string, hint: string] | undefined => {
  const format = FORMATS.find(({ magic }) => magic.every((byte, i) => bytes[i] === byte));
  return format === undefined ? undefined : [format.name, format.hint(path)];
};

/** Advice for an unknown format: Wireshark's tools may support it. */
export const unknownFormatHint = (path: string): string =>
  `If \`capinfos ${quoted(path)}\` reads it, convert it: editcap -F pcapng ${quoted(path)} OUT`;

const LINK_NAMES: Readonly<Record<number, string>> = {
  0: "BSD loopback",
  101: "raw IP",
  105: "802.11",
  108: "OpenBSD loopback",
  113: "Linux cooked",
  127: "802.11 with radiotap",
  228: "raw IPv4",
  229: "raw IPv6",
  276: "Linux cooked v2",
};

const withHeader = (source: string, etherType = "0x0800"): string => `${source} -x | text2pcap -e ${etherType} - OUT`;
const AGAIN = "capture on an Ethernet interface by its name: tcpdump -i NAME -w OUT";

/** Advice for a link type other than Ethernet. Conversions lose information; the advice says what is lost. */
const linkHint = (linkType: number, path: string): string => {
  const file = quoted(path);
  const invented = "invented addresses and without times";
  switch (linkType) {
    case 113:
      return `Preferably ${AGAIN}. Or convert it, with invented addresses: editcap -L -C 2 -T ether ${file} OUT`;
    case 276:
      return `Preferably ${AGAIN}. Or convert it (IPv4), with ${invented}: ${withHeader(`editcap -C 20 -T rawip ${file} - | tshark -r -`)}`;
    case 101:
    case 228:
      return `Preferably ${AGAIN}. Or convert it (IPv4), with ${invented}: ${withHeader(`tshark -r ${file}`)}`;
    case 229:
      return `Preferably ${AGAIN}. Or convert it, with ${invented}: ${withHeader(`tshark -r ${file}`, "0x86dd")}`;
    default:
      return `Only Ethernet can be replayed: ${AGAIN}`;
  }
};

const leftOutHint = (why: SkipReason, { linkTypes }: Replay, path: string): string => {
  switch (why) {
    case "foreign":
      return linkHint(linkTypes.values().next().value ?? -1, path);
    case "sent":
    case "damaged":
      return `To replay them too, remove the metadata of each packet: editcap -F pcap ${quoted(path)} OUT`;
    case "cut":
      return "Capture whole frames: tcpdump -s 0 -i NAME -w OUT";
    case "unsized":
    case "short":
    case "long":
      return `Examine them with: tshark -r ${quoted(path)}`;
    default:
      return why satisfies never;
  }
};

const counted = (number: number, what: string): string => `${number} ${what}${number === 1 ? "" : "s"}`;

/** One phrase for each reason why packets are not replayed. */
export const leftOutPhrases = ({ left, linkTypes }: Replay): readonly string[] =>
  [...left].map(([why, number]) => {
    const types = [...linkTypes].map(
      (type) => `link type ${type}${LINK_NAMES[type] === undefined ? "" : `, ${LINK_NAMES[type]}`}`,
    );
    return `${number} ${SKIP_REASONS[why]}${why === "foreign" ? ` (${types.join("; ")})` : ""}`;
  });

/** Advice for the most frequent of the reasons why packets are not replayed; general advice if there is none. */
export const leftOutHintOf = (replay: Replay, path: string): string => {
  const [most] = [...replay.left].sort(([, a], [, b]) => b - a);
  return most === undefined ? `Examine it with: capinfos ${quoted(path)}` : leftOutHint(most[0], replay, path);
};

/**
 * Number of super-frames: frames that are longer than `longest` bytes, or whose IPv4 length is 0. They were captured
 * between a kernel and a NIC with segmentation offload.
 */
const superFramesOf = ({ memory: { bytes }, places }: Replay, longest: number): number => {
  let found = 0;
  for (let i = 0; i < places.length; i += 2) {
    const [at, length] = [places[i]!, places[i + 1]!];
    const unsized = length >= 20 && get16(bytes, at + 12) === EtherType.ipv4 && get16(bytes, at + 16) === 0;
    if (length > longest || unsized) found++;
  }
  return found;
};

/** The differences between replay and file, each with advice; empty if there are none. */
export const alterations = (
  replay: Replay,
  path: string,
  longest: number,
): readonly (readonly [what: string, hint: string])[] => {
  const { packets, times, faults, end, pauses, stepsBack } = replay;
  const found: [string, string][] = [];
  if (end !== undefined)
    found.push([
      `it ends prematurely after ${counted(packets, "packet")} (${end.message})`,
      "The capturing program was probably killed. Stop tcpdump with Ctrl-C, and wait until it has ended.",
    ]);
  if (faults.length > 0)
    found.push([
      `${counted(faults.length, "unreadable block")} left out, the first: ${faults[0]!.message}`,
      `Examine it with: capinfos ${quoted(path)}`,
    ]);
  if (times.length < packets)
    found.push([
      `${packets - times.length} of ${counted(packets, "packet")} left out: ${leftOutPhrases(replay).join(", ")}`,
      leftOutHintOf(replay, path),
    ]);
  const superFrames = superFramesOf(replay, longest);
  if (superFrames > 0)
    found.push([
      `${counted(superFrames, "super-frame")} (over ${longest} bytes, or IPv4 with a length of 0) that cannot have been on a wire; the NIC rejects those that are too long`,
      "They come from segmentation offloads of the capturing machine. Disable these, then capture again: ethtool -K NAME gro off lro off tso off gso off",
    ]);
  if (pauses > 0)
    found.push([
      `${counted(pauses, "pause")} of more than ${MAX_PAUSE_SECONDS} s shortened to this limit`,
      "To replay at a steady rate instead, add ,rate=N to the wire.",
    ]);
  if (stepsBack > 0)
    found.push([
      `${counted(stepsBack, "step")} back in time; the next frame is sent at once`,
      `Sort it: reordercap ${quoted(path)} OUT`,
    ]);
  return found;
};
