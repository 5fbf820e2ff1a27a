/** DPDK for a guest: testpmd, its libraries, and the driver for our chips. */
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
/**
 * Path of the loader of the C library with which DPDK is linked. That library may be newer than the guest's, and then
 * replaces the guest's for all programs.
 */
const LOADER = "lib64/ld-linux-x86-64.so.2";
/**
 * Libraries that DPDK loads at run time: memory pools and Realtek's driver. The bus driver is linked already, and must
 * not be loaded a second time. Of the several file names of a library, these are the ones with the full version, which
 * DPDK loads.
 */
const DRIVERS = ["librte_mempool_ring.so.*.*", "librte_net_r8169.so.*.*"].map((name) => `dpdk/pmds-*/${name}`);

/** Makes a program write whole lines at once, even to a file. */
const UNBUFFERED = ["usr/bin/stdbuf", "usr/libexec/coreutils/libstdbuf.so"];

/**
 * Paths, relative to the part's folder, of the libraries that a program or library is linked with. Those of the tools
 * are in the guest already.
 */
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

/** The paths of `DRIVERS` in the part's folder. */
const driversIn = (folder: string): readonly string[] => {
  const found = globSync(DRIVERS, { cwd: join(folder, LIBRARIES) }).map((path) => join(LIBRARIES, path));
  if (found.length !== DRIVERS.length) throw new Error(`unexpected set of DPDK drivers: ${found.join()}`);
  return found;
};

const taken =
  (part: string) =>
  (path: string): Packed => ({ path, bytes: readFileSync(realpathSync(join(part, path))), executable: true });

const fill = (folder: string): Buffer => {
  const programs = [PROGRAM, ...driversIn(folder)].flatMap((path) => [path, ...linkedWith(folder, path)]);
  return pack([...[...new Set([LOADER, ...programs])].map(taken(folder)), ...UNBUFFERED.map(taken(partOf("tools")))]);
};

/** An archive in the cache, for `GuestOptions.archives`; built if it is missing. @throws {Error} */
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
