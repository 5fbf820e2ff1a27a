/** The size of a source text, counted in the same way for TypeScript, C and Rust. */

export interface Size {
  readonly lines: number;
  /** Number of lines of code, without comments and blank lines. */
  readonly code: number;
}

export const sizeOf = (text: string): Size => {
  const lines = text.split("\n").slice(0, -1);
  let comment = false;
  const code = lines.filter((line) => {
    const trimmed = line.trim();
    if (trimmed.startsWith("/*")) comment = true;
    const counts = !comment && trimmed !== "" && !trimmed.startsWith("//");
    if (trimmed.includes("*/")) comment = false;
    return counts;
  });
  return { lines: lines.length, code: code.length };
};

export const sumOf = (sizes: readonly Size[]): Size => ({
  lines: sizes.reduce((total, { lines }) => total + lines, 0),
  code: sizes.reduce((total, { code }) => total + code, 0),
});
