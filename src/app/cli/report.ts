/** `ferrule report`: collects facts about a card, for a bug report or a success report. */
import { readCard } from "../cards/card.ts";
import { Files } from "../cards/files.ts";
import { checkCard, localMachine } from "../cards/local-machine.ts";
import { openDevice, type ReportedDevice } from "../report/open-device.ts";
import { version } from "../manifest.ts";
import { knownOf } from "../report/identity.ts";
import { reportOn, sweptReport, systemFacts } from "../report/report.ts";
import { Redactor } from "../report/sweep.ts";
import { command, Exit, printJson } from "./command.ts";
import { withNulls } from "./nulls.ts";
import { OutputFile } from "./output-file.ts";
import { parseDevice, parseChip } from "./spec.ts";
import { WrongUsage } from "../terminal/usage.ts";

const MODEL = "model:";

/** The device of the report. @throws {WrongUsage}; the errors of `checkCard` */
const deviceOf = (typed: string, unsafeNoIommu: boolean): ReportedDevice => {
  // Every chip of the family is accepted, because a chip that cannot be brought up can still be inspected.
  const device = typed.startsWith(MODEL)
    ? ({ kind: "model", chip: parseChip(typed.slice(MODEL.length)) } as const)
    : parseDevice(typed);
  if (device.kind !== "pci") {
    if (unsafeNoIommu) throw new WrongUsage("--unsafe-noiommu is only for cards", "Omit it.");
    return device;
  }
  checkCard(device.address, { unsafeNoIommu });
  return { ...device, unsafeNoIommu };
};

export const report = command({
  name: "report",
  summary: "describe a device and its bring-up, to send with a question",
  about: [
    "Brings the device up, waits up to 6 s for a carrier, and takes it down again. Nothing else may use it meanwhile. Reports",
    "chip, registers by name, PHY, counters, configuration space, every register access of the bring-up, and facts about",
    "this system, as one JSON document.",
    "",
    "The document contains no MAC or IP address, serial number, host or user name, and no payload. It lists what was removed",
    "because it may be one of these. Read it before you send it. Registers with side effects on reading are not read.",
    "Exit code 1 if the device could not be brought up; the report is written nevertheless.",
  ].join("\n"),
  operands: [
    { placeholder: "DEVICE", summary: "a card's PCI address, after `ferrule bind`; or model:CHIP, or vfio-user:PATH" },
  ],
  options: {
    output: { kind: "value", placeholder: "FILE", summary: "output file; default: stdout" },
    "unsafe-noiommu": { kind: "flag", summary: "use a card without an IOMMU, as with `ferrule up`" },
  },
  examples: ["sudo npx ferrule report 0000:03:00.0 --output report.json", "npx ferrule report model:rtl8168h"],
  async run({ values, operands, terminal }) {
    const what = deviceOf(operands[0]!, values["unsafe-noiommu"]);
    const files = new Files();
    // The card's files are read before the card is opened, so that the report shows the state in which the kernel left
    // the card.
    const card = what.kind === "pci" ? readCard(files, what.address) : undefined;
    using scope = new DisposableStack();
    const output = values.output === undefined ? undefined : scope.use(new OutputFile(values.output));
    const found = reportOn(openDevice(what, scope));
    const redactor = new Redactor(knownOf(files, process.env));
    const bundle = withNulls({
      format: "ferrule-report/1",
      ferrule: version(),
      system: redactor.all(systemFacts(), (text) => redactor.unnamed(text)),
      machine: redactor.all(localMachine(files)),
      card: redactor.all(card),
      ...sweptReport(found, redactor),
    });
    const { chip, xid, bringUp } = found;
    if (output === undefined) printJson(terminal, bundle);
    else {
      output.write(`${JSON.stringify(bundle, undefined, 2)}\n`);
      terminal.out.line(`${values.output}: ${chip ?? `an unknown chip, XID ${xid}`}. Read it before you send it.`);
    }
    if (bringUp.error === undefined) return Exit.done;
    terminal.err.line(`${terminal.err.paint("yellow", "warning:")} bring-up failed: ${bringUp.error.message}`);
    return Exit.failed;
  },
});
