/** The command that installs a program with this machine's package manager. */

const INSTALL = {
  "apt-get": "sudo apt-get install",
  dnf: "sudo dnf install",
  zypper: "sudo zypper install",
  pacman: "sudo pacman -S",
  apk: "sudo apk add",
} as const;

export type PackageManager = keyof typeof INSTALL;
export const PACKAGE_MANAGERS = Object.keys(INSTALL) as readonly PackageManager[];

/** A package's usual name, and its name in each package manager that has another name for it. */
export type PackageNames = { readonly all: string } & { readonly [manager in PackageManager]?: string };

export const UTIL_LINUX: PackageNames = { all: "util-linux" };
export const IPERF3: PackageNames = { all: "iperf3" };
export const TSHARK: PackageNames = {
  all: "tshark",
  dnf: "wireshark-cli",
  pacman: "wireshark-cli",
  zypper: "wireshark",
};

/** A command, or a sentence if no package manager is known. */
export const install = (manager: PackageManager | undefined, names: PackageNames): string =>
  manager === undefined ? `install ${names.all}` : `${INSTALL[manager]} ${names[manager] ?? names.all}`;
