/**
 * Rules of registers and descriptors that types alone cannot enforce: which bits are written to which register, and how
 * addresses get into descriptors.
 */
import { suite, test } from "node:test";
import assert from "node:assert/strict";
import { type File, files, isTest, none, occurrences, roomOf } from "./house.ts";
import { without } from "./source.ts";

/** Code that itself stores an address in a descriptor. Only functions that accept no plain number may do so. */
const ADDRESS_STORE =
  /\bwords\[[^\]]*\b(LOW|HIGH|toLow|toHigh|ADDRESS_LOW|ADDRESS_HIGH)\b[^\]]*\]\s*=(?!=)|\bas Bus(Address|Low|High)\b/;

const addressComplaints = (file: File): string[] =>
  isTest(file) || roomOf(file.path) !== "driver"
    ? []
    : occurrences(file, ADDRESS_STORE, "makes or stores a bus address itself: use storeLow or storeHigh of kit/dma.ts");

/**
 * The name of the bits that belong to each register, from declarations such as `export const ChipCmd = rw8(0x37,
 * "Cmd")` and `export const Cmd = bits("Cmd", …)`.
 */
const namesOfBits = (maps: readonly File[]): Map<string, string> =>
  new Map(
    maps.flatMap(({ source }) =>
      [...source.matchAll(/^export const (\w+) = \w+\((?:0x\w+, )?"(\w+)"/gm)].map(
        ([, name, of]) => [name!, of!] as const,
      ),
    ),
  );

/** The text from an opening parenthesis to the matching closing one. */
const inParentheses = (code: string, from: number): string => {
  let depth = 0;
  for (let at = from; at < code.length; at++) {
    if (code[at] === "(") depth++;
    if (code[at] === ")" && --depth === 0) return code.slice(from + 1, at);
  }
  return "";
};

/**
 * Bits that are used with a register to which they do not belong. The types detect this for a single bit, but not for a
 * sum of bits.
 */
const bitComplaints = ({ path, source }: File, of: ReadonlyMap<string, string>): string[] => {
  const code = without(source, "comment", "string", "regex");
  const complain = (at: number, register: string, bits: string): string[] =>
    [...bits.matchAll(/\b([A-Z]\w*)\.\w+/g)]
      .filter(([, record]) => of.has(record!) && of.get(record!) !== of.get(register))
      .map(([bit]) => `${path}:${code.slice(0, at).split("\n").length} ${bit} is not a bit of ${register}`);
  const written = [...code.matchAll(/\.(?:write|update|acknowledge)(?:8|16|32|Low)\(/g)].flatMap(
    ({ 0: call, index }) => {
      const [, register = "", rest = ""] = /^\s*(\w+),([^]*)$/.exec(inParentheses(code, index + call.length - 1)) ?? [];
      return complain(index, register, rest);
    },
  );
  const tests = [...code.matchAll(/\.read(?:8|16|32)\((\w+)\)\s*&\s*(~?\(?[\w.| ]+)/g)].flatMap(
    ({ 1: register, 2: bits, index }) => complain(index, register!, bits!),
  );
  return [...written, ...tests];
};

suite("registers and descriptors", () => {
  test("the driver stores no plain number as an address in a descriptor", () => {
    none(files.flatMap(addressComplaints));
  });

  test("the driver writes and tests only bits that belong to the register", () => {
    const of = namesOfBits(
      files.filter(({ path }) => /^src\/chip\/(registers.*|rss)\.ts$/.test(path) && !/test/.test(path)),
    );
    assert.equal(of.get("ChipCmd"), "Cmd");
    assert.equal(of.get("Cmd"), "Cmd");
    none(
      files
        .filter((file) => roomOf(file.path) === "driver" && !isTest(file))
        .flatMap((file) => bitComplaints(file, of)),
    );
  });
});

const found = (source: string) => addressComplaints({ path: "src/driver/planted.ts", source });

suite("the rules themselves", () => {
  test("find an address that is stored or made without the types", () => {
    for (const source of ["words[at + LOW] = 5;", "words[(to + toHigh) | 0] = x;", "const a = 5 as BusAddress;"])
      assert.equal(found(source).length, 1, source);
    for (const source of ["words[at] = 5;", "if (words[at + LOW] === 5) f();", "storeLow(words, at + LOW, base, 5);"])
      none(found(source));
  });

  test("find bits of another register: alone, in a sum, and in a value that was read", () => {
    const map =
      'export const ChipCmd = rw8(0x37, "Cmd");\nexport const Cmd = bits("Cmd", {\n});\nexport const Mcu = bits("Mcu", {});';
    const of = namesOfBits([{ path: "src/chip/planted.ts", source: map }]);
    const inDriver = (source: string) => bitComplaints({ path: "src/driver/planted.ts", source }, of);
    for (const source of [
      "io.write8(ChipCmd, Cmd.reset | Mcu.ready);",
      "io.update8(ChipCmd, 0, f(Mcu.ready));",
      "io.write8(At0382, Cmd.reset);",
      "if ((io.read8(ChipCmd) & Mcu.ready) !== 0) f();",
      "x = io.read8(ChipCmd) & (Cmd.reset | Mcu.ready);",
    ])
      assert.equal(inDriver(source).length, 1, source);
    for (const source of [
      "io.write8(ChipCmd, Cmd.reset | 4);",
      "io.write8(At0382, Lock.x);",
      "io.read8(ChipCmd) & Cmd.reset;",
    ])
      none(inDriver(source));
  });
});
