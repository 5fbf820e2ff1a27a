/** A guest under QEMU: the machine, its console, and commands that are run inside. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, copyFileSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { LIMIT_MILLIS } from "../rigs/eventually.ts";
import type { Background } from "../rigs/background.ts";
import { GuestBackground } from "./background.ts";
import { Channel, type Ran } from "./channel.ts";
import type { FarEnd } from "./far-end.ts";
import { bootOf } from "./initrd.ts";
import { type KernelName, partOf, processorOf, toolCommand } from "./parts.ts";
import { type MachineName, PROCESSOR } from "./processors.ts";
import { Qmp } from "./qmp.ts";
import { scratchFolder } from "./scratch.ts";

export interface GuestOptions {
  readonly kernel?: KernelName | undefined;
  /** QEMU's machine; default: the processor's usual one. */
  readonly machine?: MachineName | undefined;
  /** Number of processors. */
  readonly smp?: number | undefined;
  readonly megabytes?: number | undefined;
  /** Whether the guest can suspend to RAM; starting then takes one to two seconds longer. */
  readonly suspends?: boolean | undefined;
  /** More parameters for the kernel command line. */
  readonly append?: readonly string[] | undefined;
  /** More arguments for QEMU, for example devices. */
  readonly devices?: readonly string[] | undefined;
  /** Properties of the machine, such as "kernel-irqchip=split". */
  readonly properties?: readonly string[] | undefined;
  /** More archives for the initial RAM file system, made by `pack`. */
  readonly archives?: readonly string[] | undefined;
  /** Network namespace in which QEMU runs and opens TAPs; default: this process's. */
  readonly within?: Pick<FarEnd, "command"> | undefined;
}

const DEFAULT_KERNEL: KernelName = "6.12";
/** Number of commands that can run at the same time. */
const PORTS = 4;
const CONSOLE_KEPT = 1 << 20;

/**
 * Suspends the guest, without the agent's ports: if they stayed bound, Linux 7 would treat the host as disconnected for
 * ever afterwards. The script first waits until the agent has replied to the command that starts the script: the agent
 * then removes that command's file ($1).
 */
const SLEEP = `
while [ -e "$1" ]; do sleep 0.02; done
cd /sys/bus/virtio/drivers/virtio_console
ports=$(echo virtio*)
for port in $ports; do echo $port >unbind; done
kill -9 $(cat /run/serving)
rm /run/serving
echo "$2" >/sys/power/pm_test
echo "$3" >/sys/power/state 2>/run/sleep.err
echo $? >/run/sleep.exit
for port in $ports; do echo $port >bind; done
`;

const KERNEL_WORDS = [
  "quiet",
  "loglevel=4",
  "panic=-1",
  "mitigations=off",
  "log_buf_len=4M",
  "no_console_suspend",
  // These two save a sixth of the boot time of an emulated processor: no self-tests of cryptography, and no zeros in
  // memory that is about to be written.
  "cryptomgr.notests",
  "init_on_alloc=0",
  "nokaslr",
  "audit=0",
  "apparmor=0",
  // The agent waits for this many ports before it serves them.
  `ports=${PORTS}`,
];

/** The file with the initial RAM file system. `archives` are appended, because Linux unpacks concatenated archives. */
const initrdOf = ({ kernel = DEFAULT_KERNEL, archives = [] }: GuestOptions, folder: string): string => {
  const { initrd } = bootOf(kernel);
  if (archives.length === 0) return initrd;
  const whole = join(folder, "initrd");
  copyFileSync(initrd, whole);
  for (const archive of archives) appendFileSync(whole, readFileSync(archive));
  return whole;
};

/**
 * All of QEMU's arguments except those for the agent's ports. @param folder for files that are needed as long as the
 * guest runs
 */
export const qemuArguments = (options: GuestOptions, folder: string): readonly string[] => {
  const { kernel = DEFAULT_KERNEL, smp = 1, megabytes = 512, append = [], devices = [] } = options;
  const { vmlinux, vmlinuz, processor } = bootOf(kernel);
  const { machines, properties, cpu, words } = PROCESSOR[processor];
  const { machine = machines[0]! } = options;
  if (!machines.includes(machine)) throw new Error(`${processor} has no machine ${machine}: ${machines.join(", ")}`);
  const image = options.suspends === true ? vmlinuz : vmlinux;
  const data = join(partOf("tools"), "usr/share");
  return [
    ["-L", join(data, "qemu"), "-L", join(data, "seabios")],
    [
      "-machine",
      [machine, "memory-backend=ram", ...properties, ...(options.properties ?? [])].join(),
      "-accel",
      "tcg,tb-size=512",
    ],
    ["-cpu", cpu, "-smp", String(smp), "-m", String(megabytes)],
    // For vfio-user, which shares the guest's memory with the model.
    ["-object", `memory-backend-memfd,id=ram,size=${megabytes}M,share=on`],
    ["-nodefaults", "-no-user-config", "-display", "none"],
    [
      "-kernel",
      image,
      "-initrd",
      initrdOf(options, folder),
      "-append",
      [...words, ...KERNEL_WORDS, ...append].join(" "),
    ],
    devices,
  ].flat();
};

