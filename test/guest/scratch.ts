/** Folders for one run's sockets and files. Folders left by killed runs are removed by the next run. */
import { existsSync, globSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PREFIX = "ferrule-rig-";

/** A new folder, named after this process; the caller removes it. */
export const scratchFolder = (): string => {
  for (const name of globSync(`${PREFIX}*-*`, { cwd: tmpdir() })) {
    const pid = name.slice(PREFIX.length).split("-")[0];
    if (/^\d+$/.test(pid!) && !existsSync(`/proc/${pid}`))
      rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
  return mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`));
};
