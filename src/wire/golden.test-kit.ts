/** Bytes written by hand, for tests: hexadecimal digits, white space ignored. */
export const hex = (text: string): Uint8Array =>
  Uint8Array.from(text.replaceAll(/\s/g, "").match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

/**
 * Runs a build function on a buffer full of 0xa5, so that bytes which it does not write are detected. Returns the bytes
 * up to the end that the function returned.
 */
export const built = (length: number, build: (bytes: Uint8Array) => number): Uint8Array => {
  const bytes = new Uint8Array(length + 8).fill(0xa5);
  const end = build(bytes);
  if (bytes.subarray(end).some((byte) => byte !== 0xa5))
    throw new Error("bytes were written beyond the end that the function returned");
  return bytes.slice(0, end);
};
