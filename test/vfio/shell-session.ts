/** An ordinary user's shell in a guest, with sudo: what is typed into it, and what it shows. */
import type { Machine } from "./machine.ts";
import { USER } from "./machine.ts";

/** What one types. */
export interface Line {
  readonly typed: string;
  /** What must be seen then; nothing may be shown that is not so. */
  readonly shows?: RegExp | undefined;
  /** Seen before as advice. */
  readonly advised: boolean;
  /** Done, and not shown: what the world does meanwhile. */
  readonly hidden: boolean;
}

export const typed = (line: string, shows?: RegExp): Line => ({ typed: line, shows, advised: false, hidden: false });
/** A command that the program itself has named before. */
export const advised = (line: string, shows?: RegExp): Line => ({ typed: line, shows, advised: true, hidden: false });
export const meanwhile = (line: string): Line => ({ typed: line, advised: false, hidden: true });

export interface SessionOptions {
  /** KiB that a process of the user's may lock. Systemd's default, 8 MiB, unless given. */
  readonly lockable?: number;
  /** As a log-in over the network sets it. */
  readonly environment?: string;
}

/** Not by names alone: busybox's programs prefer each other to those in the path. */
const PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
const RAISE = "/usr/bin/raise";
/** As sudo does: root, with nothing of the caller's environment. The program it becomes has the set-user-ID bit. */
export const SUDO = `#!/bin/sh
exec ${RAISE} --reuid=0 --regid=0 --clear-groups --reset-env /usr/bin/dash -c '${PATH}; exec "$@"' sudo "$@"
`;
/** In a shell, as root. */
export const MAKE_SUDO = `cp /usr/bin/setpriv ${RAISE}; chmod 4755 ${RAISE}`;

const MARK = "\u0001";
const LIMIT_MILLIS = 600_000;

const script = (lines: readonly Line[]): string =>
  ["exec 2>&1", "cd /tmp", ...lines.flatMap((line) => [`printf '\\001'`, line.typed])].join("\n");

/** Types all into one shell. @returns what a person sees, without spaces at ends of lines. @throws {Error} when something else is seen than must be */
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
    // What is still said while hidden things happen belongs to what was typed before.
    const next = lines.findIndex(({ hidden }, j) => j > i && !hidden);
    const output = line.hidden ? "" : outputs.slice(i, next < 0 ? undefined : next).join("");
    const where = `${line.typed}\nshowed\n${output}`;
    if (line.advised && !seen.includes(line.typed)) throw new Error(`nobody has named the command ${where}`);
    if (line.shows !== undefined && !line.shows.test(output))
      throw new Error(`${where}not ${line.shows}; of all (ended with ${exit}):\n${stdout}${stderr}`);
    seen += output;
    return line.hidden ? "" : `$ ${line.typed}\n${output}`;
  });
  return shown.join("").replaceAll(/ +$/gm, "").trimEnd();
};
