/**
 * `ferrule model serve`: serves one NIC on a vfio-user socket, to QEMU and other clients, until the command is stopped.
 */
import { resolve } from "node:path";
import { CHIPS, type Chip } from "#chip/chips.ts";
import { INTERRUPT_KINDS, type InterruptKind, interruptKinds } from "#chip/pci-function.ts";
import { randomStationAddress } from "#kit/station-address.ts";
import { MEDIA, type Medium, takesModules } from "#model/phy/medium.ts";
import type { Strictness } from "#model/observation/strict.ts";
import type { TraceFormat } from "#model/observation/trace.ts";
import { FerruleError } from "#kit/errors.ts";
import { privileges } from "#sys/privileges.ts";
import { MAX_SOCKET_PATH } from "#sys/unix-path.ts";
import { formatMac } from "#wire/mac.ts";
import type { ControlRequest } from "../serve/requests.ts";
import { checkControlPath, controlPath, ControlSocket } from "../control/serve-control.ts";
import { openServer, type ServeOptions, type Serving } from "../serve/open-server.ts";
import { parseWire, pathsOf, recordOf, WIRE_SYNTAX } from "../wires/wire-spec.ts";
import { ThreadFailure } from "../worker-thread.ts";
import { command, Exit } from "./command.ts";
import { within } from "../limit.ts";
import { type Level, LOG_OPTIONS, parseLevel } from "./log.ts";
import { Reporter } from "./reporter.ts";
import { noticeLines, qemuArguments, type ServeNotice, serveView } from "./serve-events.ts";
import { terminalFor, outputPath } from "./output.ts";
import { parseChip, parseSocketMode, parseStationAddress } from "./spec.ts";
import { type Stop, stopAtSignals } from "./stop.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { WrongUsage } from "../terminal/usage.ts";

/** Refresh interval of the live counters in milliseconds. */
const REDRAW = 500;
/** Time limit in milliseconds within which the thread must end. */
const CLOSING = 15_000;

/** The guest's driver committed offences. */
export class OffencesCommitted extends FerruleError {
  readonly code = "OFFENCES_COMMITTED";
  readonly hint =
    "Each offence is reported above with the register accesses before it; --trace FILE records all accesses.";
  constructor(offences: number) {
    super(`the guest's driver committed ${offences} ${offences === 1 ? "offence" : "offences"}`);
  }
}

export interface ServeCall {
  readonly chip: Chip;
  /** The command ends when its first client leaves. */
  readonly once: boolean;
  readonly options: ServeOptions;
  /** The wire as given on the command line. */
  readonly wire: string;
  readonly json: boolean;
  readonly level: Level;
}

/** Runs the command; `open` and `stop` are replaced in tests. */
export const serve = async (
  call: ServeCall,
  terminal: Terminal,
  open: (options: ServeOptions, stop: AbortSignal) => Promise<Serving>,
  stop: Stop,
): Promise<Exit> => {
  const { options, chip, wire, json, level, once } = call;
  const { socket, mac, strict } = options;
  checkControlPath(socket);
  const serving = await open(options, stop.signal);
  const [failed, closed] = [Promise.withResolvers<ThreadFailure>(), Promise.withResolvers<void>()];
  const reporter = new Reporter<ServeNotice>(terminal.out, { json, level, lines: noticeLines });
  const answer = async (request: ControlRequest): Promise<object> => {
    if (request.command !== "stop") return serving.ask(request);
    stop.ask("ferrule model ctl stop");
    await closed.promise;
    return { pid: process.pid };
  };
  try {
    // This socket is closed after the server has stopped, so that the reply to `stop` can still be sent.
    await using _control = await ControlSocket.open(socket, answer);
    let reason = "failed";
    try {
      using showing = reporter;
      const qemu = qemuArguments(socket);
      showing.report({
        kind: "serving",
        chip: chip.name,
        mac,
        socket,
        wire,
        qemu,
        pid: process.pid,
        privileges: privileges(),
      });
      serving.onEvent((event) => {
        showing.report(event);
        if (event.kind === "failed") failed.resolve(new ThreadFailure(event.error));
        if (once && event.kind === "client" && !event.connected && event.client !== 0)
          stop.ask(`client ${event.client} has disconnected`);
      });
      showing.watch({ read: () => serving.statistics(), draw: serveView, redrawMillis: REDRAW });
      const end = await Promise.race([stop.asked, failed.promise]);
      if (end instanceof ThreadFailure) throw end;
      reason = end;
    } finally {
      // The thread publishes its last counters when it ends.
      await within(serving.close(), "taking the server down", CLOSING).finally(closed.resolve);
      if (reason !== "failed") reporter.report({ kind: "stopped", reason, statistics: serving.statistics() });
    }
  } finally {
    await serving.close();
  }
  const { offences } = serving.statistics();
  if (offences > 0 && (once || strict === "error")) throw new OffencesCommitted(offences);
  return Exit.done;
};

