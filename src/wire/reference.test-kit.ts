/**
 * The Internet checksum, computed directly as in RFC 1071. Tests compare the fast implementation and the offload
 * engines with it.
 */

/**
 * Folded sum of big-endian 16-bit units; if the length is odd, the last byte is the upper half of a unit. Shares no
 * code with `checksum.ts`.
 */
export const slowSum = (bytes: Uint8Array, offset: number, length: number, start = 0): number => {
  let sum = start;
  for (let i = 0; i < length; i++) sum += i % 2 === 0 ? bytes[offset + i]! * 256 : bytes[offset + i]!;
  while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000);
  return sum;
};
