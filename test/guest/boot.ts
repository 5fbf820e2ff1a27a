/** Boots a guest, runs a shell script in it, and brings back what it printed and the files it left. */
import { spawn } from "node:child_process";
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { pack, type Packed, unpack } from "./cpio.ts";
import { guestImage, modulesFor } from "./image.ts";

export interface GuestOptions {
  /** What the guest finds beside the image's own programs. */
  readonly files?: readonly Packed[];
  /** Kernel modules to load first. What they depend on comes by itself. */
  readonly modules?: readonly string[];
  /** Further arguments for QEMU: devices. */
  readonly devices?: readonly string[];
  /** After so many milliseconds the guest is ended. */
  readonly limitMillis: number;
}

export interface GuestResult {
  /** What the console showed: all that the script printed, and the kernel's complaints. */
  readonly output: string;
  readonly exitCode: number;
  /** What the script left in /out. */
  readonly out: ReadonlyMap<string, Uint8Array>;
}

/** The channel for /out: a byte through it costs a thousandth of one through the console. */
const CHANNEL = ["virtio_pci", "virtio_console"];
const ENDED = /\nguest: payload ended with (\d+)\r?\n/;

const COMMAND_LINE = "console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off";

/**
 * One processor: with two, on QEMU 7.2, about one start of Node in three ended in a crash of its engine; with one
 * processor none did. Why is not known.
 */
const MACHINE =
  "-machine q35 -accel tcg,tb-size=512 -cpu Nehalem,+rdrand -smp 1 -m 1024 " +
  "-nodefaults -display none -no-reboot -serial stdio " +
  "-initrd /dev/fd/3 -device virtio-serial-pci " +
  "-chardev file,id=out,path=/dev/fd/4 -device virtserialport,chardev=out,name=out";

/** A file without a name: gone when the last one who holds it has ended, however that happens. */
class Nameless implements Disposable {
  readonly fd: number;
  constructor(fill: (path: string) => void) {
    const folder = mkdtempSync(join(tmpdir(), "ferrule-guest-"));
    try {
      const path = join(folder, "file");
      fill(path);
      this.fd = openSync(path, "r+");
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
  [Symbol.dispose](): void {
    closeSync(this.fd);
  }
}

/** Runs QEMU to its end, or to the limit's. The descriptors are its 3 and 4. Resolves with what the console showed. */
const runQemu = (args: readonly string[], initrd: number, out: number, limitMillis: number): Promise<string> => {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  // setpriv becomes QEMU, which then does not outlive us.
  const child = spawn("setpriv", ["--pdeathsig", "KILL", "qemu-system-x86_64", ...args], {
    stdio: ["ignore", "pipe", "pipe", initrd, out],
  });
  let shown = "";
  const listen = (chunk: Buffer): void => void (shown += chunk.toString("latin1"));
  child.stdout!.on("data", listen);
  child.stderr!.on("data", listen);
  const limit = setTimeout(() => {
    shown += `\nended by the rig after ${limitMillis} ms\n`;
    child.kill("SIGKILL");
  }, limitMillis);
  child.once("error", reject);
  child.once("close", () => resolve(shown));
  return promise.finally(() => clearTimeout(limit));
};

/**
 * Runs `script` by sh in a new guest, which is gone afterwards. Needs no right that any user lacks.
 * @throws {Error} with the console's text when the guest did not come to the script's end
 */
export const runInGuest = async (script: string, options: GuestOptions): Promise<GuestResult> => {
  const image = guestImage();
  const modules = modulesFor(image, [...CHANNEL, ...(options.modules ?? [])]).map((file, i) => ({
    path: `modules/${String(i).padStart(2, "0")}-${basename(file)}`,
    bytes: readFileSync(file),
  }));
  const extra = pack([{ path: "payload", bytes: Buffer.from(script) }, ...modules, ...(options.files ?? [])]);
  using initrd = new Nameless((path) => {
    copyFileSync(image.initrd, path);
    appendFileSync(path, extra);
  });
  using out = new Nameless((path) => writeFileSync(path, ""));
  const args = [...MACHINE.split(" "), "-kernel", image.kernel, "-append", COMMAND_LINE, ...(options.devices ?? [])];
  const shown = await runQemu(args, initrd.fd, out.fd, options.limitMillis);
  const ended = ENDED.exec(shown);
  if (ended === null) throw new Error(`the guest did not come to its end:\n${shown}`);
  return { output: shown.slice(0, ended.index), exitCode: Number(ended[1]), out: unpack(readFileSync(out.fd)) };
};
