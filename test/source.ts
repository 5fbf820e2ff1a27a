/** Reads TypeScript source well enough to find its imports: removes comments, keeps or blanks strings. */

/** A piece of source that is not plain code. */
type Piece = "comment" | "string" | "regex";

const REGEX_MAY_FOLLOW = /(^|[(,=:[!&|?{};+\-*%<>~^\n]|\breturn|\btypeof|\bcase)\s*$/;

/** The end of the quoted text that starts at `from`, one past its closing quote. */
const endOfQuoted = (source: string, from: number): number => {
  const quote = source[from];
  for (let i = from + 1; i < source.length; i++) {
    if (source[i] === "\\") i++;
    else if (source[i] === quote) return i + 1;
  }
  return source.length;
};

/** The end of the regular expression that starts at `from`. A slash inside [...] does not end it. */
const endOfRegex = (source: string, from: number): number => {
  let inClass = false;
  for (let i = from + 1; i < source.length; i++) {
    if (source[i] === "\\") i++;
    else if (source[i] === "[") inClass = true;
    else if (source[i] === "]") inClass = false;
    else if (source[i] === "/" && !inClass) return i + 1;
  }
  return source.length;
};

/** The end of the comment that starts at `from`. */
const endOfComment = (source: string, from: number): number => {
  const [mark, length] = source.startsWith("//", from) ? ["\n", 0] : ["*/", 2];
  const end = source.indexOf(mark, from + 2);
  return end < 0 ? source.length : end + length;
};

/**
 * The kind of piece that starts at `at`, and its end; undefined for plain code. A template literal counts as one
 * string.
 */
const pieceAt = (source: string, at: number): [Piece, number] | undefined => {
  const char = source[at];
  if (char === '"' || char === "'" || char === "`") return ["string", endOfQuoted(source, at)];
  if (char !== "/") return undefined;
  if (source[at + 1] === "/" || source[at + 1] === "*") return ["comment", endOfComment(source, at)];
  if (REGEX_MAY_FOLLOW.test(source.slice(Math.max(0, at - 40), at))) return ["regex", endOfRegex(source, at)];
  return undefined;
};

/** The source with the given kinds of pieces replaced by spaces. Line numbers stay the same. */
export const without = (source: string, ...kinds: readonly Piece[]): string => {
  let out = "";
  for (let at = 0; at < source.length;) {
    const piece = pieceAt(source, at);
    if (piece === undefined) {
      out += source[at++];
      continue;
    }
    const [kind, end] = piece;
    const text = source.slice(at, end);
    out += kinds.includes(kind) ? text.replaceAll(/[^\n]/g, " ") : text;
    at = end;
  }
  return out;
};

/** Something that a file imports. */
export interface Import {
  /** The specifier as it is written; undefined if it is computed. */
  readonly specifier: string | undefined;
  readonly line: number;
}

const STATIC = /\b(?:import|export)\b[^;"'`()=]*?\bfrom\s*(["'])([^"']+)\1/g;
const BARE = /\bimport\s*(["'])([^"']+)\1/g;
/** Dynamic imports and their equivalents. An argument that is not a plain string is not captured. */
const CALLED = /\b(?:import|getBuiltinModule|require)\s*\(\s*(?:(["'])([^"']+)\1\s*[,)])?/g;
/** URLs of entry points of workers. */
const LOCATED = /\bnew URL\(\s*(["'])([^"']+\.[cm]?[jt]s)\1\s*,\s*import\.meta\.url/g;

/** Everything that a file imports: statically, dynamically, as a builtin, or as the entry point of a worker. */
export const importsOf = (source: string): Import[] => {
  const code = without(source, "comment", "regex");
  const bare = without(source, "comment", "regex", "string");
  return [STATIC, BARE, CALLED, LOCATED]
    .flatMap((pattern) => [...code.matchAll(pattern)])
    .filter(({ index }) => bare[index] === code[index])
    .map((match) => ({ specifier: match[2], line: code.slice(0, match.index).split("\n").length }))
    .sort((a, b) => a.line - b.line);
};
