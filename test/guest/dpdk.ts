/** DPDK for a guest: testpmd with the libraries it is linked with, and of all drivers the one for our chips. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { pack, type Packed } from "./cpio.ts";
import { CACHE, type DpdkName, partOf } from "./parts.ts";

const LIBRARIES = "usr/lib/x86_64-linux-gnu";
const PROGRAM = "usr/bin/dpdk-testpmd";
/** Goes with the C library, which may be newer than the guest's own and then takes its place for all programs. */
const LOADER = "lib64/ld-linux-x86-64.so.2";
/**
 * Loaded at the start, not linked with: memory pools, and Realtek's driver. What the bus is reached by is linked with, and must
 * not be there a second time. Of the names that a library has, DPDK loads the one with its whole version.
 */
const DRIVERS = ["librte_mempool_ring.so.*.*", "librte_net_r8169.so.*.*"].map((name) => `dpdk/pmds-*/${name}`);

/** With it a program prints a line at a time into a file as well. */
const UNBUFFERED = ["usr/bin/stdbuf", "usr/libexec/coreutils/libstdbuf.so"];

/** Paths from the part's folder of all that a program or a library is linked with. What the tools are is on board already. */
const linkedWith = (folder: string, path: string): readonly string[] => {
  const loader = join(folder, LOADER);
  const places = [folder, partOf("tools")].map((part) => join(part, LIBRARIES));
  const options = ["--library-path", places.join(":"), "--list", join(folder, path)];
  const listed = execFileSync(loader, options, { encoding: "utf8" });
  const files = [...listed.matchAll(/^\s*(\S+) => (.*?)( \(0x|$)/gm)].map(([, , file]) => file!);
  const stranger = files.find((file) => ![...places, loader].some((place) => file.startsWith(place)));
  if (stranger !== undefined) throw new Error(`${path} is linked with ${stranger}`);
  return files.filter((file) => file.startsWith(places[0]!)).map((file) => file.slice(folder.length + 1));
};

/** Where DPDK looks for them. */
const driversIn = (folder: string): readonly string[] => {
  const found = globSync(DRIVERS, { cwd: join(folder, LIBRARIES) }).map((path) => join(LIBRARIES, path));
  if (found.length !== DRIVERS.length) throw new Error(`not the drivers of DPDK's that were expected: ${found.join()}`);
  return found;
};

const taken =
  (part: string) =>
  (path: string): Packed => ({ path, bytes: readFileSync(realpathSync(join(part, path))), executable: true });

const fill = (folder: string): Buffer => {
  const programs = [PROGRAM, ...driversIn(folder)].flatMap((path) => [path, ...linkedWith(folder, path)]);
  return pack([...[...new Set([LOADER, ...programs])].map(taken(folder)), ...UNBUFFERED.map(taken(partOf("tools")))]);
};

/** An archive in the cache, for `GuestOptions.archives`. Built first where it is not there. @throws {Error} */
export const dpdkArchive = (name: DpdkName): string => {
  const folder = partOf(`dpdk-${name}`);
  const hash = createHash("sha256")
    .update(folder)
    .update(readFileSync(import.meta.filename));
  const key = `archive-dpdk-${name}_`;
  const archive = join(CACHE, `${key}${hash.digest("hex").slice(0, 8)}`);
  if (existsSync(archive)) return archive;
  mkdirSync(CACHE, { recursive: true });
  const unfinished = `${archive}.${process.pid}`;
  writeFileSync(unfinished, fill(folder));
  renameSync(unfinished, archive);
  for (const other of globSync(`${key}*`, { cwd: CACHE }))
    if (other !== basename(archive)) rmSync(join(CACHE, other), { force: true });
  return archive;
};