const STRICT: readonly Strictness[] = ["warn", "error", "off"];
const parseStrict = (text: string): Strictness => {
  const strict = STRICT.find((known) => known === text);
  if (strict === undefined) throw new WrongUsage(`invalid --strict "${text}"`, `Use one of: ${STRICT.join(", ")}.`);
  return strict;
};

const parseInterrupts = (text: string | undefined, chip: Chip): InterruptKind | undefined => {
  const kind = INTERRUPT_KINDS.find((known) => known === text);
  const has = interruptKinds(chip.profile.function);
  if (text !== undefined && kind === undefined)
    throw new WrongUsage(`"${text}" is not a kind of interrupt`, `Use one of: ${has.join(", ")}.`);
  if (kind !== undefined && !has.includes(kind))
    throw new WrongUsage(
      `${chip.name} has no ${KIND_NAMES[kind]}`,
      `Use one of: ${has.join(", ")}; or omit --interrupts.`,
    );
  return kind;
};
const KIND_NAMES: Readonly<Record<InterruptKind, string>> = { intx: "INTx", msi: "MSI", msix: "MSI-X" };

const parseMedium = (text: string | undefined, chip: Chip): Medium | undefined => {
  const medium = MEDIA.find((known) => known === text);
  if (text !== undefined && medium === undefined)
    throw new WrongUsage(`invalid --medium "${text}"`, `Use ${MEDIA.join(" or ")}.`);
  if (medium === "fibre" && !takesModules(chip))
    throw new WrongUsage(
      `${chip.name} has no fibre variant`,
      `Chips with a fibre variant: ${CHIPS.filter(takesModules)
        .map(({ key }) => key)
        .join(", ")}.`,
    );
  return medium;
};

const FORMATS: readonly TraceFormat[] = ["text", "json"];
const parseTrace = (path: string | undefined, format: string | undefined): ServeOptions["trace"] => {
  const chosen = FORMATS.find((known) => known === format);
  if (format !== undefined && chosen === undefined)
    throw new WrongUsage(`invalid trace format "${format}"`, `Use ${FORMATS.join(" or ")}.`);
  if (path === undefined) {
    if (format !== undefined) throw new WrongUsage("--trace-format without --trace", "Add a file: --trace FILE.");
    return undefined;
  }
  return { path: outputPath(path), format: chosen ?? (path.endsWith(".jsonl") ? "json" : "text") };
};

/**
 * Makes the path absolute, because QEMU may run in another directory. If the absolute path is too long for a socket
 * address, returns the path as given.
 */
const socketPath = (typed: string): string => {
  const whole = resolve(typed);
  return new TextEncoder().encode(controlPath(whole)).length > MAX_SOCKET_PATH ? typed : whole;
};

