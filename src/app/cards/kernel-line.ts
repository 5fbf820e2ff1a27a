/** The kernel's command line: where this machine's boot loader stores it, and the commands that change it. */
import { join } from "node:path";
import { bytesOf, exists, type Files } from "./files.ts";

/** The program that changes the kernel's command line on this machine, and what its commands need. */
export type BootSetup =
  | { readonly tool: "rpm-ostree" | "grubby" | "kernelstub" | "proxmox-boot-tool" }
  | {
      readonly tool: "grub";
      /** The command that generates GRUB's configuration from its settings. */
      readonly generate: string;
      readonly config: string;
      /** Whether settings are also read from /etc/default/grub.d, after /etc/default/grub. */
      readonly dropIns: boolean;
    };

type Grub = Extract<BootSetup, { tool: "grub" }>;

const SETTINGS = "/etc/default/grub";
const DROP_INS = "/etc/default/grub.d";
/** The path of Ferrule's drop-in. Its name sorts last, so it is read last and no other drop-in overrides it. */
const OUR_DROP_IN = `${DROP_INS}/zz-ferrule.cfg`;
/** The file with the kernel's command line on Proxmox VE. proxmox-boot-tool copies it to systemd-boot's entries. */
const KERNEL_CMDLINE = "/etc/kernel/cmdline";
/** The EFI variable with the name of the running boot loader: four bytes of attributes, then text in UTF-16. */
const LOADER_INFO = "firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";

const FOLDERS = ["usr/sbin", "usr/bin", "sbin", "bin", "usr/local/sbin", "usr/local/bin"];

/** Whether a program is installed in one of the usual system directories. */
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

/** @returns undefined if no command is known */
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

/** Joins the parts of a command. Each part runs only if the previous one succeeded; the last one reboots. */
const steps = (...parts: readonly string[]): string => [...parts, "sudo reboot"].join(" && ");

/** Escapes a word for use in a pattern of sed or grep. */
const pattern = (word: string): string => word.replaceAll(".", String.raw`\.`);

/**
 * The command that adds a word to GRUB's settings. A setting is a shell variable, so a line at the end of the file can
 * extend it, whichever quotes surround its present value.
 */
const addingToGrub = ({ generate, config, dropIns }: Grub, word: string): string => {
  // The line begins with a newline, because the file may not end with one.
  const line = `printf '\\n%s\\n' 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX ${word}"'`;
  const where = dropIns ? `sudo tee ${OUR_DROP_IN}` : `sudo tee -a ${SETTINGS}`;
  return steps(`${line} | ${where}`, generate, `sudo grep -qw '${pattern(word)}' ${config}`);
};

/** The command that adds a word to the kernel's command line, and reboots if the word was added. */
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

/** A sed command that removes whole words only: removing iommu=off keeps nosuch_iommu=off. */
const removingWord = (word: string): string =>
  String.raw`sed -i 's/\(^\|[[:space:]"'\''=]\)${pattern(word)}\([[:space:]"'\'']\|$\)/\1\2/g'`;

const removingFromGrub = ({ generate, config, dropIns }: Grub, word: string): string =>
  steps(
    `files=$(grep -rlw '${pattern(word)}' ${SETTINGS}${dropIns ? ` ${DROP_INS}` : ""})`,
    `sudo ${removingWord(word)} $files`,
    generate,
    `! sudo grep -qw '${pattern(word)}' ${config}`,
  );

/** The command that removes a word from the kernel's command line, and reboots if the word was removed. */
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
    `sudo ${removingWord(word)} ${KERNEL_CMDLINE}`,
    "sudo proxmox-boot-tool refresh",
  );
};

/** Whether a word is safe in a shell and in a pattern; other words are not written into commands. */
const isPlain = (word: string): boolean => /^[\w.,=-]+$/.test(word);

/** How to add a word to the kernel's command line: a command if possible, otherwise instructions. */
export const wordOn = (boot: BootSetup | undefined, word: string): string =>
  boot !== undefined && isPlain(word)
    ? adding(boot, word)
    : `add ${word} to the kernel's command line where your boot loader keeps it, and restart`;

/** How to remove a word from the kernel's command line: a command if possible, otherwise instructions. */
export const wordOff = (boot: BootSetup | undefined, word: string): string =>
  boot !== undefined && isPlain(word)
    ? removing(boot, word)
    : `remove ${word} from the kernel's command line where your boot loader keeps it, and restart`;
