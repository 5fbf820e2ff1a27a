/**
 * DPDK's r8169 driver, as Debian ships it: downloaded once into `${XDG_CACHE_HOME:-~/.cache}/ferrule/compare`, and used
 * from there with the C library for which it was built. Nothing is installed.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { userCache } from "../../src/app/cache-folder.js";
import { Apt, type Package } from "../../test/guest/apt.ts";
import { CannotMeasure } from "../bench.ts";
import { compile, FLAGS } from "../c-program.ts";

const RELEASE = "trixie";
const DRIVER = "librte-net-r8169-25";
const LIBRARIES = [DRIVER, "librte-mempool-ring25"];
/** This package is fetched without its dependencies, because only the headers are used. */
const HEADERS = "libdpdk-dev";
/**
 * The libraries to link. The program calls no function of the first two. They are linked only so that they are loaded.
 */
const LINKED = ["net_r8169", "mempool_ring", "ethdev", "mbuf", "mempool", "eal"];

const CACHE = join(userCache() ?? join(tmpdir(), `ferrule-cache-${process.geteuid?.()}`), "ferrule", "compare");
const FOLDER = join(CACHE, `dpdk-${RELEASE}-1`);

export const INSTALL = "sudo apt-get update (the packages of DPDK are fetched from Debian's mirror, not installed)";

const cannot = (why: string): CannotMeasure => new CannotMeasure(`DPDK: ${why}`, INSTALL);

/** Downloads and unpacks the packages, some 13 MB. */
const fetchPackages = (say: (line: string) => void): void => {
  say(`fetching DPDK from Debian into ${CACHE}`);
  const unfinished = `${FOLDER}.${process.pid}`;
  using scope = new DisposableStack();
  scope.defer(() => rmSync(unfinished, { recursive: true, force: true }));
  const apt = new Apt(join(unfinished, "apt"), "amd64", [RELEASE]);
  const packages = apt.needed(RELEASE, LIBRARIES);
  const { version } = packages.find(({ name }) => name === DRIVER)!;
  const headers: Package = { name: HEADERS, version };
  apt.unpack([...packages, headers], join(unfinished, "root"));
  if (!existsSync(FOLDER)) renameSync(join(unfinished, "root"), FOLDER);
};

/** The folder with DPDK's files. @throws {CannotMeasure} */
const dpdkFolder = (say: (line: string) => void): string => {
  if (existsSync(FOLDER)) return FOLDER;
  if (process.arch !== "x64") throw cannot("its packages are fetched for x86-64 only");
  if (spawnSync("apt-get", ["--version"]).status !== 0)
    throw cannot("apt-get, which fetches Debian's packages, was not found");
  mkdirSync(CACHE, { recursive: true });
  try {
    fetchPackages(say);
  } catch (error) {
    throw cannot(`Debian's packages cannot be fetched (${(error as Error).message.split("\n", 1)[0]})`);
  }
  return FOLDER;
};

/** Version of the library; undefined if it has not been downloaded. */
export const dpdkVersion = (): string | undefined => (existsSync(FOLDER) ? "DPDK 24.11" : undefined);

/** The command that starts the driver, compiled into `scratch`. @throws {CannotMeasure} */
export const dpdkCommand = async (scratch: string, say: (line: string) => void): Promise<[string, ...string[]]> => {
  const folder = dpdkFolder(say);
  const libraries = join(folder, "usr/lib/x86_64-linux-gnu");
  const includes = ["usr/include/dpdk", "usr/include/x86_64-linux-gnu/dpdk"].flatMap((path) => [
    "-isystem",
    join(folder, path),
  ]);
  const flags = [...FLAGS, ...includes, "-DALLOW_INTERNAL_API", "-DALLOW_EXPERIMENTAL_API", "-rdynamic"];
  const linked = LINKED.map((name) => `-l:librte_${name}.so.25`);
  const linker = ["--no-as-needed", "--allow-shlib-undefined", `-rpath-link,${libraries}`].map(
    (option) => `-Wl,${option}`,
  );
  const program = await compile(scratch, "dpdk", flags, [`-L${libraries}`, ...linker, ...linked]);
  return [join(folder, "lib64/ld-linux-x86-64.so.2"), "--library-path", libraries, program];
};
