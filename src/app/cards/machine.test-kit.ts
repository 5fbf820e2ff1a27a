/**
 * A machine for tests: directories like /sys, /proc and /dev in a temporary folder, and a kernel that binds the cards
 * in them.
 */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { StepRefused } from "./errors.ts";
import { exists, Files, linkOf, namesIn, textOf } from "./files.ts";
import type { Kernel } from "./kernel.ts";
import { type Machine, VFIO_PCI } from "./machine.ts";
import type { BindContext } from "./binding.ts";
import { Records } from "./record.ts";

export interface FakeFunction {
  readonly vendor?: string;
  readonly device?: string;
  readonly revision?: string;
  readonly class?: string;
  readonly driver?: string;
  readonly group?: number;
  readonly override?: string;
  readonly interfaces?: readonly string[];
  /** Additional files in the function's folder, by name. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
}

export const MACHINE: Machine = {
  processor: "intel",
  guest: false,
  iommus: ["dmar0"],
  groups: 1,
  firmwareTable: "DMAR",
  iommuWords: ["intel_iommu=on"],
  vfioPci: true,
  unsafeNoIommu: false,
  user: 0,
  lockableBytes: Number.POSITIVE_INFINITY,
  boot: { tool: "grub", generate: "sudo update-grub", config: "/boot/grub/grub.cfg", dropIns: false },
  firmwareSetup: true,
};

/** Thrown instead of killing the process. */
export class Crash extends Error {}

export class FakeMachine implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "ferrule-cards-"));
  readonly files = new Files({
    sys: join(this.folder, "sys"),
    proc: join(this.folder, "proc"),
    dev: join(this.folder, "dev"),
    root: join(this.folder, "root"),
  });
  readonly records = new Records(join(this.folder, "run"));
  /** All kernel operations so far. */
  readonly asked: string[] = [];
  /** Modules that modprobe finds, each with the "vendor:device" ids that its driver accepts. */
  readonly modules = new Map<string, readonly string[]>([
    ["r8169", ["0x10ec:0x8168"]],
    [VFIO_PCI, []],
  ]);
  /** Cards that a process has open: unbinding them blocks. */
  readonly open = new Set<string>();
  /** Cards for which vfio-pci's probe fails. */
  readonly broken = new Set<string>();
  /**
   * When the process is killed: at operation number `in` from now, after the operation if `after` is true, otherwise
   * before.
   */
  dies: { in: number; after: boolean } | undefined;
  trafficOver: readonly string[] = [];
  machine: Machine = MACHINE;

  constructor() {
    for (const path of ["bus/pci/devices", "bus/pci/drivers", "class/net"])
      mkdirSync(join(this.files.sys, path), { recursive: true });
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  write(path: string, content: string | Uint8Array): void {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }

  link(path: string, target: string): void {
    mkdirSync(dirname(path), { recursive: true });
    symlinkSync(target, path);
  }

  /** Adds a card; default: an RTL8168 in group 7. */
  plug(address: string, card: FakeFunction = {}): void {
    const folder = this.files.device(address);
    const { vendor = "0x10ec", device = "0x8168", revision = "0x15", group = 7 } = card;
    const plain = { vendor, device, revision, class: card.class ?? "0x020000", subsystem_vendor: "0x10ec" };
    const more = { driver_override: card.override ?? "(null)", modalias: `pci:${vendor}:${device}` };
    for (const [name, content] of Object.entries({ ...plain, ...more, ...card.files }))
      this.write(join(folder, name), typeof content === "string" ? `${content}\n` : content);
    if (group >= 0) {
      this.link(join(folder, "iommu_group"), `${this.files.sys}/kernel/iommu_groups/${group}`);
      this.write(join(this.files.sys, `kernel/iommu_groups/${group}/devices`, address), "");
    }
    for (const name of card.interfaces ?? []) {
      mkdirSync(join(folder, "net", name), { recursive: true });
      mkdirSync(join(this.files.sys, "class/net", name), { recursive: true });
    }
    if (card.driver !== undefined) {
      this.#insert(card.driver);
      this.#attach(address, card.driver);
    }
  }

  driverOf(address: string): string | undefined {
    return linkOf(join(this.files.device(address), "driver"));
  }

  overrideOf(address: string): string | undefined {
    return textOf(join(this.files.device(address), "driver_override"));
  }

  get context(): BindContext {
    const { files, kernel, records, machine } = this;
    return { files, kernel, records, machine, trafficOver: () => this.trafficOver };
  }

  readonly kernel: Kernel = {
    set: (path, value) =>
      this.#step(`set ${basename(path)} ${value.trim()}`, () => this.write(path, `${value.trim() || "(null)"}\n`)),
    ask: async (path, value) =>
      this.#step(`ask ${basename(dirname(path))}/${basename(path)} ${value}`, () => this.#ask(path, value)),
    load: async (module) => this.#step(`load ${module}`, () => this.#load(module)),
  };

  #step<T>(what: string, act: () => T): T {
    const { dies } = this;
    if (dies !== undefined && --dies.in === 0 && !dies.after) throw new Crash(what);
    this.asked.push(what);
    const result = act();
    if (dies?.in === 0) throw new Crash(what);
    return result;
  }

  #ask(path: string, address: string): boolean {
    const [driver, verb] = [basename(dirname(path)), basename(path)];
    if (verb === "drivers_probe") this.#probe(address);
    else if (verb === "unbind") return this.#unbind(driver, address);
    else if (!this.#matches(driver, address)) throw new StepRefused("bind", "ENODEV");
    else this.#attach(address, driver);
    return true;
  }

  #unbind(driver: string, address: string): boolean {
    if (this.driverOf(address) !== driver) throw new StepRefused("unbind", "ENODEV");
    if (this.open.has(address)) return false;
    unlinkSync(join(this.files.device(address), "driver"));
    return true;
  }

  #load(module: string): string | undefined {
    const ids = module.startsWith("pci:") ? module.slice("pci:".length) : undefined;
    const name = ids === undefined ? module : [...this.modules].find(([, takes]) => takes.includes(ids))?.[0];
    if (name === undefined || !this.modules.has(name)) return `Module ${module} not found`;
    this.#insert(name);
    for (const address of namesIn(join(this.files.sys, "bus/pci/devices"))) this.#probe(address);
    return undefined;
  }

  #insert(driver: string): void {
    if (exists(this.files.driver(driver))) return;
    mkdirSync(this.files.driver(driver), { recursive: true });
    this.link(join(this.files.driver(driver), "module"), `/sys/module/${driver}`);
  }

  #probe(address: string): void {
    if (this.driverOf(address) !== undefined) return;
    const driver = namesIn(join(this.files.sys, "bus/pci/drivers")).find((name) => this.#matches(name, address));
    if (driver !== undefined) this.#attach(address, driver);
  }

  #matches(driver: string, address: string): boolean {
    if (driver === VFIO_PCI && this.broken.has(address)) return false;
    const override = this.overrideOf(address);
    if (override !== undefined && override !== "(null)") return override === driver;
    const id = ["vendor", "device"].map((name) => textOf(join(this.files.device(address), name))).join(":");
    return this.modules.get(driver)?.includes(id) === true;
  }

  #attach(address: string, driver: string): void {
    this.link(join(this.files.device(address), "driver"), this.files.driver(driver));
  }
}
