/** An ordinary user's shell in a guest, with sudo: commands typed into it, and its output. */
import type { Machine } from "./machine.ts";
import { USER } from "./machine.ts";

/** A command that is typed. */
export interface Line {
  readonly typed: string;
  /** What the output must match. If it does not match, nothing is written to the page. */
  readonly shows?: RegExp | undefined;
  /** Whether earlier output must have recommended the command. */
  readonly advised: boolean;
  /** Whether the command is executed but not shown, because it stands for an event outside the session. */
  readonly hidden: boolean;
}

export const typed = (line: string, shows?: RegExp): Line => ({ typed: line, shows, advised: false, hidden: false });
/** A command that the program itself must have recommended before. */
export const advised = (line: string, shows?: RegExp): Line => ({ typed: line, shows, advised: true, hidden: false });
export const meanwhile = (line: string): Line => ({ typed: line, advised: false, hidden: true });

export interface SessionOptions {
  /** Limit of locked memory in KiB; default: systemd's, 8 MiB. */
  readonly lockable?: number;
  /** Environment variables in addition to the usual ones, such as an SSH log-in sets. */
  readonly environment?: string;
}

/**
 * The user's PATH. Programs in it are started from dash, because busybox's shell would run its own programs instead of
 * those in the path.
 */
const PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
const RAISE = "/usr/bin/raise";
/**
 * A script in place of sudo. Like sudo it becomes root, without the caller's environment; the program that it uses has
 * the set-user-ID bit.
 */
export const SUDO = `#!/bin/sh
exec ${RAISE} --reuid=0 --regid=0 --clear-groups --reset-env /usr/bin/dash -c '${PATH}; exec "$@"' sudo "$@"
`;
/** Shell commands that root must run before `SUDO` works. */
export const MAKE_SUDO = `cp /usr/bin/setpriv ${RAISE}; chmod 4755 ${RAISE}`;

const MARK = "\u0001";
const LIMIT_MILLIS = 600_000;

const script = (lines: readonly Line[]): string =>
  ["exec 2>&1", "cd /tmp", ...lines.flatMap((line) => [`printf '\\001'`, line.typed])].join("\n");

/**
 * Types all commands into one shell. @returns the text that is shown, without trailing spaces. @throws {Error} if the
 * output is not as expected
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
    // Output during hidden commands is shown with the visible command before them.
    const next = lines.findIndex(({ hidden }, j) => j > i && !hidden);
    const output = line.hidden ? "" : outputs.slice(i, next < 0 ? undefined : next).join("");
    const where = `${line.typed}\nshowed\n${output}`;
    if (line.advised && !seen.includes(line.typed))
      throw new Error(`no earlier output recommends the command ${where}`);
    if (line.shows !== undefined && !line.shows.test(output))
      throw new Error(
        `${where}without a match for ${line.shows}. The session, ended with ${exit}:\n${stdout}${stderr}`,
      );
    seen += output;
    return line.hidden ? "" : `$ ${line.typed}\n${output}`;
  });
  return shown.join("").replaceAll(/ +$/gm, "").trimEnd();
};
