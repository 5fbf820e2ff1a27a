/** Converts IP addresses from text and from the kernel's files to 4 or 16 bytes, and from bytes to text. */
import { isIPv4, isIPv6 } from "node:net";

const ipv4 = (text: string): number[] => text.split(".").map(Number);

/** The groups of one half of an IPv6 address. The last group may be an IPv4 address. */
const groups = (text: string): number[] =>
  text === ""
    ? []
    : text.split(":").flatMap((group) => {
        if (group.includes(".")) return ipv4(group);
        const value = Number.parseInt(group, 16);
        return [value >> 8, value & 0xff];
      });

/** Converts an IPv4 address that is mapped into IPv6 to an IPv4 address (RFC 4291, 2.5.5.2). */
const unmapped = (bytes: Uint8Array): Uint8Array =>
  bytes.length === 16 && bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff
    ? bytes.slice(12)
    : bytes;

/** Parses an address without a zone. @returns undefined for an invalid address */
export const addressBytes = (text: string): Uint8Array | undefined => {
  if (isIPv4(text)) return Uint8Array.from(ipv4(text));
  if (!isIPv6(text) || text.includes("%")) return undefined;
  const [head = "", tail] = text.split("::");
  const [before, after] = [groups(head), groups(tail ?? "")];
  const bytes = new Uint8Array(16);
  bytes.set(before);
  bytes.set(after, 16 - after.length);
  return unmapped(bytes);
};

/**
 * Parses an address as in /proc/net/tcp: hexadecimal words in the machine's byte order. @returns undefined for an
 * invalid address
 */
export const addressOfWords = (text: string): Uint8Array | undefined => {
  if (!/^([0-9a-f]{8}|[0-9a-f]{32})$/i.test(text)) return undefined;
  const words = text.match(/.{8}/g)!.map((word) => Number.parseInt(word, 16));
  return unmapped(new Uint8Array(Uint32Array.from(words).buffer));
};

export const addressText = (bytes: Uint8Array): string => {
  if (bytes.length === 4) return bytes.join(".");
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const text = Array.from({ length: 8 }, (_, i) => view.getUint16(2 * i).toString(16)).join(":");
  // The longest run of zeros; the first one if several have that length.
  const zeros = [...text.matchAll(/\b0(?::0)+\b/g)].sort((a, b) => b[0].length - a[0].length)[0];
  if (zeros === undefined) return text;
  return `${text.slice(0, zeros.index).replace(/:$/, "")}::${text.slice(zeros.index + zeros[0].length).replace(/^:/, "")}`;
};

export const isLoopback = (bytes: Uint8Array): boolean =>
  bytes.length === 4 ? bytes[0] === 127 : bytes.every((byte, i) => byte === (i === 15 ? 1 : 0));

/** Whether the address is link-local (fe80::/10), so that it is valid only together with an interface. */
export const isLinkLocal = (bytes: Uint8Array): boolean =>
  bytes.length === 16 && bytes[0] === 0xfe && (bytes[1]! & 0xc0) === 0x80;
