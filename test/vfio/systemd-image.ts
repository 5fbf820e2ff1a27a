/** This machine's systemd for a guest: the manager, the journal, udev and its commands, and nothing else of the system. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { pack, type Packed } from "../guest/cpio.ts";
import { partOf } from "../guest/parts.ts";
import { skipFor } from "../rigs/skip.ts";
import { noVfio } from "./available.ts";

const DAEMONS = "/lib/systemd";
const MANAGER = `${DAEMONS}/systemd`;
const JOURNAL = `${DAEMONS}/systemd-journald`;
const UDEV = `${DAEMONS}/systemd-udevd`;
/** The program that starts services, in versions whose manager does not do so itself. */
const EXECUTOR = `${DAEMONS}/systemd-executor`;
const TYPED = ["journalctl", "systemctl", "systemd-sysusers", "udevadm"].map((name) => `/bin/${name}`);
const PROGRAMS = [MANAGER, JOURNAL, UDEV, ...TYPED];

/** Libraries that newer versions load at run time instead of being linked with them. */
const LOADED_LATER = ["libacl.so.1", "libkmod.so.2", "libmount.so.1", "libseccomp.so.2"];
const LIBRARIES = "usr/lib/x86_64-linux-gnu";

const TARGETS =
  "basic local-fs local-fs-pre multi-user network network-pre paths shutdown slices sockets swap sysinit timers umount";
const UNITS = [
  ...TARGETS.split(" ").map((name) => `${name}.target`),
  "modprobe@.service",
  "systemd-journald-dev-log.socket",
  "systemd-journald.service",
  "systemd-journald.socket",
  "systemd-udev-trigger.service",
  "systemd-udevd-control.socket",
  "systemd-udevd-kernel.socket",
  "systemd-udevd.service",
];
const RULES = ["50-udev-default.rules", "80-drivers.rules"];

/** Why guests with systemd cannot run on this machine, or false. @throws {Error} in CI, where nothing may be skipped */
export const noSystemd = (): string | false => {
  const why = noVfio();
  if (why !== false) return why;
  const missing = PROGRAMS.filter((path) => !existsSync(path));
  return skipFor(missing.length > 0 && `needs ${missing.join(", ")} (packages systemd and udev)`);
};

/** The agent's script without the part that sets the system up, which `first` does. */
const agent = (): string => {
  const text = readFileSync(new URL("../guest/agent.sh", import.meta.url), "utf8");
  const head = "#!/bin/sh\nexport PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C TERM=linux\n";
  return `${head}ip link set lo up\n${text.slice(text.indexOf("\nserve()"))}`;
};

/**
 * The script that becomes systemd's manager. @param installed commands that it runs first, such as those of an
 * installation
 */
const first = (installed: string): string => `#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /tmp /run /sbin /usr/sbin /root /var/log /var/lib /usr/lib
/bin/busybox --install -s /bin
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
ln -sf /usr/bin/dash /bin/sh
for name in modprobe insmod rmmod lsmod modinfo; do ln -sf /usr/bin/kmod "/sbin/$name"; done
ln -s /lib/systemd /usr/lib/systemd
ln -s /lib/udev /usr/lib/udev
chmod 0755 /
${installed}
exec ${MANAGER}
`;

const wants = (target: string, names: string): Packed => ({
  path: `etc/systemd/system/${target}.target.d/rig.conf`,
  bytes: Buffer.from(`[Unit]\nWants=${names}\n`),
});

const text = (path: string, content: string, executable = false): Packed => ({
  path,
  bytes: Buffer.from(content),
  executable,
});

const ETC: readonly Packed[] = [
  text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n"),
  text("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
  text("etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\n"),
  text("etc/machine-id", `${"0123456789abcdef".repeat(2)}\n`),
  text("etc/os-release", "ID=debian\nNAME=Debian\n"),
  wants("sysinit", "systemd-journald.service systemd-udevd.service systemd-udev-trigger.service"),
  wants(
    "sockets",
    "systemd-journald.socket systemd-journald-dev-log.socket systemd-udevd-control.socket systemd-udevd-kernel.socket",
  ),
  wants("multi-user", "rig.service"),
  text("etc/systemd/system/rig.service", "[Service]\nExecStart=/bin/sh /rig.sh\nStandardOutput=null\n"),
];

const librariesOf = (program: string): readonly string[] =>
  [...execFileSync("ldd", [program], { encoding: "utf8" }).matchAll(/=> (\/\S+) \(/g)].map(([, file]) => file!);

/**
 * A library for the guest. If the guest has the library too, the guest's is used and not this machine's, because the
 * guest's C library is newer.
 */
const library = (path: string): Packed => {
  const place = join(LIBRARIES, basename(path));
  const guests = join(partOf("tools"), place);
  return { path: place, bytes: readFileSync(existsSync(guests) ? guests : path), executable: true };
};

const copied = (path: string, to = path.slice(1)): Packed => ({ path: to, bytes: readFileSync(path) });

/** Kernel parameters that a guest with systemd needs. */
export const SYSTEMD_WORDS = ["rdinit=/first.sh", "systemd.unit=multi-user.target", "systemd.show_status=0"];

/** An archive in `scratch` with systemd. @param installed shell commands that run before the manager */
export const systemdArchive = (scratch: string, installed: string, files: readonly Packed[]): string => {
  const programs = [...PROGRAMS, EXECUTOR].filter((path) => existsSync(path));
  const later = LOADED_LATER.map((name) => join("/", LIBRARIES, name)).filter((path) => existsSync(path));
  const libraries = new Map(
    [...programs.flatMap(librariesOf), ...later].map((path) => [basename(path), library(path)] as const),
  );
  const archive = join(scratch, "systemd.cpio");
  const content = [
    ...programs.map((path) => ({
      ...copied(path, path.replace(/^\/bin\//, "/usr/bin/").slice(1)),
      executable: true,
    })),
    ...libraries.values(),
    ...UNITS.map((name) => copied(`${DAEMONS}/system/${name}`)),
    ...RULES.map((name) => copied(`/lib/udev/rules.d/${name}`)),
    ...ETC,
    text("rig.sh", agent(), true),
    text("first.sh", first(installed), true),
    ...files,
  ];
  writeFileSync(archive, pack(content));
  return archive;
};
