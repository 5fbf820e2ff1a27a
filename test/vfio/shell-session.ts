/** An ordinary user's shell in a guest, with sudo: commands typed into it, and its output. */
import type { Machine } from "./machine.ts";
import { USER } from "./machine.ts";

/** The typed command. */
export interface Line {
  readonly typed: string;
  /** What the output must match; otherwise nothing is written to the page. */
  readonly shows?: RegExp | undefined;
  /** The command was recommended by earlier output. */
  readonly advised: boolean;
  /** Executed but not shown: events outside the session. */
  readonly hidden: boolean;
}

export const typed = (line: string, shows?: RegExp): Line => ({ typed: line, shows, advised: false, hidden: false });
/** A command that the program itself has recommended before. */
export const advised = (line: string, shows?: RegExp): Line => ({ typed: line, shows, advised: true, hidden: false });
export const meanwhile = (line: string): Line => ({ typed: line, advised: false, hidden: true });

export interface SessionOptions {
  /** Limit of locked memory in KiB; default: systemd's, 8 MiB. */
  readonly lockable?: number;
  /** Set as by an SSH log-in. */
  readonly environment?: string;
}

/** Full paths: busybox's shell prefers its own programs to those in the path. */
const PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
const RAISE = "/usr/bin/raise";
/** As sudo does: becomes root, without the caller's environment. The program has the set-user-ID bit. */
export const SUDO = `#!/bin/sh
exec ${RAISE} --reuid=0 --regid=0 --clear-groups --reset-env /usr/bin/dash -c '${PATH}; exec "$@"' sudo "$@"
`;
/** In a shell, as root. */
export const MAKE_SUDO = `cp /usr/bin/setpriv ${RAISE}; chmod 4755 ${RAISE}`;

const MARK = "\u0001";
const LIMIT_MILLIS = 600_000;

const script = (lines: readonly Line[]): string =>
  ["exec 2>&1", "cd /tmp", ...lines.flatMap((line) => [`printf '\\001'`, line.typed])].join("\n");

/**
 * Types all commands into one shell. @returns the visible text, without trailing spaces. @throws {Error} if the output
 * is not as expected
 */
export const session = async (
  machine: Machine,
  lines: readonly Line[],
  { lockable = 8192, environment = "" }: SessionOptions = {},
): Promise<string> => {
  const encoded = Buffer.from(script(lines)).toString("base64");
  const own = `${PATH} HOME=/tmp USER=${USER.name} LC_ALL=C ${environment}`;
  const { exit, stdout, stderr } = await machine.guest.run(
    `echo ${encoded} | base64 -d >/tmp/session; ulimit -l ${lockable}; ` +
      `exec env -i ${own} /usr/bin/setpriv --reuid=${USER.id} --regid=${USER.id} --clear-groups /usr/bin/dash /tmp/session`,
    LIMIT_MILLIS,
  );
  const outputs = stdout.split(MARK).slice(1);
  let seen = "";
  const shown = lines.map((line, i) => {
    // Output during hidden commands belongs to the previous visible one.
    const next = lines.findIndex(({ hidden }, j) => j > i && !hidden);
    const output = line.hidden ? "" : outputs.slice(i, next < 0 ? undefined : next).join("");
    const where = `${line.typed}\nshowed\n${output}`;
    if (line.advised && !seen.includes(line.typed))
      throw new Error(`no earlier output recommends the command ${where}`);
    if (line.shows !== undefined && !line.shows.test(output))
      throw new Error(`${where}not ${line.shows}; of all (ended with ${exit}):\n${stdout}${stderr}`);
    seen += output;
    return line.hidden ? "" : `$ ${line.typed}\n${output}`;
  });
  return shown.join("").replaceAll(/ +$/gm, "").trimEnd();
};
