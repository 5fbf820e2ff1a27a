/** Which processes have a card open: found by what their descriptors point at, as far as this user may see. */
import { readlinkSync } from "node:fs";
import { join } from "node:path";
import { type Files, linkOf, namesIn, textOf } from "./files.ts";

export interface Holder {
  readonly pid: number;
  /** Its command line, shortened. */
  readonly command: string;
}

const LONGEST_COMMAND = 60;

const commandOf = (folder: string): string => {
  const line = (textOf(join(folder, "cmdline")) ?? "").split("\0").filter((word) => word !== "");
  const text = line.join(" ").replaceAll(/[^ -~]/g, "?") || textOf(join(folder, "comm")) || "?";
  return text.length <= LONGEST_COMMAND ? text : `${text.slice(0, LONGEST_COMMAND - 1)}…`;
};

const target = (path: string): string => {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
};

/** Files through which a card is reached: its group's, and its own where the kernel has iommufd. */
const filesOf = (files: Files, address: string): readonly string[] => {
  const group = linkOf(join(files.device(address), "iommu_group"));
  const own = namesIn(join(files.device(address), "vfio-dev")).map((name) => `devices/${name}`);
  return [...(group === undefined ? [] : [group, `noiommu-${group}`]), ...own].map((name) => `/dev/vfio/${name}`);
};

/** @returns processes in ascending order; without root only this user's are seen */
export const holdersOf = (files: Files, address: string): readonly Holder[] => {
  const wanted = filesOf(files, address);
  if (wanted.length === 0) return [];
  const pids = namesIn(files.proc).filter((name) => /^\d+$/.test(name));
  return pids
    .filter((pid) =>
      namesIn(join(files.proc, pid, "fd")).some((fd) => wanted.includes(target(join(files.proc, pid, "fd", fd)))),
    )
    .map((pid) => ({ pid: Number(pid), command: commandOf(join(files.proc, pid)) }))
    .sort((a, b) => a.pid - b.pid);
};
