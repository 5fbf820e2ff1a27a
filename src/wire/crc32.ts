/** CRC-32 as in Ethernet's frame check sequence (IEEE 802.3, 3.2.9): reflected polynomial 0xedb88320. */

const TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0xedb8_8320 : crc >>> 1;
  return crc;
});

/** The CRC register after `length` bytes: initialised to all ones, not inverted. Address hashes use it. */
const register = (bytes: Uint8Array, offset: number, length: number): number => {
  let crc = -1;
  for (let i = offset; i < offset + length; i++) crc = TABLE[(crc ^ bytes[i]!) & 0xff]! ^ (crc >>> 8);
  return crc;
};

/** The frame check sequence of a frame, 0 to 0xffff_ffff. On the wire its least significant byte comes first. */
export const crc32 = (bytes: Uint8Array, offset: number, length: number): number =>
  ~register(bytes, offset, length) >>> 0;

/** The frame check sequence of a frame followed by `padding` zeros. */
export const crc32Padded = (bytes: Uint8Array, offset: number, length: number, padding: number): number => {
  let crc = register(bytes, offset, length);
  for (let i = 0; i < padding; i++) crc = TABLE[crc & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
};

/**
 * Number of the multicast filter's bit (0 to 63) for an address: the low six bits of the CRC in reverse order (FreeBSD
 * if_re.c, re_set_rxmode).
 */
export const multicastHash = (bytes: Uint8Array, offset: number): number => {
  const crc = register(bytes, offset, 6);
  let hash = 0;
  for (let bit = 0; bit < 6; bit++) hash = (hash << 1) | ((crc >>> bit) & 1);
  return hash;
};
