/** Every kind of error in every option of every command causes one line, a hint and exit code 2, and nothing else. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Command } from "./command.ts";
import { commandsFor } from "./commands.ts";
import { main } from "./main.ts";
import { recordedTerminal } from "../terminal/terminal.test-kit.ts";

/** `ferrule ethtool` parses its own words, and reports errors as ethtool does: see test/e2e/ethtool.test.ts. */
const COMMANDS = (await commandsFor([])).filter(({ ownWords }) => ownWords !== true);
const LIMIT_MILLIS = 10_000;

/** Valid operands and options, without which a command would not check the values of its other options. */
const GOOD: Readonly<Record<string, readonly string[]>> = {
  bind: ["0000:99:1f.0"],
  unbind: ["0000:99:1f.0"],
  up: ["model:rtl8168h"],
  status: ["fe0"],
  down: ["fe0"],
  suspend: ["fe0"],
  resume: ["fe0"],
  report: ["model:rtl8168h"],
  "model serve": ["--socket", "/nonexistent/nic.sock"],
  "model ctl": ["/nonexistent/nic.sock", "show"],
};

/** Invalid values of each option that accepts only certain values. */
const BAD: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  demo: {
    bytes: ["x", "0", "1T", "1e9", "1025G", "64 M"],
    chip: ["nonsense", "rtl8126a", "rtl8128a"],
    wire: ["eth0", "tap:", "pcap:some.pcap"],
  },
  up: {
    name: ["a/b", "a b", "x".repeat(16), "fe%d", "."],
    wire: ["eth0", "tap:", "tap:a/b", "responder:x", "unix:", "unix:a,x", "pcap:", "pcap:a,rate=0"],
    "socket-mode": ["x", "9", "rw"],
    "log-level": ["loud", "Info"],
    "wait-for-card": ["x", "-1", "1e3", "86401", ""],
    "sleep-without-link": ["x", "0", "4", "86401", "5.5"],
    mtu: ["x", "67", "9195", "1e3", "1500.5", "0x600"],
    wake: ["q", "G", "gq"],
    queues: ["x", "0", "3", "16"],
    threads: ["x", "two", "0", ""],
    ethtool: ["rx 1024", "-G rx", "-G rx x", "--nonsense", "-G rx 1024; -Q"],
    metrics: ["9101", "localhost:9101", "0.0.0.0:9101", "127.0.0.1:0", "unix:"],
    aspm: ["x", "on", "AUTO", ""],
    rings: ["x", "32", "100", "8192", "0x40", "1e2"],
    mac: ["x", "00:00:00:00:00:00", "01:00:5e:00:00:01", "02:00:00:00:00", "ff:ff:ff:ff:ff:ff"],
  },
  "model serve": {
    chip: ["nonsense", "rtl8126a", "rtl8128a"],
    "socket-mode": ["x", "9", "rw"],
    wire: ["eth0", "tap:", "unix:", "pcap:", "unix:a,x", "pcap:a,rate=0", "pcap:a,rate=x", "responder:x"],
    mac: ["x", "00:00:00:00:00:00", "01:00:5e:00:00:01", "02:00:00:00:00", "ff:ff:ff:ff:ff:ff"],
    "trace-format": ["xml", "JSON"],
    "log-level": ["loud", "Info"],
    strict: ["hard", "Error"],
    interrupts: ["msi-y", "MSIX"],
    medium: ["glass", "fibre"],
  },
};

/** Placeholders of options whose value is a path: every word is valid. */
const PATHS = ["FILE", "FOLDER", "PATH"];

/** Invalid operands. */
const BAD_OPERANDS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  bind: [["nonsense"], ["00:99"]],
  unbind: [["nonsense"], ["00:99"]],
  up: [["nonsense"], ["model:"], ["model:nonsense"], ["model:rtl8126a"], ["vfio-user:"], ["rtl8168h"]],
  down: [["a/b"], [""]],
  report: [["nonsense"], ["model:nonsense"]],
  "model ctl": [
    ["/nonexistent/nic.sock", "nonsense"],
    ["/nonexistent/nic.sock", ""],
  ],
};

