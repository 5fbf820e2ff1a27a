/** Station addresses: the MAC address of one station, six bytes. */

const BYTES = 6;
/** Bit of the first byte: multicast. */
const GROUP = 1 << 0;
/** Bit of the first byte: locally administered, that is, not assigned by a manufacturer. */
const LOCAL = 1 << 1;

/** Whether the bytes are a unicast address other than zero. */
export const isStationAddress = (bytes: Readonly<Uint8Array>): boolean =>
  bytes.length === BYTES && (bytes[0]! & GROUP) === 0 && bytes.some((byte) => byte !== 0);

/** A random unicast address, marked as locally administered. */
export const randomStationAddress = (): Uint8Array => {
  const bytes = crypto.getRandomValues(new Uint8Array(BYTES));
  bytes[0] = (bytes[0]! & ~GROUP) | LOCAL;
  return bytes;
};