/** The environment for QEMU, which names the folder of its modules. */
export const qemuEnvironment = (): NodeJS.ProcessEnv => ({
  ...process.env,
  QEMU_MODULE_DIR: join(partOf("tools"), PROCESSOR.amd64.libraries, "qemu"),
});

/** The beginning of a command that executes QEMU for that kernel's processor. QEMU then ends with this process. */
export const qemuCommand = (kernel: KernelName = DEFAULT_KERNEL): readonly [string, ...string[]] => [
  "setpriv",
  "--pdeathsig",
  "KILL",
  ...toolCommand(PROCESSOR[processorOf(kernel)].qemu),
];

/** Waits for one connection at `path`. */
const accept = async (path: string): Promise<{ readonly server: Server; readonly socket: Promise<Socket> }> => {
  const server = createServer();
  const socket = new Promise<Socket>((resolve) => server.once("connection", resolve));
  server.listen(path);
  await once(server, "listening");
  return { server, socket };
};

export class Guest implements AsyncDisposable {
  readonly qmp: Qmp;
  readonly #process: ChildProcess;
  readonly #channels: readonly Channel[];
  readonly #folder: string;
  readonly #console: () => string;

  private constructor(
    qmp: Qmp,
    child: ChildProcess,
    channels: readonly Channel[],
    folder: string,
    shown: () => string,
  ) {
    this.qmp = qmp;
    this.#process = child;
    this.#channels = channels;
    this.#folder = folder;
    this.#console = shown;
  }

  /** Boots a guest. @throws {Error} with the console's text if it does not come up */
  static async boot(options: GuestOptions = {}): Promise<Guest> {
    const folder = scratchFolder();
    const qemu = [...qemuArguments(options, folder)];
    const names = ["qmp", ...Array.from({ length: PORTS }, (_, i) => `ferrule.${i}`)];
    const ways = await Promise.all(names.map((name) => accept(join(folder, name))));
    qemu.push("-qmp", `unix:${join(folder, "qmp")}`, "-serial", "stdio", "-device", "virtio-serial-pci,id=ports");
    for (const name of names.slice(1)) {
      qemu.push("-chardev", `socket,id=${name},path=${join(folder, name)}`);
      qemu.push("-device", `virtserialport,bus=ports.0,chardev=${name},name=${name}`);
    }
    const command = qemuCommand(options.kernel);
    const [program, ...args] = options.within?.command(...command) ?? command;
    const child = spawn(program, [...args, ...qemu], { stdio: ["pipe", "pipe", "pipe"], env: qemuEnvironment() });
    let shown = "";
    const listen = (chunk: Buffer): void => {
      shown += chunk.toString("latin1");
      // The text is not cut at every chunk, because cutting copies the text.
      if (shown.length > 2 * CONSOLE_KEPT) shown = shown.slice(-CONSOLE_KEPT);
    };
    child.stdout.on("data", listen);
    child.stderr.on("data", listen);
    const limit = AbortSignal.timeout(LIMIT_MILLIS);
    try {
      const early = Promise.race([
        once(child, "exit").then(([code]) => `QEMU ended with ${code}`),
        once(limit, "abort").then(() => `not up after ${LIMIT_MILLIS} ms`),
      ]).then((why) => Promise.reject(new Error(`the guest did not come up: ${why}`)));
      const sockets = await Promise.race([Promise.all(ways.map(({ socket }) => socket)), early]);
      const channels = sockets.slice(1).map((socket) => new Channel(socket));
      const qmp = await Promise.race([Qmp.open(sockets[0]!), early]);
      await Promise.race([Promise.all(channels.map((channel) => channel.ready())), early]);
      early.catch(() => {});
      return new Guest(qmp, child, channels, folder, () => shown);
    } catch (error) {
      child.kill("SIGKILL");
      rmSync(folder, { recursive: true });
      // The error includes QEMU's messages about its arguments.
      throw new Error(`${(error as Error).message}\n${shown}`, { cause: error });
    } finally {
      for (const { server } of ways) server.close();
    }
  }

  /** The last megabyte of the serial console's text. */
  get console(): string {
    return this.#console();
  }

