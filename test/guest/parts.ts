/**
 * What guests are made of, as Debian ships it: a QEMU that has vfio-user-pci, the programs for the inside, kernels, and
 * for those that want them DPDK and iPXE.
 * Fetched once into `${XDG_CACHE_HOME:-~/.cache}/ferrule/guest`, of the user who runs this (under sudo: root's), and used from
 * there; nothing is installed.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { userCache } from "../../src/app/cache-folder.js";
import { PROCESSOR, type ProcessorName } from "./processors.ts";

export const CACHE = join(userCache() ?? join(tmpdir(), `ferrule-cache-${process.geteuid?.()}`), "ferrule", "guest");
const BUILD = fileURLToPath(new URL("build.ts", import.meta.url));
/** Every run waits for the one that builds; a slow line needs minutes for 400 MB. */
const LIMIT_SECONDS = 3600;

/** By age. Without a processor's name: for amd64. */
export const KERNELS = ["5.10", "6.1", "6.1-i386", "6.12", "6.12-arm64", "newest"] as const;
export type KernelName = (typeof KERNELS)[number];

/** Of Debian's release, and of the day: that is in unstable alone, where things come and go. */
export const DPDKS = ["24.11", "newest"] as const;
export type DpdkName = (typeof DPDKS)[number];

/** A part and where it is from; what else is there is the build's business. */
export type PartName =
  | "tools"
  | "ipxe"
  | "vendor"
  | `dpdk-${DpdkName}`
  | `kernel-${KernelName}`
  | `programs-${Exclude<ProcessorName, "amd64">}`;

/** What is found inside of a guest; on amd64, out here as well. */
const PROGRAMS = [
  "busybox-static",
  "coreutils",
  "dash",
  "ethtool",
  "iperf3",
  "iproute2",
  "iputils-ping",
  "kmod",
  // For Node.
  "libatomic1",
  "libstdc++6",
  "pciutils",
  "tcpdump",
  "util-linux",
  "xz-utils",
];
const TOOLS = ["qemu-system-x86", "qemu-system-arm", "seabios", "firmware-realtek", ...PROGRAMS];

interface Recipe {
  readonly suites: readonly string[];
  /** Whose versions are preferred. */
  readonly release: string;
  readonly packages: readonly string[];
  /** Of the archive, beside main and firmware. */
  readonly components?: readonly string[];
  /** What they hold is compiled for this kernel. */
  readonly kernel?: KernelName;
  /** Whose programs or kernel they hold; amd64 unless given. */
  readonly processor?: ProcessorName;
}

const SUITES = ["bookworm", "trixie", "trixie-backports"];
const KERNEL = [PROCESSOR.amd64.kernelPackage];
/** testpmd, and all that it may load. */
const DPDK = ["dpdk-dev", "librte-meta-net"];

export const RECIPES: Readonly<Record<PartName, Recipe>> = {
  tools: { suites: SUITES, release: "trixie-backports", packages: TOOLS },
  "dpdk-24.11": { suites: SUITES, release: "trixie", packages: DPDK },
  "dpdk-newest": { suites: [...SUITES, "sid"], release: "sid", packages: DPDK },
  ipxe: { suites: SUITES, release: "trixie", packages: ["ipxe"] },
  vendor: {
    suites: SUITES,
    release: "trixie",
    packages: ["r8125-dkms", "r8168-dkms"],
    components: ["non-free"],
    kernel: "6.1",
  },
  // By itself: mirrors drop a suite this old some day, and then the others must still be had.
  "kernel-5.10": { suites: ["bullseye"], release: "bullseye", packages: KERNEL },
  "kernel-6.1": { suites: SUITES, release: "bookworm", packages: KERNEL },
  // The last release with a kernel for it.
  "kernel-6.1-i386": {
    suites: ["bookworm"],
    release: "bookworm",
    packages: [PROCESSOR.i386.kernelPackage],
    processor: "i386",
  },
  "programs-i386": { suites: ["bookworm"], release: "bookworm", packages: PROGRAMS, processor: "i386" },
  "kernel-6.12": { suites: SUITES, release: "trixie", packages: KERNEL },
  "kernel-6.12-arm64": {
    suites: ["trixie"],
    release: "trixie",
    packages: [PROCESSOR.arm64.kernelPackage],
    processor: "arm64",
  },
  "programs-arm64": { suites: ["trixie"], release: "trixie", packages: PROGRAMS, processor: "arm64" },
  "kernel-newest": { suites: SUITES, release: "trixie-backports", packages: KERNEL },
};

