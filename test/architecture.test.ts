/**
 * The rules of docs/architecture.md, checked in the source: which rooms import which, and where unsafe calls may be.
 */
import assert from "node:assert/strict";
import { dirname, join } from "node:path/posix";
import { suite, test } from "node:test";
import { type File, files, isTest, none, occurrences, roomOf } from "./house.ts";
import { importsOf, without } from "./source.ts";

/** Each room, and the rooms from which it may import. Rooms of one layer are combined only in `app`. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  kit: [],
  wire: [],
  chip: ["kit"],
  sys: ["kit"],
  model: ["wire", "chip", "kit"],
  bus: ["chip", "kit", "sys"],
  driver: ["chip", "kit"],
  host: ["wire", "kit", "sys"],
  app: ["wire", "chip", "kit", "sys", "model", "bus", "driver", "host"],
};

/**
 * The folders of the model, each with the folders from which it may import. The files directly in `src/model` (the
 * chip as a whole) combine these folders.
 */
const MODEL_MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  observation: [],
  registers: ["observation"],
  interrupts: ["observation", "registers"],
  pci: ["observation", "registers"],
  phy: ["observation", "registers"],
  "side-buses": ["observation", "registers", "pci", "phy"],
  frames: ["observation", "registers", "interrupts", "pci", "phy"],
};

/** Rooms that may use Node. All other rooms run in a browser unchanged. */
const MAY_USE_NODE = ["bus", "host", "sys", "app"];

const MAX_LINES = 400;

/** A message about the rule that an import breaks; undefined if the import breaks none. */
const complaint = (file: File, specifier: string | undefined): string | undefined => {
  const room = roomOf(file.path);
  if (specifier === undefined) return isTest(file) ? undefined : "imports something that is computed: name it";
  if (specifier === "node:ffi" && room !== "sys") return `imports node:ffi: only sys may`;
  if (specifier.startsWith("node:"))
    return isTest(file) || MAY_USE_NODE.includes(room)
      ? undefined
      : `imports ${specifier}: ${room} must also run in a browser`;
  if (specifier.startsWith("#")) {
    const target = specifier.slice(1).split("/")[0]!;
    if (target === room) return `imports ${specifier}: inside a room use ./…`;
    if (!(target in MAY_IMPORT)) return `imports ${specifier}: there is no such room`;
    return MAY_IMPORT[room]!.includes(target) ? undefined : `imports ${specifier}: ${room} may not import ${target}`;
  }
  if (specifier.startsWith("."))
    return join(dirname(file.path), specifier).startsWith(`src/${room}/`)
      ? undefined
      : `imports ${specifier}: for another room use #room/…`;
  return isTest(file) ? undefined : `imports ${specifier}: the program has no dependencies`;
};

const importComplaints = (file: File): string[] =>
  importsOf(file.source).flatMap(({ specifier, line }) => {
    const what = complaint(file, specifier);
    return what === undefined ? [] : [`${file.path}:${line} ${what}`];
  });

const MODEL = "src/model/";
/** The folder of the model that contains a path; undefined for files that are in no folder. */
const modelFolder = (path: string): string | undefined =>
  path.startsWith(MODEL) && path.slice(MODEL.length).includes("/") ? path.split("/")[2] : undefined;

/** Errors of imports between the folders of the model. Tests and test kits may import anything. */
const folderComplaints = (file: File): string[] => {
  const from = modelFolder(file.path);
  if (from === undefined || isTest(file) || file.path.endsWith(".test-kit.ts")) return [];
  return importsOf(file.source).flatMap(({ specifier, line }) => {
    if (!specifier?.startsWith(".")) return [];
    const to = modelFolder(join(dirname(file.path), specifier));
    if (to === from) return [];
    return to !== undefined && MODEL_MAY_IMPORT[from]?.includes(to)
      ? []
      : [`${file.path}:${line} imports ${specifier}: ${from} may not import ${to ?? "the chip as a whole"}`];
  });
};

