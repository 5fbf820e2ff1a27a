/** The machine on which the figures were measured. */
import { readFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { compilerVersion } from "./c-program.ts";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly architecture: string;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly virtual: boolean | "unknown";
  readonly node: string;
  readonly v8: string;
  readonly compiler: string;
  /**
   * Load average over one minute when the benches started. If it is above 0.5 per core, absolute figures are
   * unreliable.
   */
  readonly load: number;
  readonly date: string;
}

const isVirtual = (): boolean | "unknown" => {
  try {
    return /^flags\s*:.*\bhypervisor\b/m.test(readFileSync("/proc/cpuinfo", "utf8"));
  } catch {
    return "unknown";
  }
};

export const machineFacts = async (): Promise<Machine> => ({
  cpu: cpus()[0]?.model.trim() ?? "unknown",
  cores: cpus().length,
  architecture: process.arch,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  kernel: release(),
  virtual: isVirtual(),
  node: process.version,
  v8: process.versions.v8,
  compiler: (await compilerVersion()) ?? "none",
  load: loadavg()[0] ?? NaN,
  date: new Date().toISOString(),
});
