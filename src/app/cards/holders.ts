/** Finds the processes that have a card open, from the file descriptors that this user may see in /proc. */
import { readlinkSync } from "node:fs";
import { join } from "node:path";
import { type Files, linkOf, namesIn, textOf } from "./files.ts";
import { FERRULE } from "./program.ts";

export interface Holder {
  readonly pid: number;
  /** The process's command line, shortened. */
  readonly command: string;
  /** The command that ends the process. */
  readonly end: string;
}

const MAX_COMMAND = 60;

/** The command that takes a `ferrule up` down cleanly; undefined for other programs. */
const downCommand = (words: readonly string[]): string | undefined => {
  const up = words.indexOf("up");
  if (up < 1 || !/\bferrule(\.mjs)?$|\/entry\.[jt]s$/.test(words[up - 1]!)) return undefined;
  const inline = words.find((word) => word.startsWith("--name="))?.slice("--name=".length);
  const name = inline ?? (words.includes("--name") ? words[words.indexOf("--name") + 1] : "fe0");
  return name !== undefined && /^[\w.-]{1,15}$/.test(name) ? `${FERRULE} down ${name}` : undefined;
};

const holderIn = (proc: string, pid: number): Holder => {
  const folder = join(proc, String(pid));
  const line = (textOf(join(folder, "cmdline")) ?? "").split("\0").filter((word) => word !== "");
  const text = line.join(" ").replaceAll(/[^ -~]/g, "?") || textOf(join(folder, "comm")) || "?";
  const command = text.length <= MAX_COMMAND ? text : `${text.slice(0, MAX_COMMAND - 1)}…`;
  const ofRoot = /^Uid:\s+0\s/m.test(textOf(join(folder, "status")) ?? "");
  return { pid, command, end: `${ofRoot ? "sudo " : ""}${downCommand(line) ?? `kill ${pid}`}` };
};

const target = (path: string): string => {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
};

/**
 * The files through which a card is accessed: the file of its group and, if the kernel has iommufd, the file of the
 * card itself.
 */
const filesOf = (files: Files, address: string): readonly string[] => {
  const group = linkOf(join(files.device(address), "iommu_group"));
  const own = namesIn(join(files.device(address), "vfio-dev")).map((name) => `devices/${name}`);
  return [...(group === undefined ? [] : [group, `noiommu-${group}`]), ...own].map((name) => `/dev/vfio/${name}`);
};

/** @returns processes by ascending pid; a user other than root sees only the user's own processes */
export const holdersOf = (files: Files, address: string): readonly Holder[] => {
  const wanted = filesOf(files, address);
  if (wanted.length === 0) return [];
  const pids = namesIn(files.proc).filter((name) => /^\d+$/.test(name));
  return pids
    .filter((pid) =>
      namesIn(join(files.proc, pid, "fd")).some((fd) => wanted.includes(target(join(files.proc, pid, "fd", fd)))),
    )
    .map((pid) => holderIn(files.proc, Number(pid)))
    .sort((a, b) => a.pid - b.pid);
};
