/** The drivers of a comparison, and how each is started. */
import { join } from "node:path";
import type { Peer } from "#app/compare/result.ts";
import { compile } from "../c-program.ts";
import { compileRust, unsafeSites } from "../rust-program.ts";
import type { Chip } from "./device.ts";
import { dpdkCommand, INSTALL } from "./dpdk.ts";
import type { Load } from "./layout.ts";
import type { Kind } from "./passes.ts";
import { ownSources, sizeOfFiles } from "./sources.ts";

export const REFERENCE = "minimal-c";

/** Commands that start a peer's programs. */
interface Commands {
  /** The driver process; the region's number is appended. */
  readonly process: readonly string[];
  /**
   * For the measurement with driver and device in one thread: the program that `Rounds` runs, and that program's name
   * for the driver.
   */
  readonly sameThread: { readonly command: readonly [string, ...string[]]; readonly variant: string };
}

/** A peer that can run, and its commands. */
export interface Runner extends Commands {
  readonly peer: Peer;
  readonly loads: readonly Load[];
  readonly chip?: Chip;
}

export interface BuildContext {
  /** Folder for compiled programs. */
  readonly scratch: string;
  /** Progress messages, for a person. */
  readonly say: (line: string) => void;
}

/** A peer in `ENTRIES`. `prepare` compiles what the peer needs, and throws `CannotMeasure` if something is missing. */
interface Entry {
  readonly peer: Peer;
  /** The command that installs what `prepare` needs. */
  readonly install: string;
  readonly loads: readonly Load[];
  /** The chip whose rings the peer drives; default RTL8168. */
  readonly chip?: Chip;
  readonly prepare: (context: BuildContext) => Promise<Commands>;
}

/** With this option the Rust program has as many descriptors as bench/c/ring.c. */
const SMALL_RINGS = ["--cfg", "small_rings"];

const EVERY: readonly Load[] = ["forward", "drop", "generate"];

const inC = (key: string, variant: string, about: string, validates: boolean): Entry => ({
  peer: {
    key,
    name: `C, ${variant}`,
    language: "C",
    about,
    validates,
    size: sizeOfFiles(["bench/c/rings.h", `bench/c/${variant}.h`]),
  },
  install: "sudo apt-get install gcc libc6-dev",
  loads: EVERY,
  prepare: async ({ scratch }) => ({
    process: [await compile(scratch, "peer"), variant],
    sameThread: { command: [await compile(scratch, "ring"), "--paired"], variant },
  }),
});

const NODE = [process.execPath, "--disable-warning=ExperimentalWarning"] as const;
const CHECKOUT = join(import.meta.dirname, "../..");
const DRIVER = "bench/compare/driver.ts";
const TURNS = join(import.meta.dirname, "../ring-turns.ts");

/** Sources of every Ferrule driver, and of the memory mapping. */
const RINGS = ["src/driver/receive-ring.ts", "src/driver/transmit-ring.ts", "src/sys/mapping.ts"];

const ours = (
  kind: Kind,
  name: string,
  about: string,
  loads: readonly Load[],
  parts: readonly string[] = [],
): Entry => ({
  peer: { key: kind, name, language: "TypeScript", about, validates: true, ...ownSources([...RINGS, ...parts]) },
  install: "npm install",
  loads,
  prepare: async () => ({
    process: [...NODE, join(CHECKOUT, DRIVER), kind],
    sameThread: { command: [...NODE, TURNS, CHECKOUT, kind], variant: kind },
  }),
});

export const ENTRIES: readonly Entry[] = [
  inC(
    REFERENCE,
    "minimal",
    "One fused loop that trusts every word the device wrote: the least this job can cost.",
    false,
  ),
  inC("careful-c", "careful", "The same loop; each word the device wrote is read once and validated.", true),
  inC(
    "burst-c",
    "bursts",
    "Two functions over bursts, as Ferrule's Link has them, with the same checks and counters.",
    true,
  ),
  {
    peer: {
      key: "rust",
      name: "safe Rust",
      language: "Rust",
      about: "One fused loop with careful C's checks; all of it is safe except the mapping of the memory.",
      validates: true,
      unsafeSites: unsafeSites(),
      size: sizeOfFiles(["bench/rust/memory.rs", "bench/rust/rings.rs"]),
    },
    install: "sudo apt-get install rustc",
    loads: EVERY,
    prepare: async ({ scratch }) => ({
      process: [await compileRust(scratch, "rust-peer")],
      sameThread: { command: [await compileRust(scratch, "rust-ring", SMALL_RINGS), "--paired"], variant: "rust" },
    }),
  },
  {
    peer: {
      key: "dpdk",
      name: "DPDK's r8169",
      language: "C",
      about: "DPDK's own driver, unmodified from Debian, on an RTL8125B's rings; with pools of buffers and offloads.",
      validates: false,
    },
    install: INSTALL,
    loads: EVERY,
    chip: "8125",
    prepare: async ({ scratch, say }) => {
      const command = await dpdkCommand(scratch, say);
      return { process: command, sameThread: { command: [...command, "--paired"], variant: "dpdk" } };
    },
  },
  ours(
    "link",
    "Ferrule over Link",
    "The driver's rings through receive and transmit, which exchange buffers, as a network stack uses them.",
    EVERY,
  ),
  ours(
    "turnaround",
    "Ferrule by turnaround",
    "Frames forwarded inside the rings, as XDP_TX does.",
    ["forward"],
    ["src/driver/turnaround.ts"],
  ),
  ours(
    "checked",
    "Ferrule, checked mode",
    "As over Link, with a check that the caller owns each buffer that it exchanges.",
    EVERY,
  ),
];

/** Suffix of the key of a driver from another checkout. */
export const OTHER = "-other";

/** The list entry of the same driver from another checkout. */
const ofOther = (folder: string, { peer, ...entry }: Entry): Entry => ({
  ...entry,
  peer: { ...peer, key: `${peer.key}${OTHER}`, name: `${peer.name}, of ${folder}` },
  prepare: async () => ({
    process: [...NODE, join(folder, DRIVER), peer.key],
    sameThread: { command: [...NODE, TURNS, folder, peer.key], variant: peer.key },
  }),
});

/** Every driver; with `against` also the TypeScript drivers of the checkout in that folder. */
export const entriesOf = (against?: string): readonly Entry[] =>
  against === undefined
    ? ENTRIES
    : [
        ...ENTRIES,
        ...ENTRIES.filter(({ peer }) => peer.language === "TypeScript").map((entry) => ofOther(against, entry)),
      ];
