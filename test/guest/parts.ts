/**
 * Components of guests, as shipped by Debian: a QEMU with vfio-user-pci, the guest's programs, kernels, and on request
 * DPDK and iPXE. They are fetched once into the current user's cache (root's under sudo),
 * `${XDG_CACHE_HOME:-~/.cache}/ferrule/guest`, and used from there; nothing is installed.
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
/** While one run builds a part, others wait at most this long: 400 MB take minutes on a slow connection. */
const LIMIT_SECONDS = 3600;

/** Sorted by age, the oldest first. Kernels whose names contain no processor are for amd64. */
export const KERNELS = ["5.10", "6.1", "6.1-i386", "6.12", "6.12-arm64", "newest"] as const;
export type KernelName = (typeof KERNELS)[number];

/**
 * Versions of DPDK: that of Debian's release, and the current one, which is only in Debian unstable, where each version
 * replaces the previous one.
 */
export const DPDKS = ["24.11", "newest"] as const;
export type DpdkName = (typeof DPDKS)[number];

/** The components. `RECIPES` has the origin of each, and `build.ts` builds them. */
export type PartName =
  | "tools"
  | "ipxe"
  | "vendor"
  | `dpdk-${DpdkName}`
  | `kernel-${KernelName}`
  | `programs-${Exclude<ProcessorName, "amd64">}`;

/** Packages of programs for the guest; those for amd64 are also used on the host. */
const PROGRAMS = [
  "busybox-static",
  "coreutils",
  "dash",
  "ethtool",
  "iperf3",
  "iproute2",
  "iputils-ping",
  "kmod",
  // Libraries that Node needs.
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
  /** The release from which packages are preferred. */
  readonly release: string;
  readonly packages: readonly string[];
  /** Components of Debian's archive, in addition to main and non-free-firmware. */
  readonly components?: readonly string[];
  /** The kernel for which the packages' sources are compiled. */
  readonly kernel?: KernelName;
  /** Options of make(1) for each driver that is compiled. */
  readonly options?: Readonly<Record<string, readonly string[]>>;
  /** The processor that the packages are for; default: amd64. */
  readonly processor?: ProcessorName;
}

const SUITES = ["bookworm", "trixie", "trixie-backports"];
const KERNEL = [PROCESSOR.amd64.kernelPackage];
/** testpmd and the libraries that it may load. */
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
    // Options that chips with several queues need, and that are off by default. r8168 gets only the first, because with
    // both it would send on two queues.
    options: {
      r8125: ["ENABLE_RSS_SUPPORT=y", "ENABLE_MULTIPLE_TX_QUEUE=y"],
      r8168: ["ENABLE_RSS_SUPPORT=y"],
    },
  },
  // This suite is in no other recipe: mirrors will drop it because of its age, and the other parts must remain
  // available.
  "kernel-5.10": { suites: ["bullseye"], release: "bullseye", packages: KERNEL },
  "kernel-6.1": { suites: SUITES, release: "bookworm", packages: KERNEL },
  // The last release with a kernel for this processor.
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

/** A digest of the part's recipe and of the program that executes it. */
const keyOf = (part: PartName): string => {
  const { kernel } = RECIPES[part];
  const recipes = kernel === undefined ? RECIPES[part] : [RECIPES[part], RECIPES[`kernel-${kernel}`]];
  const hash = createHash("sha256").update(JSON.stringify(recipes));
  return hash.update(readFileSync(BUILD)).digest("hex").slice(0, 8);
};

export const folderOf = (part: PartName): string => join(CACHE, `${part}_${keyOf(part)}`);

/** Folder of the scripts that run each tool with its own loader. */
export const RUN = "run";

/** Name of the archive for the guest, in components that consist of one. */
export const ARCHIVE = "archive";

/** Name of the file that is written last. If it exists, the component is complete. */
export const VERSIONS = "versions.json";

/**
 * The component's folder, which is built if it is missing. Of several concurrent runs, one builds it. @throws {Error}
 */
export const partOf = (part: PartName): string => {
  const folder = folderOf(part);
  if (existsSync(join(folder, VERSIONS))) return folder;
  // The tools include the programs that unpack kernels.
  if (part !== "tools") partOf("tools");
  const { kernel } = RECIPES[part];
  if (kernel !== undefined) partOf(`kernel-${kernel}`);
  mkdirSync(CACHE, { recursive: true });
  console.error(`guest: fetching ${part} from Debian into ${CACHE}`);
  const node = [process.execPath, "--disable-warning=ExperimentalWarning", BUILD, part];
  // flock executes this command once it has the lock. Both end with this process.
  const locked = ["flock", "--no-fork", "--timeout", String(LIMIT_SECONDS), join(CACHE, "lock"), ...node];
  execFileSync("setpriv", ["--pdeathsig", "KILL", ...locked], {
    stdio: ["ignore", 2, 2],
    timeout: 2 * LIMIT_SECONDS * 1000,
  });
  return folder;
};

/** Names and versions of the packages in a component. */
export const versionsOf = (part: PartName): Readonly<Record<string, string>> =>
  JSON.parse(readFileSync(join(partOf(part), VERSIONS), "utf8")) as Record<string, string>;

/** Removes all components, so that the next run fetches current versions. Other rigs' files are kept. */
export const forgetParts = (): void => {
  if (!existsSync(CACHE)) return;
  for (const name of readdirSync(CACHE))
    if (/^(tools|vendor|dpdk-\S+|ipxe|kernel-\S+|programs-\S+|initrd)_|^apt$/.test(name))
      rmSync(join(CACHE, name), { recursive: true, force: true });
};

/** A program's path in a component, or undefined. */
export const programIn = (part: string, program: string): string | undefined =>
  ["usr/bin", "usr/sbin"].map((folder) => join(part, folder, program)).find((path) => existsSync(path));

/** The command that runs one of the tools on the host, with the loader and libraries that the tool was linked with. */
export const toolCommand = (program: string, tools = partOf("tools")): readonly [string, ...string[]] => {
  const path = programIn(tools, program);
  if (path === undefined) throw new Error(`${program} is not among the tools in ${tools}`);
  const { loader, libraries } = PROCESSOR.amd64;
  return [join(tools, loader), "--library-path", join(tools, libraries), "--argv0", program, path];
};

/** A folder for PATH, in which each tool can be run by its name. */
export const toolPath = (): string => join(partOf("tools"), RUN);
