/** Output of a command: results on one stream and progress on the other, with colours only on a terminal. */
import { styleText } from "node:util";
import { visible, visiblePainted } from "./visible.ts";

export type Style = "bold" | "dim" | "green" | "yellow" | "red" | "cyan";

export interface Stream {
  /** Writes text unchanged, including cursor control. */
  write(text: string): void;
  /** Writes one line. Control characters are made visible, because parts of the line may be from other programs. */
  line(text: string): void;
  /** Whether the stream is a terminal, on which lines may be redrawn. */
  readonly isTerminal: boolean;
  /** Present width in characters. */
  columns(): number;
  /** Present height in lines. */
  rows(): number;
  /** Returns the text, coloured if colours are on. */
  paint(style: Style, text: string): string;
}

export interface Terminal {
  /** The stream for results. */
  readonly out: Stream;
  /** The stream for progress, warnings and errors. */
  readonly err: Stream;
  /** Whether errors are printed with their stacks. */
  readonly debug: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

const isSet = (value: string | undefined): boolean => value !== undefined && value !== "";

/**
 * Whether lines may be redrawn and coloured. They may on a terminal whose TERM is known, but not on a CI system, which
 * logs everything that is written to the terminal.
 */
export const isInteractive = (isTerminal: boolean, environment: Environment): boolean =>
  isTerminal && isSet(environment["TERM"]) && environment["TERM"] !== "dumb" && !isSet(environment["CI"]);

/** Whether colours are used: on an interactive terminal, unless NO_COLOR is set (no-color.org). */
export const usesColours = (isTerminal: boolean, environment: Environment): boolean =>
  isInteractive(isTerminal, environment) && !isSet(environment["NO_COLOR"]);

export const plain = (_style: Style, text: string): string => text;
export const coloured = (style: Style, text: string): string => styleText(style, text, { validateStream: false });

/** Wraps a Node stream as a `Stream`. */
export const streamOn = (stream: NodeJS.WriteStream, environment: Environment): Stream => {
  const { isTTY } = stream;
  // It is not an error if the reader closes the stream early (`ferrule model chips | head`); further output is then
  // discarded. Any other error, such as a full disk, loses results and is reported.
  let readable = true;
  stream.on("error", (error: NodeJS.ErrnoException) => {
    readable = false;
    if (error.code === "EPIPE" || stream !== process.stdout) return;
    process.stderr.write(
      `ferrule: the results could not be written: ${error.message}\nhint: Check where stdout goes.\n`,
    );
    process.exitCode = 1;
  });
  const write = (text: string): void => void (readable && stream.write(text));
  const colours = usesColours(isTTY, environment);
  return {
    isTerminal: isInteractive(isTTY, environment),
    write,
    line: (text) => write(`${colours ? visiblePainted(text) : visible(text)}\n`),
    columns: () => (isTTY ? stream.columns : 80) || 80,
    rows: () => (isTTY ? stream.rows : 24) || 24,
    paint: colours ? coloured : plain,
  };
};

/** The process's own streams. */
export const processTerminal = (): Terminal => ({
  out: streamOn(process.stdout, process.env),
  err: streamOn(process.stderr, process.env),
  debug: isSet(process.env["FERRULE_DEBUG"]),
});
