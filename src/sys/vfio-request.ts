/** Requests to VFIO and iommufd: ioctl(2) with a structure that contains its length. */
import { check } from "./errno.ts";
import { libc } from "./libc.ts";
import { Struct, keepAlive } from "./memory.ts";

/** _IO(';', n): the form of all requests to VFIO and iommufd. */
export const request = (n: number): bigint => BigInt((0x3b << 8) | n);

/** Requests to VFIO, whose numbers start at 100. Some numbers have different meanings for containers and devices. */
export const vfio = (n: number): bigint => request(100 + n);

/** Largest length of a reply in bytes. */
const MAX_BYTES = 1 << 16;

/** Makes a request with a structure. @throws {SystemError} */
export const requestStruct = (fd: number, number: bigint, what: string, struct: Struct): number => {
  // SAFETY: the structure has the length that the request requires, or that its first word states.
  const result = libc.ioctl(fd, number, struct.address);
  keepAlive(struct);
  return check(result, "ioctl", what);
};

/** Makes a request with a plain number. @throws {SystemError} */
export const requestValue = (fd: number, number: bigint, what: string, value: bigint): number =>
  // SAFETY: these requests take a number and not an address.
  check(libc.ioctl(fd, number, value), "ioctl", what);

/** A structure whose first word is its length and whose third word is `index`, the index of a region or interrupt. */
export const sized = (bytes: number, index = 0): Struct => {
  const struct = new Struct(bytes);
  struct.view.setUint32(0, bytes, true);
  if (index !== 0) struct.view.setUint32(8, index, true);
  return struct;
};

/**
 * Makes a request whose reply has a variable length: first to get the length, then to get the whole reply. @throws
 * {SystemError}
 */
export const requestWhole = (fd: number, number: bigint, what: string, bytes: number, index?: number): DataView => {
  const short = sized(bytes, index);
  requestStruct(fd, number, what, short);
  const whole = Math.min(short.view.getUint32(0, true), MAX_BYTES);
  if (whole <= bytes) return short.view;
  const long = sized(whole, index);
  requestStruct(fd, number, what, long);
  return long.view;
};
