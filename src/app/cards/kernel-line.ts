/** The kernel's command line: what this machine's boot loader keeps it in, and the commands that change it there. */
import { join } from "node:path";
import { bytesOf, exists, type Files } from "./files.ts";

/** What the machine boots with, as far as it has a command for this. */
export type BootSetup =
  | { readonly tool: "rpm-ostree" | "grubby" | "kernelstub" | "proxmox-boot-tool" }
  | {
      readonly tool: "grub";
      /** The command that makes GRUB's own file of its settings. */
      readonly generate: string;
      readonly config: string;
      /** Whether settings are read from /etc/default/grub.d as well, after the file that everybody knows. */
      readonly dropIns: boolean;
    };

type Grub = Extract<BootSetup, { tool: "grub" }>;

const SETTINGS = "/etc/default/grub";
const DROP_INS = "/etc/default/grub.d";
/** Read last, so that no other drop-in takes the word away again. */
const OUR_DROP_IN = `${DROP_INS}/zz-ferrule.cfg`;
/** systemd-boot's, where a distribution's tool copies it into every entry. */
const KERNEL_CMDLINE = "/etc/kernel/cmdline";
/** By whom this machine was booted (Boot Loader Interface), in UTF-16 behind four bytes. */
const LOADER_INFO = "firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";

const FOLDERS = ["usr/sbin", "usr/bin", "sbin", "bin", "usr/local/sbin", "usr/local/bin"];

/** Whether a program is installed, by its usual places: not those of this user alone. */
export const isInstalled = (files: Files, program: string): boolean =>
  FOLDERS.some((folder) => exists(join(files.root, folder, program)));

const grub = (files: Files): BootSetup | undefined => {
  const there = (path: string): boolean => exists(join(files.root, path));
  const config = ["/boot/grub/grub.cfg", "/boot/grub2/grub.cfg"].find(there);
  if (config === undefined || !there(SETTINGS)) return undefined;
  const make = ["grub2-mkconfig", "grub-mkconfig"].find((program) => isInstalled(files, program));
  const generate = isInstalled(files, "update-grub") ? "update-grub" : make && `${make} -o ${config}`;
  return generate === undefined
    ? undefined
    : { tool: "grub", generate: `sudo ${generate}`, config, dropIns: there(DROP_INS) };
};

/** @returns undefined where no command is known that does it */
export const readBootSetup = (files: Files): BootSetup | undefined => {
  const loader = new TextDecoder("utf-16le").decode(
    (bytesOf(join(files.sys, LOADER_INFO)) ?? new Uint8Array()).subarray(4),
  );
  const has = (program: string): boolean => isInstalled(files, program);
  if (has("rpm-ostree") && exists(join(files.root, "run/ostree-booted"))) return { tool: "rpm-ostree" };
  if (loader.includes("systemd-boot")) {
    if (has("kernelstub")) return { tool: "kernelstub" };
    return has("proxmox-boot-tool") && exists(join(files.root, KERNEL_CMDLINE))
      ? { tool: "proxmox-boot-tool" }
      : undefined;
  }
  return has("grubby") ? { tool: "grubby" } : grub(files);
};

/** Each part of a command runs when the one before has done something, and the last is to start again. */
const steps = (...parts: readonly string[]): string => [...parts, "sudo reboot"].join(" && ");

/** For sed and grep. */
const pattern = (word: string): string => word.replaceAll(".", String.raw`\.`);

/** GRUB's settings are a shell's: a line at the end holds whatever is set before, in whatever quotes. */
const addingToGrub = ({ generate, config, dropIns }: Grub, word: string): string => {
  // The last line there may have no end.
  const line = `printf '\\n%s\\n' 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX ${word}"'`;
  const where = dropIns ? `sudo tee ${OUR_DROP_IN}` : `sudo tee -a ${SETTINGS}`;
  return steps(`${line} | ${where}`, generate, `sudo grep -qw '${pattern(word)}' ${config}`);
};

/** The command that adds a word, starts the machine again, and does not when nothing was added. */
const adding = (boot: BootSetup, word: string): string => {
  if (boot.tool === "grub") return addingToGrub(boot, word);
  if (boot.tool === "rpm-ostree") return steps(`sudo rpm-ostree kargs --append-if-missing=${word}`);
  if (boot.tool === "kernelstub") return steps(`sudo kernelstub --add-options ${word}`);
  if (boot.tool === "grubby")
    return steps(
      `sudo grubby --update-kernel=ALL --args=${word}`,
      `sudo grubby --info=ALL | grep -qw '${pattern(word)}'`,
    );
  return steps(
    `sudo sed -i '1s/$/ ${word}/' ${KERNEL_CMDLINE}`,
    `grep -qw '${pattern(word)}' ${KERNEL_CMDLINE}`,
    "sudo proxmox-boot-tool refresh",
  );
};

/** Only as a word of its own: nosuch_iommu=off stays. */
const cutting = (word: string): string =>
  String.raw`sed -i 's/\(^\|[[:space:]"'\''=]\)${pattern(word)}\([[:space:]"'\'']\|$\)/\1\2/g'`;

const removingFromGrub = ({ generate, config, dropIns }: Grub, word: string): string =>
  steps(
    `files=$(grep -rlw '${pattern(word)}' ${SETTINGS}${dropIns ? ` ${DROP_INS}` : ""})`,
    `sudo ${cutting(word)} $files`,
    generate,
    `! sudo grep -qw '${pattern(word)}' ${config}`,
  );

/** The command that takes a word away, where it is. */
const removing = (boot: BootSetup, word: string): string => {
  if (boot.tool === "grub") return removingFromGrub(boot, word);
  if (boot.tool === "rpm-ostree") return steps(`sudo rpm-ostree kargs --delete=${word}`);
  if (boot.tool === "kernelstub") return steps(`sudo kernelstub --delete-options ${word}`);
  if (boot.tool === "grubby")
    return steps(
      `sudo grubby --info=ALL | grep -qw '${pattern(word)}'`,
      `sudo grubby --update-kernel=ALL --remove-args=${word}`,
    );
  return steps(
    `grep -qw '${pattern(word)}' ${KERNEL_CMDLINE}`,
    `sudo ${cutting(word)} ${KERNEL_CMDLINE}`,
    "sudo proxmox-boot-tool refresh",
  );
};

/** Words that are safe in a shell and in a pattern; others are not written into commands. */
const isPlain = (word: string): boolean => /^[\w.,=-]+$/.test(word);

/** How to put a word onto the kernel's command line: a command where one fits, or what to do. */
export const wordOn = (boot: BootSetup | undefined, word: string): string =>
  boot !== undefined && isPlain(word)
    ? adding(boot, word)
    : `add ${word} to the kernel's command line where your boot loader keeps it, and restart`;

/** How to take a word off it. */
export const wordOff = (boot: BootSetup | undefined, word: string): string =>
  boot !== undefined && isPlain(word)
    ? removing(boot, word)
    : `remove ${word} from the kernel's command line where your boot loader keeps it, and restart`;