/** Imports of `cli` by other folders of `app`. Code that both `cli` and these folders need is in `terminal`. */
const cliComplaints = (file: File): string[] =>
  !file.path.startsWith("src/app/") ||
  file.path.startsWith("src/app/cli/") ||
  isTest(file) ||
  file.path.endsWith(".test-kit.ts")
    ? []
    : importsOf(file.source).flatMap(({ specifier, line }) =>
        specifier?.startsWith(".") && join(dirname(file.path), specifier).startsWith("src/app/cli/")
          ? [`${file.path}:${line} imports ${specifier}: only the command may import from cli`]
          : [],
      );

const NODE_GLOBALS =
  /(?<![.\w#])(process|Buffer|global|__dirname|__filename|setImmediate)\b(?!\s*:)|\bimport\.meta\.(dir|file)name/;

const globalComplaints = (file: File): string[] =>
  isTest(file) || MAY_USE_NODE.includes(roomOf(file.path))
    ? []
    : occurrences(file, NODE_GLOBALS, "uses a global that only Node has");

/** Matches code that depends on which chip it drives. Differences between chips belong in the profile. */
const CHIP_QUESTION =
  /\bsince\(|\.generation\b|\.(key|die|xid)\s*[!=]==(?!\s*undefined)|[!=]==\s*[\w.]+\.(key|die|xid)\b|\.(key|die)\.(startsWith|endsWith|includes|match)\(/;

const chipComplaints = (file: File): string[] =>
  isTest(file) || file.path.endsWith(".test-kit.ts") || roomOf(file.path) === "chip"
    ? []
    : occurrences(file, CHIP_QUESTION, "asks which chip it is: read a field of its profile");

const shapeComplaints = (file: File): string[] => {
  const found = occurrences(file, /\bexport\s+default\b|\bas\s+default\b/, "has a default export");
  const lines = file.source.trimEnd().split("\n").length;
  if (lines > MAX_LINES) found.push(`${file.path} has ${lines} lines: split it (at most ${MAX_LINES})`);
  if (!isTest(file) && !/^(#!.*\n)?\/\*\*/.test(file.source))
    found.push(`${file.path} does not start with its summary`);
  return found;
};

/** The C functions that may take addresses: those that have a 64-bit argument in libc.ts's table. */
const takingAddresses = (table: string): string[] =>
  [...table.matchAll(/^ {2}(\w+): \{ arguments: \[([^\]]*)\]/gm)]
    .filter(([, , parameters]) => parameters!.includes("u64"))
    .map(([, name]) => name!);

/** Matches the last line of a class member or a top-level function, as the formatter indents it. */
const END_OF_FUNCTION = /^( {2})?\}[;)]*$/;

/** Calls that could access foreign memory, in a function without a SAFETY: line before the call. */
const safetyComplaints = ({ path, source }: File, names: readonly string[]): string[] => {
  const call = new RegExp(`\\blibc\\.(${names.join("|")})\\(|\\b(toArrayBuffer|getRawPointer|dlopen)\\(`);
  const code = without(source, "comment", "string", "regex").split("\n");
  let reasoned = false;
  return source.split("\n").flatMap((line, i) => {
    if (END_OF_FUNCTION.test(line)) reasoned = false;
    if (line.includes("SAFETY:")) reasoned = true;
    return !reasoned && call.test(code[i]!) ? [`${path}:${i + 1} calls C without a SAFETY: line in its function`] : [];
  });
};

suite("house rules", () => {
  test("every source file is in a room", () => {
    assert.ok(files.length > 0, "no source found");
    none(files.filter(({ path }) => !(roomOf(path) in MAY_IMPORT)).map(({ path }) => `${path} is in no room`));
  });

  test("a room imports only from rooms below it, and only some may use node: modules", () => {
    none(files.flatMap(importComplaints));
  });

  test("a folder of the model imports only from folders below it", () => {
    const folders = new Set(files.map(({ path }) => modelFolder(path)).filter((folder) => folder !== undefined));
    assert.deepEqual([...folders].toSorted(), Object.keys(MODEL_MAY_IMPORT).toSorted());
    none(files.flatMap(folderComplaints));
  });

  test("nothing in app but the command itself imports from the command's folder", () => {
    none(files.flatMap(cliComplaints));
  });

  test("rooms that must run in a browser use no global of Node's", () => {
    none(files.flatMap(globalComplaints));
  });

  test(`no file has a default export, more than ${MAX_LINES} lines, or no summary`, () => {
    none(files.flatMap(shapeComplaints));
  });

  test("only src/chip tells chips apart; all others read the profile", () => {
    none(files.flatMap(chipComplaints));
  });

  test("every call of C with an address has a SAFETY: line", () => {
    const table = files.find(({ path }) => path === "src/sys/libc.ts");
    const names = takingAddresses(table?.source ?? "");
    assert.ok(names.includes("mmap") && names.includes("ioctl"), "libc.ts's table cannot be read");
    const room = files.filter((file) => roomOf(file.path) === "sys" && !isTest(file));
    none(room.flatMap((file) => safetyComplaints(file, names)));
  });
});

const inApp = (path: string, source: string): string[] => cliComplaints({ path: `src/app/${path}`, source });
const planted = (path: string, source: string): string[] => importComplaints({ path, source });
const inKit = (source: string): File => ({ path: "src/kit/planted.ts", source });
const inSys = (source: string): File => ({ path: "src/sys/planted.ts", source });

suite("the rules themselves", () => {
  test("find every way to import what may not be imported", () => {
    for (const [source, expected] of [
      ['import { x } from "#model/x.ts";', /driver may not import model/],
      ['import type { X } from "#bus/x.ts";', /driver may not import bus/],
      ['import {\n  a,\n  b,\n} from "#host/x.ts";', /driver may not import host/],
      ['export * from "#sys/x.ts";', /driver may not import sys/],
      ['import "#wire/x.ts";', /driver may not import wire/],
      ['const x = await import("#app/x.ts");', /driver may not import app/],
      ['import fs from "node:fs";', /must also run in a browser/],
      ['const os = process.getBuiltinModule("node:os");', /must also run in a browser/],
      ['const ffi = process.getBuiltinModule("node:ffi");', /only sys may/],
      ['new Worker(new URL("../model/worker.ts", import.meta.url));', /for another room/],
      ['import { x } from "../kit/x.ts";', /for another room/],
      ['import { x } from "#driver/x.ts";', /inside a room/],
      ['import { x } from "#attic/x.ts";', /no such room/],
      ['import { z } from "zod";', /no dependencies/],
      ["const x = await import(name);", /computed/],
      ["const x = await import(`#bus/${name}.ts`);", /computed/],
    ] as const) {
      const found = planted("src/driver/planted.ts", source);
      assert.equal(found.length, 1, source);
      assert.match(found[0]!, expected);
      assert.match(found[0]!, /^src\/driver\/planted\.ts:1 /);
    }
  });

  test("ignore allowed imports, and text that only looks like an import", () => {
    for (const source of [
      'import { Mmio } from "#kit/mmio.ts";\nimport { ring } from "./ring.ts";',
      '// import { x } from "#model/x.ts";\n/* import("node:fs") */',
      "const text = \"import { x } from '#model/x.ts'\";",
      "const pattern = /[\"'/]/; // a quote in a pattern",
      "export const a = 1;\nconst from = 'x';",
    ])
      none(planted("src/driver/planted.ts", source));
    none(planted("src/driver/planted.test.ts", 'import { test } from "node:test";\nimport * as fc from "fast-check";'));
    none(planted("src/sys/planted.ts", 'import ffi from "node:ffi";'));
  });

  test("do not exempt a test from the import rule", () => {
    assert.equal(planted("src/driver/planted.test.ts", 'import { x } from "#model/x.ts";').length, 1);
    assert.equal(planted("src/kit/planted.test.ts", 'import ffi from "node:ffi";').length, 1);
  });

  test("find an import against the order of the model's folders", () => {
    const inPhy = (source: string) => folderComplaints({ path: "src/model/phy/planted.ts", source });
    assert.match(inPhy('import { x } from "../side-buses/x.ts";')[0]!, /phy may not import side-buses/);
    assert.match(inPhy('import { x } from "../rtl8169.ts";')[0]!, /phy may not import the chip as a whole/);
    none(
      inPhy('import { x } from "../registers/page.ts";\nimport { y } from "./y.ts";\nimport { z } from "#chip/z.ts";'),
    );
    none(folderComplaints({ path: "src/model/planted.ts", source: 'import { x } from "./phy/x.ts";' }));
  });

  test("find an import from the command's folder, however it is written", () => {
    for (const source of ['import { x } from "../cli/x.ts";', 'import type { X } from "../demo/../cli/x.ts";'])
      assert.equal(inApp("demo/planted.ts", source).length, 1, source);
    assert.equal(inApp("planted.ts", 'import { x } from "./cli/x.ts";').length, 1);
    none(inApp("cli/planted.ts", 'import { x } from "./x.ts";'));
    none(inApp("demo/planted.ts", 'import { x } from "../terminal/x.ts";'));
  });

  test("find globals of Node, default exports, long files and missing summaries", () => {
    for (const source of [
      "process.exit(1);",
      "const b = Buffer.from([1]);",
      "setImmediate(f);",
      "import.meta.dirname;",
    ])
      assert.equal(globalComplaints(inKit(source)).length, 1, source);
    for (const source of ["this.process();", '"process"', "// process", "const inProcess = 1;", "nic.Buffer = 1;"])
      none(globalComplaints(inKit(source)));
    assert.equal(shapeComplaints(inKit("/** A. */\nexport default 1;")).length, 1);
    assert.equal(shapeComplaints(inKit("/** A. */\n".repeat(401))).length, 1);
    assert.equal(shapeComplaints(inKit("export const a = 1;")).length, 1);
    none(shapeComplaints(inKit("/** A. */\nexport const a = 1; // not a default export")));
  });

  test("find a question about which chip it is, outside src/chip", () => {
    for (const source of [
      'if (since("8125")(chip)) f();',
      "switch (chip.generation) {}",
      'const late = chip.key === "rtl8125a";',
      'if (row.die !== "8168h") f();',
      "const same = other === this.chip.key;",
      'if (chip.die.startsWith("8125")) f();',
      "if (chip.xid === 0x541) f();",
    ]) {
      assert.equal(chipComplaints({ path: "src/model/planted.ts", source }).length, 1, source);
      none(chipComplaints({ path: "src/chip/planted.ts", source }));
    }
    for (const source of [
      "f(chip.key);",
      "const { key } = chip;",
      "const a = map[chip.die];",
      "x.since = 1;",
      "if (chip.xid !== undefined) f();",
    ])
      none(chipComplaints({ path: "src/model/planted.ts", source }));
  });

  test("find a call of C with an address without a SAFETY: line", () => {
    const reasoned = "const f = () => {\n  // SAFETY: because.\n  libc.mmap(0n);\n};\n";
    none(safetyComplaints(inSys(reasoned), ["mmap"]));
    none(safetyComplaints(inSys("// libc.mmap(0n)\nlibc.getppid();"), ["mmap"]));
    assert.equal(safetyComplaints(inSys(`${reasoned}const g = () => libc.mmap(0n);`), ["mmap"]).length, 1);
    assert.equal(safetyComplaints(inSys("const view = ffi().toArrayBuffer(a, 8, false);"), ["mmap"]).length, 1);
    assert.deepEqual(takingAddresses('  a: { arguments: ["i32", "u64"] },\n  b: { arguments: ["i32"] },'), ["a"]);
  });
});