/** The processor that a kernel is for. */
export const processorOf = (kernel: KernelName): ProcessorName => RECIPES[`kernel-${kernel}`].processor ?? "amd64";

/** Changes with the recipe and with the program that follows it. */
const keyOf = (part: PartName): string => {
  const { kernel } = RECIPES[part];
  const recipes = kernel === undefined ? RECIPES[part] : [RECIPES[part], RECIPES[`kernel-${kernel}`]];
  const hash = createHash("sha256").update(JSON.stringify(recipes));
  return hash.update(readFileSync(BUILD)).digest("hex").slice(0, 8);
};

export const folderOf = (part: PartName): string => join(CACHE, `${part}_${keyOf(part)}`);

/** Where scripts stand that run a tool by its own loader. */
export const RUN = "run";

/** What a guest takes as it is, for parts that are nothing else. */
export const ARCHIVE = "archive";

/** Written last, so that a part with it is whole. */
export const VERSIONS = "versions.json";

/** The part's folder, built first where it is not there. Of several runs at once, one builds. @throws {Error} */
export const partOf = (part: PartName): string => {
  const folder = folderOf(part);
  if (existsSync(join(folder, VERSIONS))) return folder;
  // What unpacks kernels is among them.
  if (part !== "tools") partOf("tools");
  const { kernel } = RECIPES[part];
  if (kernel !== undefined) partOf(`kernel-${kernel}`);
  mkdirSync(CACHE, { recursive: true });
  console.error(`guest: fetching ${part} from Debian into ${CACHE}`);
  const node = [process.execPath, "--disable-warning=ExperimentalWarning", BUILD, part];
  // In place of flock, once it has the lock: neither outlives us.
  const locked = ["flock", "--no-fork", "--timeout", String(LIMIT_SECONDS), join(CACHE, "lock"), ...node];
  execFileSync("setpriv", ["--pdeathsig", "KILL", ...locked], {
    stdio: ["ignore", 2, 2],
    timeout: 2 * LIMIT_SECONDS * 1000,
  });
  return folder;
};

/** Names and versions of the packages that a part was made from. */
export const versionsOf = (part: PartName): Readonly<Record<string, string>> =>
  JSON.parse(readFileSync(join(partOf(part), VERSIONS), "utf8")) as Record<string, string>;

/** Forgets everything but what other rigs keep there, so that the next run fetches the day's versions. */
export const forgetParts = (): void => {
  if (!existsSync(CACHE)) return;
  for (const name of readdirSync(CACHE))
    if (/^(tools|vendor|dpdk-\S+|ipxe|kernel-\S+|programs-\S+|initrd)_|^apt$/.test(name))
      rmSync(join(CACHE, name), { recursive: true, force: true });
};

/** A program's path in a part, or undefined. */
export const programIn = (part: string, program: string): string | undefined =>
  ["usr/bin", "usr/sbin"].map((folder) => join(part, folder, program)).find((path) => existsSync(path));

/** How a program out of the tools is run here: by the loader it was linked for, with the libraries it was linked with. */
export const toolCommand = (program: string, tools = partOf("tools")): readonly [string, ...string[]] => {
  const path = programIn(tools, program);
  if (path === undefined) throw new Error(`${program} is not among the tools in ${tools}`);
  const { loader, libraries } = PROCESSOR.amd64;
  return [join(tools, loader), "--library-path", join(tools, libraries), "--argv0", program, path];
};

/** A folder in which each of the tools can be run by its name: for PATH. */
export const toolPath = (): string => join(partOf("tools"), RUN);
