/** Builds one part of a guest in the cache: `node build.ts PART`. Run by `partOf`, one at a time. */
import { execFileSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { Apt, type Package } from "./apt.ts";
import { pack } from "./cpio.ts";
import {
  ARCHIVE,
  CACHE,
  folderOf,
  type KernelName,
  type PartName,
  RECIPES,
  RUN,
  toolCommand,
  VERSIONS,
  versionsOf,
} from "./parts.ts";
import { PROCESSOR, type ProcessorName } from "./processors.ts";
import { kernelOf } from "./vmlinux.ts";

/** Folders of modules that a guest with network cards may want. */
const KEPT = [
  "net",
  "lib",
  "crypto",
  "arch",
  "drivers/net",
  "drivers/virtio",
  "drivers/char",
  "drivers/ptp",
  "drivers/iommu",
  "drivers/uio",
  "drivers/vfio",
  "virt",
];
const DROPPED = ["drivers/net/wireless"];

const only = (...patterns: string[]): string => {
  const [found, second] = globSync(patterns);
  if (found === undefined || second !== undefined) throw new Error(`not exactly one ${patterns.join(" or ")}`);
  return found;
};

/** Leaves vmlinuz, vmlinux where the processor's kernels have one inside, and root/lib/modules/VERSION with modules that need no unpacking. */
const makeKernel = (unpacked: string, folder: string, processor: ProcessorName): void => {
  const xz = toolCommand("xz");
  const modules = only(join(unpacked, "usr/lib/modules/*"));
  // The kernel is in this folder since Linux 7.
  const image = only(join(unpacked, "boot/vmlinuz-*"), join(modules, "vmlinuz"));
  if (PROCESSOR[processor].unpacked) writeFileSync(join(folder, "vmlinux"), kernelOf(readFileSync(image), xz));
  renameSync(image, join(folder, "vmlinuz"));
  const version = basename(modules);
  const kept = join(folder, "root/lib/modules", version);
  for (const name of DROPPED) rmSync(join(modules, "kernel", name), { recursive: true, force: true });
  for (const name of KEPT) {
    if (!existsSync(join(modules, "kernel", name))) continue;
    mkdirSync(dirname(join(kept, "kernel", name)), { recursive: true });
    renameSync(join(modules, "kernel", name), join(kept, "kernel", name));
  }
  for (const index of globSync("modules.*", { cwd: modules })) renameSync(join(modules, index), join(kept, index));
  const packed = globSync(join(kept, "**/*.ko.xz"));
  const [program, ...args] = xz;
  if (packed.length > 0) execFileSync(program, [...args, "-d", ...packed]);
  const [loader, ...depmod] = toolCommand("depmod");
  execFileSync(loader, [...depmod, "-b", join(folder, "root"), version], { stdio: ["ignore", "ignore", "inherit"] });
};

/** What the far end of the wire needs, which runs on this machine. */
const OUTSIDE = ["ip", "ping", "iperf3", "tcpdump", "ethtool", "ss", "tc", "bridge", "nstat"];

/**
 * Writes scripts that run each program with the loader for which it was linked. @param home the folder in which the
 * tools will be
 */
const makeScripts = (folder: string, home: string): void => {
  mkdirSync(join(folder, RUN));
  for (const program of OUTSIDE) {
    const command = toolCommand(program, folder).map((word) => `'${word.replace(folder, home)}'`);
    writeFileSync(join(folder, RUN, program), `#!/bin/sh\nexec ${command.join(" ")} "$@"\n`, { mode: 0o755 });
  }
};

/** The package of headers that goes with the kernel in the cache. */
const headersOf = (kernel: KernelName): string => {
  const packages = Object.entries(versionsOf(`kernel-${kernel}`));
  const [name, version] = packages.find(([name]) => /^linux-image-\d/.test(name))!;
  return `${name.replace("image", "headers")}=${version}`;
};

/** Leaves an archive for the guest with a module out of each folder of sources. */
const makeVendor = (unpacked: string, folder: string): void => {
  const sources = join(unpacked, "usr/src");
  const headers = only(join(sources, "linux-headers-*-amd64"));
  // The Makefile names the other folder as if both were installed.
  const makefile = join(headers, "Makefile");
  writeFileSync(makefile, readFileSync(makefile, "utf8").replace("/usr/src", sources));
  const modules = globSync(join(sources, "r8*")).map((source) => {
    const [name] = basename(source).split("-");
    const args = ["-s", "-C", headers, `M=${source}`, ...RECIPES.vendor.options![name!]!, "modules"];
    execFileSync("make", args, { stdio: ["ignore", "ignore", "inherit"] });
    const module = only(join(source, "*.ko"));
    return { path: `vendor/${basename(module)}`, bytes: readFileSync(module) };
  });
  writeFileSync(join(folder, ARCHIVE), pack(modules));
};

const versions = (packages: readonly Package[]): string =>
  JSON.stringify(Object.fromEntries(packages.map(({ name, version }) => [name, version])), undefined, 2);

interface Kind {
  /**
   * The packages that are unpacked. Their other dependencies are needed only for compiling, or on an installed system.
   */
  readonly takes: RegExp;
  /** Copies the wanted files from the folder with the unpacked packages; if absent, all files are kept. */
  readonly make?: (unpacked: string, folder: string, processor: ProcessorName) => void;
}

const KINDS: Readonly<Record<string, Kind>> = {
  tools: { takes: /^/ },
  programs: { takes: /^/ },
  dpdk: { takes: /^(dpdk-dev|ibverbs-providers|lib\S*(?<!-dev))$/ },
  ipxe: { takes: /^ipxe$/ },
  kernel: { takes: /^linux-(image|binary|modules|base)-\d/, make: makeKernel },
  vendor: { takes: /^(r8\d+-dkms|linux-(headers|kbuild)-\d.*)$/, make: makeVendor },
};

const build = (part: PartName): void => {
  const folder = folderOf(part);
  // Another run has had the lock before, and has built the part.
  if (existsSync(join(folder, VERSIONS))) return;
  rmSync(folder, { recursive: true, force: true });
  const unfinished = join(CACHE, "unfinished");
  const { suites, release, packages, components, kernel, processor = "amd64" } = RECIPES[part];
  const [kind] = part.split("-");
  const { takes, make } = KINDS[kind!]!;
  const apt = new Apt(join(CACHE, "apt"), processor, suites, components);
  const needed = apt.needed(release, kernel === undefined ? packages : [...packages, headersOf(kernel)]);
  const taken = needed.filter(({ name }) => takes.test(name));
  rmSync(unfinished, { recursive: true, force: true });
  const unpacked = join(unfinished, "unpacked");
  apt.unpack(taken, make === undefined ? unfinished : unpacked);
  make?.(unpacked, unfinished, processor);
  rmSync(unpacked, { recursive: true, force: true });
  if (part === "tools") makeScripts(unfinished, folder);
  writeFileSync(join(unfinished, VERSIONS), versions(taken));
  renameSync(unfinished, folder);
  rmSync(join(CACHE, "apt"), { recursive: true });
  for (const name of readdirSync(CACHE))
    if (name.startsWith(`${part}_`) && name !== basename(folder)) rmSync(join(CACHE, name), { recursive: true });
};

build(process.argv[2] as PartName);
