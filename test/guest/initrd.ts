/**
 * The initial RAM file system of a guest that is controlled by an agent: Debian's programs and firmware, the kernel's
 * modules, and agent.sh.
 */
import { createHash } from "node:crypto";
import { existsSync, globSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { pack, type Packed } from "./cpio.ts";
import { CACHE, type KernelName, partOf, processorOf, programIn } from "./parts.ts";
import { PROCESSOR, type ProcessorName } from "./processors.ts";

/** busybox provides all other commands. */
const PROGRAMS = [
  "bridge",
  "dash",
  "ethtool",
  "ip",
  "iperf3",
  "kmod",
  "lspci",
  "nstat",
  "ping",
  "rtcwake",
  "setpci",
  "setpriv",
  "ss",
  "tc",
  "tcpdump",
  "timeout",
];

/**
 * Modules that are included with their dependencies. Not every kernel has all of them as modules; those that a kernel
 * lacks are built into it.
 */
const MODULES = [
  // For our chips and for QEMU's NICs.
  "r8169",
  "8139cp",
  "e1000e",
  "realtek",
  "virtio_console",
  "virtio_iommu",
  "virtio_pci",
  "virtio_net",
  "8021q",
  "af_packet",
  "bridge",
  "macvlan",
  "pktgen",
  "sch_fq",
  "tun",
  "uio_pci_generic",
  "veth",
  "vfio_iommu_type1",
  "vfio_pci",
];

export interface Boot {
  /**
   * An image of the kernel that QEMU starts faster than `vmlinuz`, but that cannot be suspended. For some processors it
   * is the same file as `vmlinuz`.
   */
  readonly vmlinux: string;
  readonly vmlinuz: string;
  readonly initrd: string;
  /** The kernel's release: "6.12.107+deb13-amd64". */
  readonly version: string;
  readonly processor: ProcessorName;
}

const moduleName = (file: string): string => basename(file).replace(/\.ko$/, "").replaceAll("-", "_");

/** The wanted modules with their hard and soft dependencies, as paths relative to the folder of modules. */
const modulesOf = (folder: string): readonly string[] => {
  const needs = new Map<string, string[]>();
  for (const line of readFileSync(join(folder, "modules.dep"), "utf8").split("\n")) {
    const [file, rest] = line.split(":");
    if (file !== "") needs.set(moduleName(file!), [file!, ...(rest ?? "").split(" ").filter((name) => name !== "")]);
  }
  const files = MODULES.flatMap((name) => needs.get(moduleName(name)) ?? []);
  return [...new Set(files)];
};

/** Names of shared libraries, found in the string tables of a program or library. */
const NAMED = /\0((?:lib|ld-)[\w.+-]+\.so(?:\.\d+)*)(?=\0)/g;

/**
 * Libraries that the programs name, and those that these libraries name in turn, whether linked or loaded at run time.
 * Paths are relative to `root`.
 */
const librariesOf = (root: string, libraries: string, programs: readonly string[]): readonly string[] => {
  const found = new Set<string>();
  const visit = (path: string): void => {
    for (const [, name] of readFileSync(join(root, path), "latin1").matchAll(NAMED)) {
      const library = join(libraries, name!);
      if (found.has(library) || !existsSync(join(root, library))) continue;
      found.add(library);
      visit(library);
    }
  };
  for (const program of programs) visit(program);
  return [...found];
};

const copy = (root: string, path: string, from = path): Packed => ({
  path,
  bytes: readFileSync(join(root, from)),
  executable: true,
});

/** The folder of the programs for a processor. */
const programsFor = (processor: ProcessorName): string =>
  partOf(processor === "amd64" ? "tools" : `programs-${processor}`);

const programFile = (root: string, program: string): string => {
  const path = programIn(root, program);
  if (path === undefined) throw new Error(`there is no ${program} in ${root}`);
  return path;
};

const fill = (kernel: string, version: string, processor: ProcessorName): Buffer => {
  const tools = partOf("tools");
  const root = programsFor(processor);
  const { libraries, loader } = PROCESSOR[processor];
  const programs = PROGRAMS.map((program) => relative(root, programFile(root, program)));
  const modules = join("lib/modules", version);
  const folder = join(kernel, "root", modules);
  const files = [
    { path: "init", bytes: readFileSync(new URL("agent.sh", import.meta.url)), executable: true },
    copy(root, "bin/busybox", "usr/bin/busybox"),
    ...programs.map((path) => copy(root, join("usr/bin", basename(path)), path)),
    ...[loader, ...librariesOf(root, libraries, programs)].map((path) => copy(root, path)),
    ...globSync("usr/lib/firmware/rtl_nic/*", { cwd: tools }).map((path) =>
      copy(tools, path.slice("usr/".length), path),
    ),
    ...[...modulesOf(folder), ...globSync("modules.*", { cwd: folder })].map((file) =>
      copy(join(kernel, "root"), join(modules, file)),
    ),
  ];
  return pack(files);
};

/** Files that a guest with this kernel boots from; built if they are not in the cache. @throws {Error} */
export const bootOf = (name: KernelName): Boot => {
  const kernel = partOf(`kernel-${name}`);
  const [version] = readdirSync(join(kernel, "root/lib/modules"));
  const processor = processorOf(name);
  const hash = createHash("sha256").update(`${kernel} ${partOf("tools")} ${programsFor(processor)}`);
  for (const source of ["agent.sh", "initrd.ts", "cpio.ts"])
    hash.update(readFileSync(new URL(source, import.meta.url)));
  const key = `initrd_${name}_`;
  const initrd = join(CACHE, `${key}${hash.digest("hex").slice(0, 8)}`);
  if (!existsSync(initrd)) {
    mkdirSync(CACHE, { recursive: true });
    const unfinished = `${initrd}.${process.pid}`;
    writeFileSync(unfinished, fill(kernel, version!, processor));
    renameSync(unfinished, initrd);
    for (const other of globSync(`${key}*`, { cwd: CACHE }))
      if (other !== basename(initrd) && !/\.\d+$/.test(other)) rmSync(join(CACHE, other), { force: true });
  }
  const vmlinuz = join(kernel, "vmlinuz");
  const vmlinux = PROCESSOR[processor].unpacked ? join(kernel, "vmlinux") : vmlinuz;
  return { vmlinux, vmlinuz, initrd, version: version!, processor };
};
