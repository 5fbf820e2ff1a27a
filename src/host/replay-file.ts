/** Loads a capture file for replay, and reports what cannot be replayed. */
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from "node:fs";
import { FerruleError } from "#kit/errors.ts";
import { MalformedCapture } from "#wire/captured-packet.ts";
import type { CapturedPacket } from "#wire/captured-packet.ts";
import { readCapture } from "#wire/pcap-reader.ts";
import { alterations, formatOf, leftOutHintOf, leftOutPhrases, quoted, unknownFormatHint } from "./replay-hints.ts";
import { buildReplay, type CaptureContents, type Replay } from "./replay.ts";

/** Maximum size of a file in bytes: files are held in memory. */
const LARGEST_FILE = 1 << 30;
/** Maximum number of unreadable blocks that are recorded. */
const MAX_FAULTS = 1000;

/** A capture file cannot be replayed. */
export class ReplayFailed extends FerruleError {
  readonly code = "REPLAY_FAILED";
  readonly hint: string;
  constructor(path: string, what: string, hint: string, cause?: unknown) {
    super(`${path} cannot be replayed: ${what}`, { cause });
    this.hint = hint;
  }
}

/** A capture file is replayed, but not exactly as recorded. */
export class ReplayAltered extends FerruleError {
  readonly code = "REPLAY_ALTERED";
  readonly hint: string;
  constructor(path: string, what: string, hint: string) {
    super(`replay of ${path}: ${what}`);
    this.hint = hint;
  }
}

const HINTS: Readonly<Record<string, string>> = {
  ENOENT: "The file does not exist: check the path.",
  ENXIO: "The path is a socket or a device without a driver: use a file.",
  EISDIR: "Name a file, not a directory.",
};

const PIPE = "a pipe";

/** The kind of a file that is not a regular file and therefore cannot be replayed; undefined for a regular file. */
const kindOf = (stats: Stats): string | undefined => {
  if (stats.isFile()) return undefined;
  if (stats.isDirectory()) return "a directory";
  if (stats.isFIFO()) return PIPE;
  return stats.isSocket() ? "a socket" : "a device";
};

const notFileHint = (kind: string, path: string): string =>
  kind === PIPE ? `Save its data to a file: cat ${quoted(path)} > OUT` : "Use a pcap or pcapng file.";

/**
 * The present contents of a file. With O_NONBLOCK, opening a pipe does not wait for a writer; the pipe is then
 * rejected.
 */
const readWhole = (path: string): Uint8Array => {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    const stats = fstatSync(file);
    const kind = kindOf(stats);
    if (kind !== undefined) throw new ReplayFailed(path, `it is ${kind}`, notFileHint(kind, path));
    if (stats.size > LARGEST_FILE)
      throw new ReplayFailed(
        path,
        `it has ${stats.size} bytes`,
        `Use fewer packets: editcap -r ${quoted(path)} OUT 1-1000000`,
      );
    const bytes = new Uint8Array(stats.size);
    let at = 0;
    for (let got = -1; got !== 0 && at < bytes.length; at += got)
      got = readSync(file, bytes, at, bytes.length - at, at);
    return bytes.subarray(0, at);
  } finally {
    closeSync(file);
  }
};

/** Everything that can be read from the file. */
const contentsOf = (bytes: Uint8Array): CaptureContents => {
  const packets: CapturedPacket[] = [];
  const faults: MalformedCapture[] = [];
  try {
    for (const packet of readCapture(bytes, (fault) => void (faults.length < MAX_FAULTS && faults.push(fault))))
      packets.push(packet);
    return { packets, faults };
  } catch (error) {
    if (error instanceof MalformedCapture) return { packets, faults, end: error };
    throw error;
  }
};

const load = (path: string): Replay => {
  const bytes = readWhole(path);
  const format = formatOf(bytes, path);
  if (format !== undefined) throw new ReplayFailed(path, `it is ${format[0]}`, format[1]);
  const replay = buildReplay(contentsOf(bytes));
  if (replay.times.length > 0) return replay;
  const fault = replay.end ?? replay.faults[0];
  if (replay.packets > 0) {
    const why = leftOutPhrases(replay).join(", ");
    throw new ReplayFailed(path, `no frame in it can be delivered: ${why}`, leftOutHintOf(replay, path));
  }
  if (fault !== undefined) throw new ReplayFailed(path, fault.message, unknownFormatHint(path), fault);
  throw new ReplayFailed(path, "it has no packets", leftOutHintOf(replay, path));
};

/**
 * Loads a file. Calls `warn` once for each kind of difference between the replay and the file.
 * @param longest number of bytes in the longest frame that the NIC accepts, without FCS
 * @throws {ReplayFailed} if the file cannot be read, or no frame in it can be delivered
 */
export const loadReplay = (path: string, longest: number, warn: (warning: ReplayAltered) => void): Replay => {
  try {
    const replay = load(path);
    for (const [what, hint] of alterations(replay, path, longest)) warn(new ReplayAltered(path, what, hint));
    return replay;
  } catch (error) {
    if (error instanceof FerruleError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new ReplayFailed(path, code, HINTS[code] ?? "Check the path, and that you have read permission.", error);
  }
};
