/** `ferrule demo`: the main job without hardware, from nothing to a verified transfer and a report. */
import { FerruleError } from "#kit/errors.ts";
import { chooseRig, isPermissionProblem, permissions } from "../demo/choose-rig.ts";
import { Progress } from "../demo/progress.ts";
import { type DemoReport, reportLines, shortcomings } from "../demo/report.ts";
import { runOnResponder } from "../demo/responder-rig.ts";
import { type DemoOptions, runOnTaps } from "../demo/tap-rig.ts";
import { runUnshared } from "../demo/unprivileged.ts";
import { openSession } from "../open-session.ts";
import { command, Exit, JSON_OPTION, printJson, printLines } from "./command.ts";
import { parseBytes, parseChip } from "./spec.ts";
import { stopAtSignals, type Stop } from "./stop.ts";

/** Someone asked to stop before the end. */
class Interrupted extends FerruleError {
  readonly code = "INTERRUPTED";
  readonly hint = "Everything it had made is gone again.";
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

/** Runs the demo on the rig this machine permits. A number is the exit code of another process that did it all. */
const run = async (
  options: DemoOptions,
  progress: Progress,
  stop: Stop,
  args: readonly string[],
): Promise<DemoReport | number> => {
  const choice = chooseRig(permissions());
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
  progress.say(`No TAP between two namespaces here: ${because}. Using the built-in responder instead.`);
  return await Promise.race([runOnResponder(options, because, progress, stop.signal), stopped]);
};

const exitOf = (code: number): Exit => (code === 0 ? Exit.done : code === 2 ? Exit.wrongUsage : Exit.failed);

export const demo = command({
  name: "demo",
  summary: "the main job without hardware: a verified transfer through the driver, and a report",
  about: [
    "Makes two network namespaces, puts a NIC driven by Ferrule in one and the far end of its wire in the other, then",
    "sends 100 pings and downloads a file over HTTP in both directions through Linux's own TCP/IP. Succeeds only when",
    "every ping is answered, the digests at both ends match and no frame was dropped.",
    "",
    "Works as root, or as a user who may make user namespaces. Where neither is allowed, or /dev/net/tun cannot be",
    "opened, it says so and verifies a transfer through the built-in responder. Leaves nothing behind.",
  ].join("\n"),
  operands: [],
  options: {
    bytes: {
      kind: "value",
      placeholder: "N",
      summary: "size of each transfer; K, M and G for powers of 1024",
      default: "1G",
    },
    chip: {
      kind: "value",
      placeholder: "CHIP",
      summary: "a drivable chip of `ferrule model chips`",
      default: "rtl8168h",
    },
    json: JSON_OPTION,
  },
  examples: ["npm start", "npx ferrule demo --bytes 256M", "npx ferrule demo --json | jq .transfers"],
  needs() {
    // For the two network namespaces, the TAPs in them, and ping.
    return {
      capabilities: ["net_admin", "sys_admin", "net_raw"],
      paths: [{ path: "/dev/net/tun", use: "write" }],
    };
  },
  async run({ values, terminal }) {
    const options = { bytes: parseBytes(values.bytes), chip: parseChip(values.chip).key };
    const progress = new Progress(terminal.err);
    using stop = stopAtSignals();
    try {
      const args = [
        "demo",
        "--bytes",
        String(options.bytes),
        "--chip",
        options.chip,
        ...(values.json ? ["--json"] : []),
      ];
      const report = await run(options, progress, stop, args);
      if (typeof report === "number") return exitOf(report);
      if (values.json) printJson(terminal, report);
      else printLines(terminal, ["", ...reportLines(report, terminal.out)]);
      return shortcomings(report).length === 0 ? Exit.done : Exit.failed;
    } finally {
      progress.clear();
    }
  },
});