const refuses = async (words: readonly string[], message: RegExp = /./, hint: RegExp = /./): Promise<void> => {
  const terminal = recordedTerminal();
  const exit = await main(words, COMMANDS, terminal);
  const typed = words.map((word) => JSON.stringify(word.slice(0, 40))).join(" ");
  assert.equal(exit, 2, `${typed} ended with ${exit}: ${terminal.err.text}`);
  assert.equal(terminal.out.text, "", typed);
  const [, problem = "", advice = ""] = /^ferrule: (.+)\nhint: (.+)\n$/.exec(terminal.err.text) ?? [];
  assert.match(problem, message, `${typed}: ${terminal.err.text}`);
  assert.match(advice, hint, `${typed}: ${terminal.err.text}`);
};

const valuesOf = ({ options }: Command) =>
  Object.entries(options).flatMap(([name, option]) => (option.kind === "value" ? [[name, option] as const] : []));

for (const each of COMMANDS) {
  const words = each.name.split(" ");
  const good = GOOD[each.name] ?? [];
  /** The valid operands and options, without the option `name`. */
  const others = (name: string): readonly string[] => (good[0] === `--${name}` ? good.slice(2) : good);

  test(`${each.name}: an option that is misspelt, or stands before the command, is refused`, async () => {
    for (const name of Object.keys(each.options)) {
      await refuses(
        [...words, ...good, `--${name}x`],
        new RegExp(`unknown option --${name}x`),
        new RegExp(`\`--${name}\``),
      );
      await refuses(
        [`--${name}`, ...words, ...good],
        new RegExp(`unknown option --${name} before the command`),
        /--help/,
      );
    }
    await refuses([...words, ...good, "-x"], /unknown option -x/, /--help/);
  });

  test(`${each.name}: a flag takes no value and is given once`, async () => {
    for (const [name, { kind }] of Object.entries(each.options)) {
      if (kind !== "flag") continue;
      await refuses([...words, ...good, `--${name}=yes`], /takes no value/, new RegExp(`--${name} alone`));
      await refuses([...words, ...good, `--${name}`, `--${name}`], new RegExp(`--${name} was given twice`));
    }
  });

  test(`${each.name}: a value is neither missing nor empty, and is given once`, async () => {
    for (const [name, { placeholder }] of valuesOf(each)) {
      const rest = [...words, ...others(name)];
      const hint = new RegExp(`--${name} ${placeholder}`);
      await refuses([...rest, `--${name}`], new RegExp(`--${name} needs a value`), hint);
      await refuses([...rest, `--${name}=`], new RegExp(`--${name} needs a value`), hint);
      await refuses([...rest, `--${name}`, ""], new RegExp(`--${name} needs a value`), hint);
      await refuses([...rest, `--${name}`, "--json"], new RegExp(`--${name} needs a value`), hint);
      await refuses([...rest, `--${name}=a`, `--${name}`, "a"], new RegExp(`--${name} was given twice`));
    }
  });

  test(`${each.name}: an invalid value is refused`, { timeout: LIMIT_MILLIS }, async () => {
    for (const [name, { placeholder }] of valuesOf(each)) {
      const bad = BAD[each.name]?.[name] ?? [];
      assert.ok(bad.length > 0 || PATHS.includes(placeholder), `BAD has no values that --${name} must refuse`);
      for (const value of bad) {
        const trace = name === "trace-format" ? ["--trace", "/nonexistent/trace"] : [];
        await refuses([...words, ...others(name), ...trace, `--${name}`, value]);
      }
    }
  });

  test(`${each.name}: operands are neither missing, nor too many, nor invalid`, { timeout: LIMIT_MILLIS }, async () => {
    const needed = each.operands.filter(({ optional }) => optional !== true);
    if (needed.length > 0) await refuses(words, new RegExp(`${needed[0]!.placeholder} is missing`), /The command is/);
    if (each.operands.at(-1)?.many !== true) await refuses([...words, ...good, "more"], /unexpected argument "more"/);
    assert.equal(
      BAD_OPERANDS[each.name] !== undefined,
      needed.length > 0,
      "BAD_OPERANDS has no operands that this command must refuse",
    );
    for (const operands of BAD_OPERANDS[each.name] ?? []) await refuses([...words, ...operands]);
  });
}
