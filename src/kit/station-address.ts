/** Station addresses: six bytes that name one station on the wire. */

const BYTES = 6;
/** First byte: names a group; assigned by whoever runs the network and not by a maker. */
const GROUP = 1 << 0;
const LOCAL = 1 << 1;

/** Whether these bytes can be a station's own address: not a group's (all ones is one), and not all zero. */
export const isStationAddress = (bytes: Readonly<Uint8Array>): boolean =>
  bytes.length === BYTES && (bytes[0]! & GROUP) === 0 && bytes.some((byte) => byte !== 0);

/** A random address, locally administered. */
export const randomStationAddress = (): Uint8Array => {
  const bytes = crypto.getRandomValues(new Uint8Array(BYTES));
  bytes[0] = (bytes[0]! & ~GROUP) | LOCAL;
  return bytes;
};
