/** `ferrule demo`: a verified transfer without hardware, with a report. */
import { FerruleError } from "#kit/errors.ts";
import { chooseRig, isPermissionProblem, permissions } from "../demo/choose-rig.ts";
import { Progress } from "../demo/progress.ts";
import { type DemoReport, reportLines, failures } from "../demo/report.ts";
import { runOnResponder } from "../demo/responder-rig.ts";
import { type DemoOptions, runOnTaps } from "../demo/tap-rig.ts";
import { runUnshared } from "../demo/unprivileged.ts";
import { openSession } from "../open-session.ts";
import { command, Exit, JSON_OPTION, printJson, printLines } from "./command.ts";
import { parseWire, pathsOf, type WireSpec } from "../wires/wire-spec.ts";
import { parseBytes, parseChip } from "./spec.ts";
import { stopAtSignals, type Stop } from "./stop.ts";
import { WrongUsage } from "../terminal/usage.ts";

/** A stop was requested before the demo had ended. */
class Interrupted extends FerruleError {
  readonly code = "INTERRUPTED";
  readonly hint = "Everything that the demo had created was removed.";
  constructor(reason: string) {
    super(`the demo was interrupted (${reason})`);
  }
}

const interruption = (stop: Stop): Promise<never> => {
  const stopped = stop.asked.then((reason) => {
    throw new Interrupted(reason);
  });
  stopped.catch(() => undefined);
  return stopped;
};

/** The requested wire needs two namespaces, which cannot be created here. */
class NoNamespaces extends FerruleError {
  readonly code = "NO_NAMESPACES";
  readonly hint = "Omit --wire, or use --wire responder: that needs no permission.";
  constructor(because: string) {
    super(`TAPs in two namespaces cannot be used: ${because}`);
  }
}

const CHOSEN = { rig: "responder", because: "--wire responder" } as const;

/** Parses the wire of the demo. @throws {WrongUsage} if its far end cannot reply */
const parseFarEnd = (text: string | undefined): WireSpec | undefined => {
  const wire = text === undefined ? undefined : parseWire(text);
  if (wire?.kind === "pcap")
    throw new WrongUsage(
      "a capture file cannot reply to pings or receive a transfer",
      `Use the wire with \`ferrule up model:rtl8168h --wire ${text}\`.`,
    );
  return wire;
};

/**
 * Runs the demo on the rig that this machine permits. If a process in another namespace runs the demo, returns that
 * process's exit code.
 */
const run = async (
  options: DemoOptions,
  progress: Progress,
  stop: Stop,
  args: readonly string[],
): Promise<DemoReport | number> => {
  const choice = options.wire?.kind === "responder" ? CHOSEN : chooseRig(permissions());
  const stopped = interruption(stop);
  let because = choice.rig === "responder" ? choice.because : "";
  if (choice.rig === "unshare") return await runUnshared(args, stop.signal);
  if (choice.rig === "tap") {
    try {
      return await runOnTaps(options, progress, openSession, stopped);
    } catch (error) {
      if (!isPermissionProblem(error)) throw error;
      because = error.message;
    }
  }
  if (options.wire !== undefined && choice !== CHOSEN) throw new NoNamespaces(because);
  if (choice !== CHOSEN)
    progress.say(`TAPs in two namespaces cannot be used: ${because}. Using the built-in responder instead.`);
  return await Promise.race([runOnResponder(options, because, progress, stop.signal), stopped]);
};

const exitOf = (code: number): Exit => (code === 0 ? Exit.done : code === 2 ? Exit.wrongUsage : Exit.failed);

export const demo = command({
  name: "demo",
  summary: "a verified transfer through the driver without hardware, with a report",
  about: [
    "Creates two network namespaces, puts a NIC driven by Ferrule in one and the far end of its wire in the other, then",
    "sends 100 pings and downloads a file over HTTP in both directions through Linux's own TCP/IP. Succeeds only when",
    "every ping is answered, the digests at both ends match and no frame was dropped.",
    "",
    "Works as root, or as a user who may create user namespaces. If neither is possible, or /dev/net/tun cannot be",
    "opened, it reports that and verifies a transfer through the built-in responder. Leaves nothing behind.",
  ].join("\n"),
  operands: [],
  options: {
    bytes: {
      kind: "value",
      placeholder: "N",
      summary: "size of each transfer; K, M and G are powers of 1024",
      default: "1G",
    },
    chip: {
      kind: "value",
      placeholder: "CHIP",
      summary: "a chip of `ferrule model chips`",
      default: "rtl8168h",
    },
    wire: {
      kind: "value",
      placeholder: "SPEC",
      summary: "where the NIC's wire ends: responder, tap:NAME, or unix:… with a second NIC there; a TAP unless given",
    },
    json: JSON_OPTION,
  },
  examples: [
    "npm start",
    "npx ferrule demo --bytes 256M",
    "npx ferrule demo --bytes 64M --wire unix:cable.sock",
    "npx ferrule demo --json | jq .transfers",
  ],
  needs({ values }) {
    const wire = parseFarEnd(values.wire);
    // The two network namespaces, the TAPs in them, and ping need these capabilities.
    return {
      capabilities: ["net_admin", "sys_admin", "net_raw"],
      paths: [{ path: "/dev/net/tun", use: "write" }, ...(wire === undefined ? [] : pathsOf(wire))],
    };
  },
  async run({ values, terminal }) {
    const wire = parseFarEnd(values.wire);
    const options = { bytes: parseBytes(values.bytes), chip: parseChip(values.chip).key, wire };
    const progress = new Progress(terminal.err);
    using stop = stopAtSignals();
    try {
      const args = [
        "demo",
        "--bytes",
        String(options.bytes),
        "--chip",
        options.chip,
        ...(values.wire === undefined ? [] : ["--wire", values.wire]),
        ...(values.json ? ["--json"] : []),
      ];
      const report = await run(options, progress, stop, args);
      if (typeof report === "number") return exitOf(report);
      if (values.json) printJson(terminal, report);
      else printLines(terminal, ["", ...reportLines(report, terminal.out)]);
      return failures(report).length === 0 ? Exit.done : Exit.failed;
    } finally {
      progress.clear();
    }
  },
});
