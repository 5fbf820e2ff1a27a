/** The Rust program: compiled with rustc only, without cargo or crates. */
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { CannotMeasure } from "./bench.ts";

const RUSTC = process.env["RUSTC"] ?? "rustc";
const FLAGS = ["--edition", "2021", "-O", "-C", "target-cpu=native", "-C", "codegen-units=1"];
const FOLDER = join(import.meta.dirname, "rust");

/** The first line of `rustc --version`; undefined if there is no rustc. */
export const rustcVersion = async (): Promise<string | undefined> => {
  try {
    return (await promisify(execFile)(RUSTC, ["--version"])).stdout.split("\n", 1)[0];
  } catch {
    return undefined;
  }
};

/** Compiles bench/rust to `scratch`/`name` and returns the program's path. @throws {CannotMeasure} without rustc */
export const compileRust = async (scratch: string, name: string, flags: readonly string[] = []): Promise<string> => {
  if ((await rustcVersion()) === undefined)
    throw new CannotMeasure(`no Rust compiler: ${RUSTC} was not found`, "Install rustc, or name it in RUSTC.");
  const program = join(scratch, name);
  await promisify(execFile)(RUSTC, [...FLAGS, ...flags, "-o", program, join(FOLDER, "peer.rs")]);
  return program;
};

/** The number of lines of the program's code, without comments, that contain `unsafe`. */
export const unsafeSites = (): number =>
  readdirSync(FOLDER)
    .flatMap((file) => readFileSync(join(FOLDER, file), "utf8").split("\n"))
    .filter((line) => /\bunsafe\b/.test(line.replace(/\/\/.*/, ""))).length;