  get running(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /**
   * Runs a shell command in the guest, up to four at a time. Resolves with any exit code. @throws {Error} if the guest
   * does not answer, or restarts meanwhile
   */
  run(command: string, limitMillis = LIMIT_MILLIS): Promise<Ran> {
    const channel = this.#channels.find(({ idle }) => idle);
    if (channel === undefined) return Promise.reject(new Error(`the guest is busy: ${command}\n${this.console}`));
    return channel.run(command, limitMillis);
  }

  /** Runs a command and returns its output. @throws {Error} if it fails */
  async mustRun(command: string, limitMillis = LIMIT_MILLIS): Promise<string> {
    const { exit, stdout, stderr } = await this.run(command, limitMillis);
    if (exit !== 0) throw new Error(`in the guest, ${command} ended with ${exit}:\n${stderr}${stdout}`);
    return stdout;
  }

  /** Starts a shell command in the background. The caller owns it. @throws {Error} */
  start(command: string): Promise<Background> {
    return GuestBackground.start((words) => this.mustRun(words), command);
  }

  /** The kernel's log. @param level highest level included: 4 for warnings and worse, 7 for everything */
  async dmesg(level = 7): Promise<readonly string[]> {
    const lines = (await this.mustRun("dmesg -r")).split("\n");
    // The number is the facility times 8 plus the level; the time follows.
    const line = /^<(\d+)>(.*)$/;
    return lines.flatMap((text) => {
      const [, priority, rest] = line.exec(text) ?? [];
      return rest !== undefined && (Number(priority) & 7) <= level ? [rest] : [];
    });
  }

  async clearDmesg(): Promise<void> {
    await this.mustRun("dmesg -c >/dev/null");
  }

  /**
   * Suspends to RAM. Resolves when the guest sleeps. `awake` resolves when the guest runs again and has its devices
   * back, with the exit code of the suspend; no command may be run before.
   */
  async suspend(limitMillis = LIMIT_MILLIS): Promise<{ readonly awake: Promise<Ran> }> {
    const asleep = this.qmp.event("SUSPEND", limitMillis);
    asleep.catch(() => {});
    const { awake } = await this.#sleep("none mem", limitMillis);
    const refused = awake.then(({ exit, stderr }) =>
      Promise.reject(new Error(`the guest did not suspend: exit code ${exit}, ${stderr}`)),
    );
    await Promise.race([asleep, refused]);
    refused.catch(() => {});
    return { awake };
  }

  /**
   * Suspends every device, and resumes all after `suspend.pm_test_delay` seconds; the machine itself keeps running.
   * Resolves when the guest begins to suspend them; `awake` is as for `suspend`.
   */
  suspendDevices(limitMillis = LIMIT_MILLIS): Promise<{ readonly awake: Promise<Ran> }> {
    return this.#sleep("platform freeze", limitMillis);
  }

  /** @param how the words written to /sys/power/pm_test and /sys/power/state */
  async #sleep(how: string, limitMillis: number): Promise<{ readonly awake: Promise<Ran> }> {
    await this.mustRun(
      `cat >/run/sleep <<'END'\n${SLEEP}END\nsetsid sh /run/sleep "$0" ${how} </dev/null >/dev/null 2>&1 &`,
    );
    for (const channel of this.#channels) channel.restarting();
    const awake = this.up(2 * limitMillis).then(() => this.run("cat /run/sleep.err >&2; exit $(cat /run/sleep.exit)"));
    awake.catch(() => {});
    return { awake };
  }

  /** Wakes the machine from suspend to RAM, as a power button or a mainboard that receives PME does. */
  async wake(): Promise<void> {
    await this.qmp.execute("system_wakeup");
  }

  /** Resets the machine, as its reset button does. Resolves when the guest is up again. */
  async reset(): Promise<void> {
    for (const channel of this.#channels) channel.restarting();
    await this.qmp.execute("system_reset");
    await this.up();
  }

  /** Makes the guest reboot. Resolves when it is up again. */
  async reboot(): Promise<void> {
    const reset = this.qmp.event("RESET");
    this.run("reboot -f").catch(() => {});
    // The channels are marked now, because on a busy machine the guest may be up again before QEMU reports the reset.
    for (const channel of this.#channels) channel.restarting();
    await reset;
    await this.up();
  }

  /** Resolves when the agent is ready. */
  async up(limitMillis = LIMIT_MILLIS): Promise<void> {
    const limit = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => limit.reject(new Error(`the guest did not come up again\n${this.console}`)),
      limitMillis,
    );
    try {
      await Promise.race([Promise.all(this.#channels.map((channel) => channel.ready())), limit.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = this.running ? once(this.#process, "exit") : Promise.resolve();
    this.#process.kill("SIGKILL");
    await ended;
    await this.qmp.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
