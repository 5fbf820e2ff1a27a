/** The first file system of a controlled guest: programs and firmware as Debian ships them, the kernel's own modules, and agent.sh. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, globSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { pack, type Packed } from "./cpio.ts";
import { CACHE, type KernelName, partOf, toolCommand } from "./parts.ts";

/** Everything else that a shell expects is busybox. */
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

/** The C library loads it when a thread is cancelled; nothing is linked with it. */
const LOADED_LATER = "usr/lib/x86_64-linux-gnu/libgcc_s.so.1";

/** Modules on board, with all that they need. More than one kernel's names: what a kernel does not have, it has built in. */
const MODULES = [
  // For our chips, and for QEMU's own.
  "r8169",
  "8139cp",
  "e1000e",
  "realtek",
  "virtio_console",
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
  /** Starts faster, and cannot be suspended. */
  readonly vmlinux: string;
  readonly vmlinuz: string;
  readonly initrd: string;
  /** "6.12.107+deb13-amd64". */
  readonly version: string;
}

const moduleName = (file: string): string => basename(file).replace(/\.ko$/, "").replaceAll("-", "_");

/** Paths from the folder of modules: the wanted ones and what they need, hard or soft. */
const modulesOf = (folder: string): readonly string[] => {
  const needs = new Map<string, string[]>();
  for (const line of readFileSync(join(folder, "modules.dep"), "utf8").split("\n")) {
    const [file, rest] = line.split(":");
    if (file !== "") needs.set(moduleName(file!), [file!, ...(rest ?? "").split(" ").filter((name) => name !== "")]);
  }
  const files = MODULES.flatMap((name) => needs.get(moduleName(name)) ?? []);
  return [...new Set(files)];
};

/** A program's libraries and its loader, as paths from the tools' folder. */
const librariesOf = (tools: string, program: string): readonly string[] => {
  const [loader, ...args] = toolCommand(program);
  const path = args.at(-1)!;
  const listed = execFileSync(loader, [...args.slice(0, 2), "--list", path], { encoding: "utf8" });
  const missing = /^.*not found.*$/m.exec(listed);
  if (missing !== null) throw new Error(`${program}: ${missing[0].trim()}`);
  return [...listed.matchAll(/=> (\S+) \(/g)].map(([, file]) => file!).filter((file) => file.startsWith(tools));
};

const copy = (root: string, path: string, from = path): Packed => ({
  path,
  bytes: readFileSync(join(root, from)),
  executable: true,
});

const fill = (kernel: string, version: string): Buffer => {
  const tools = partOf("tools");
  const libraries = new Set(PROGRAMS.flatMap((program) => librariesOf(tools, program)));
  const modules = join("lib/modules", version);
  const folder = join(kernel, "root", modules);
  const files = [
    { path: "init", bytes: readFileSync(new URL("agent.sh", import.meta.url)), executable: true },
    copy(tools, "bin/busybox", "usr/bin/busybox"),
    ...PROGRAMS.map((program) => ({
      path: `usr/bin/${program}`,
      bytes: readFileSync(toolCommand(program).at(-1)!),
      executable: true,
    })),
    copy(tools, LOADED_LATER),
    ...[...libraries].map((file) => copy(tools, file.slice(tools.length + 1))),
    ...globSync("usr/lib/firmware/rtl_nic/*", { cwd: tools }).map((path) =>
      copy(tools, path.slice("usr/".length), path),
    ),
    ...[...modulesOf(folder), ...globSync("modules.*", { cwd: folder })].map((file) =>
      copy(join(kernel, "root"), join(modules, file)),
    ),
  ];
  return pack(files);
};

/** What a guest with this kernel boots from; built first where it is not in the cache. @throws {Error} */
export const bootOf = (name: KernelName): Boot => {
  const kernel = partOf(`kernel-${name}`);
  const [version] = readdirSync(join(kernel, "root/lib/modules"));
  const hash = createHash("sha256").update(`${kernel} ${partOf("tools")}`);
  for (const source of ["agent.sh", "initrd.ts", "cpio.ts"])
    hash.update(readFileSync(new URL(source, import.meta.url)));
  const key = `initrd_${name}_`;
  const initrd = join(CACHE, `${key}${hash.digest("hex").slice(0, 8)}`);
  if (!existsSync(initrd)) {
    mkdirSync(CACHE, { recursive: true });
    const unfinished = `${initrd}.${process.pid}`;
    writeFileSync(unfinished, fill(kernel, version!));
    renameSync(unfinished, initrd);
    for (const other of globSync(`${key}*`, { cwd: CACHE }))
      if (other !== basename(initrd) && !/\.\d+$/.test(other)) rmSync(join(CACHE, other), { force: true });
  }
  return { vmlinux: join(kernel, "vmlinux"), vmlinuz: join(kernel, "vmlinuz"), initrd, version: version! };
};