export const modelServe = command({
  name: "model serve",
  summary: "serve a NIC of the family to QEMU, on a vfio-user socket",
  about: [
    "The model becomes a PCI device that any guest's own driver drives. Prints the arguments for QEMU (10.1 or newer),",
    "then a line for each client that connects or disconnects, each driver error that would fail on real hardware, and",
    "each link change. Clients connect one after the other. Each finds the NIC as after power-on, unless --keep-state is",
    "given. A guest that reboots remains the same client. Ctrl-C or `ferrule model ctl PATH stop` ends the server and cleans up. If it was started in the",
    "background with npx, killing npm's process does not end the server: use `stop`, or --once.",
    "",
    "SPEC is the far end of the NIC's cable:",
    ...WIRE_SYNTAX.map((line) => `  ${line}`),
  ].join("\n"),
  operands: [],
  options: {
    chip: {
      kind: "value",
      placeholder: "CHIP",
      summary: "chip of the NIC: see `ferrule model chips`",
      default: "rtl8168h",
    },
    socket: {
      kind: "value",
      placeholder: "PATH",
      summary: "socket of the device for QEMU; PATH.ctl is for `model ctl`",
    },
    "socket-mode": {
      kind: "value",
      placeholder: "MODE",
      summary: "permissions of PATH, and of a socket on which --wire listens, in octal digits",
      default: "600",
    },
    wire: { kind: "value", placeholder: "SPEC", summary: "the wire's far end", default: "responder" },
    mac: { kind: "value", placeholder: "MAC", summary: "the NIC's own address; default: random" },
    capture: {
      kind: "value",
      placeholder: "FILE",
      summary: "capture the wire's frames in a pcapng file; - for stdout",
    },
    trace: {
      kind: "value",
      placeholder: "FILE",
      summary: "record every register access by name (docs/trace.md); JSON lines if FILE ends in .jsonl",
    },
    "trace-format": { kind: "value", placeholder: "FORMAT", summary: "text or json, whatever the name of FILE" },
    strict: {
      kind: "value",
      placeholder: "MODE",
      summary: "effect of a driver's offences: warn, error (the NIC leaves the bus, and the exit code is 1) or off",
      default: "warn",
    },
    interrupts: {
      kind: "value",
      placeholder: "KIND",
      summary: "the best kind of interrupt that the NIC offers: intx, msi or msix; default: all that the chip has",
    },
    medium: {
      kind: "value",
      placeholder: "MEDIUM",
      summary: "copper, or fibre: an SFP cage, with rtl8127a",
    },
    "keep-state": {
      kind: "flag",
      summary: "each client finds the NIC as the last one left it, but with DMA off, as in a machine that is restarted",
    },
    once: {
      kind: "flag",
      summary: "end after the first client, with exit code 1 if its driver committed offences: for CI",
    },
    ...LOG_OPTIONS,
  },
  examples: [
    "npx ferrule model serve --chip rtl8125b --socket nic.sock",
    "npx ferrule model serve --socket nic.sock --once",
    "passt -s net.sock --mtu 1500 && npx ferrule model serve --socket nic.sock --wire unix:net.sock --trace trace.txt",
  ],
  needs({ values }) {
    const wire = parseWire(values.wire);
    const made = [values.socket, values.capture, values.trace].filter((path) => path !== undefined);
    return {
      capabilities: wire.kind === "tap" ? ["net_admin"] : [],
      paths: [...made.map((path) => ({ path, use: "make" }) as const), ...pathsOf(wire)],
    };
  },
  async run({ values, terminal }) {
    if (values.socket === undefined)
      throw new WrongUsage("--socket is missing", "Give a path for QEMU: --socket nic.sock.");
    const chip = parseChip(values.chip);
    const options: ServeOptions = {
      chip: chip.key,
      mac: formatMac(values.mac === undefined ? randomStationAddress() : parseStationAddress(values.mac)),
      socket: socketPath(values.socket),
      socketMode: parseSocketMode(values["socket-mode"]),
      wire: parseWire(values.wire),
      capture: values.capture === undefined ? undefined : outputPath(values.capture),
      trace: parseTrace(values.trace, values["trace-format"]),
      strict: parseStrict(values.strict),
      interrupts: parseInterrupts(values.interrupts, chip),
      medium: parseMedium(values.medium, chip),
      keepsState: values["keep-state"],
    };
    const { wire, capture, trace } = options;
    const shown = terminalFor(terminal, [capture, trace?.path, recordOf(wire)]);
    using stop = stopAtSignals();
    return await serve(
      {
        chip,
        options,
        once: values.once,
        wire: values.wire,
        json: values.json,
        level: parseLevel(values["log-level"]),
      },
      shown,
      openServer,
      stop,
    );
  },
});
