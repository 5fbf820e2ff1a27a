/** DPDK for a guest: testpmd with the libraries it is linked with, and of all drivers the one for our chips. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, globSync, mkdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { pack, type Packed } from "./cpio.ts";
import { CACHE, partOf } from "./parts.ts";

const LIBRARIES = "usr/lib/x86_64-linux-gnu";
const PROGRAM = "usr/bin/dpdk-testpmd";
/** Loaded at the start, not linked with: the bus, memory pools, and Realtek's driver. */
const DRIVERS = ["librte_bus_pci.so.25", "librte_mempool_ring.so.25", "librte_net_r8169.so.25"];

/** Paths from the part's folder of all that a program or a library is linked with. */
const linkedWith = (folder: string, path: string): readonly string[] => {
  const loader = join(folder, "usr/lib64/ld-linux-x86-64.so.2");
  const options = ["--library-path", join(folder, LIBRARIES), "--list", join(folder, path)];
  const listed = execFileSync(loader, options, { encoding: "utf8" });
  const missing = /^.*not found.*$/m.exec(listed);
  if (missing !== null) throw new Error(`${path}: ${missing[0].trim()}`);
  return [...listed.matchAll(/=> (\S+) \(/g)]
    .map(([, file]) => file!.slice(folder.length + 1))
    .filter((file) => file.startsWith(LIBRARIES));
};

/** Where DPDK looks for drivers: "dpdk/pmds-25.0". */
const driversOf = (folder: string): string => {
  const [found] = globSync("dpdk/pmds-*", { cwd: join(folder, LIBRARIES) });
  if (found === undefined) throw new Error(`there are no drivers of DPDK's in ${folder}`);
  return join(LIBRARIES, found);
};

const fill = (folder: string): Buffer => {
  const drivers = DRIVERS.map((name) => join(driversOf(folder), name));
  const files = new Set([PROGRAM, ...drivers].flatMap((path) => [path, ...linkedWith(folder, path)]));
  const whole = (path: string): Packed => ({
    path,
    bytes: readFileSync(realpathSync(join(folder, path))),
    executable: true,
  });
  return pack([...files].map(whole));
};

/** An archive in the cache, for `GuestOptions.archives`. Built first where it is not there. @throws {Error} */
export const dpdkArchive = (): string => {
  const folder = partOf("dpdk");
  const hash = createHash("sha256").update(folder).update(readFileSync(import.meta.filename));
  const archive = join(CACHE, `archive-dpdk_${hash.digest("hex").slice(0, 8)}`);
  if (existsSync(archive)) return archive;
  mkdirSync(CACHE, { recursive: true });
  const unfinished = `${archive}.${process.pid}`;
  writeFileSync(unfinished, fill(folder));
  renameSync(unfinished, archive);
  for (const other of globSync("archive-dpdk_*", { cwd: CACHE }))
    if (other !== basename(archive)) rmSync(join(CACHE, other), { force: true });
  return archive;
};
