/** Boots a guest, runs a shell script in it, and returns its output and the files that it left. */
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
  /** Files for the guest, in addition to the image's programs. */
  readonly files?: readonly Packed[];
  /** Kernel modules to load first; their dependencies are loaded too. */
  readonly modules?: readonly string[];
  /** More arguments for QEMU, for example devices. */
  readonly devices?: readonly string[];
  /** Milliseconds after which the guest is ended. */
  readonly limitMillis: number;
}

export interface GuestResult {
  /** Text of the console, which has the script's output and the kernel's messages of level "err" and worse; also QEMU's errors. */
  readonly output: string;
  readonly exitCode: number;
  /** Files that the script left in /out. */
  readonly out: ReadonlyMap<string, Uint8Array>;
}

/** Modules for the port through which /out is returned, which is a thousand times faster than the console. */
const CHANNEL = ["virtio_pci", "virtio_console"];
const ENDED = /\nguest: payload ended with (\d+)\r?\n/;

const COMMAND_LINE = "console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off";

/**
 * The guest has one processor. With two, on QEMU 7.2, V8 crashed in about one of three starts of Node; with one it
 * never did. The cause is not known.
 */
const MACHINE =
  "-machine q35 -accel tcg,tb-size=512 -cpu Nehalem,+rdrand -smp 1 -m 1024 " +
  "-nodefaults -display none -no-reboot -serial stdio " +
  "-initrd /dev/fd/3 -device virtio-serial-pci " +
  "-chardev file,id=out,path=/dev/fd/4 -device virtserialport,chardev=out,name=out";

/** An unlinked file. The kernel removes it when the last process that has it open ends, for whatever reason. */
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

/**
 * Runs QEMU until it ends or the limit expires. `initrd` and `out` become QEMU's descriptors 3 and 4. Resolves with
 * the console's text.
 */
const runQemu = (args: readonly string[], initrd: number, out: number, limitMillis: number): Promise<string> => {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  // setpriv executes QEMU, which then ends with this process.
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
 * Runs `script` with sh in a new guest, which ends afterwards. Needs no privileges.
 * @throws {Error} with the console's text if the script did not run to its end
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
  if (ended === null) throw new Error(`the guest did not run the script to its end:\n${shown}`);
  return { output: shown.slice(0, ended.index), exitCode: Number(ended[1]), out: unpack(readFileSync(out.fd)) };
};
