/** The log to which a background process writes its events: a file, or the system's journal. */
import { closeSync, openSync } from "node:fs";
import { createConnection, type Socket } from "node:net";
import { FerruleError } from "#kit/errors.ts";
import { within } from "../limit.ts";

/** The stream socket of systemd-journald. A client first sends a header of seven lines (sd_journal_stream_fd(3)). */
const JOURNAL = "/run/systemd/journal/stdout";
const JOURNAL_MILLIS = 5_000;
const IDENTIFIER = "ferrule";
/** LOG_INFO of syslog(3). */
const PRIORITY = 6;

/** This system has no journal. */
export class NoJournal extends FerruleError {
  readonly code = "NO_JOURNAL";
  readonly hint = "Give a file for the events: --log FILE.";
  constructor(cause: unknown) {
    super("this system has no journal for the events of a background process", { cause });
  }
}

/** The log as a descriptor or socket, to which the process writes. */
export interface BackgroundLog extends Disposable {
  readonly output: number | Socket;
  /** The command or path with which users read the log. */
  readonly reader: string;
}

const openJournal = async (path: string): Promise<BackgroundLog> => {
  const socket = createConnection(path);
  const connected = new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    // The header: identifier; unit; priority; whether lines have priorities; whether to forward to syslog, to the
    // kernel log, and to the console.
    socket.write(`${IDENTIFIER}\n\n${PRIORITY}\n0\n0\n0\n0\n`, () => resolve());
  });
  try {
    await within(connected, "the connection to the journal", JOURNAL_MILLIS);
  } catch (error) {
    socket.destroy();
    throw new NoJournal(error);
  }
  return { output: socket, reader: `journalctl -t ${IDENTIFIER}`, [Symbol.dispose]: () => void socket.destroy() };
};

/**
 * Opens the log. @throws {NoJournal} if no file is given and there is no journal; the system's error if the file cannot
 * be opened
 */
export const openLog = async (file: string | undefined, journal = JOURNAL): Promise<BackgroundLog> => {
  if (file === undefined) return await openJournal(journal);
  const fd = openSync(file, "a", 0o640);
  return { output: fd, reader: file, [Symbol.dispose]: () => closeSync(fd) };
};
