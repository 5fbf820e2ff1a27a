/** Network interfaces, controlled by ioctl: up and down, addresses, MTU. The `ip` program is not needed. */
import { FerruleError, OutOfRange } from "#kit/errors.ts";
import { Errno, SystemError, check, errno } from "./errno.ts";
import { Fd } from "./fd.ts";
import { libc } from "./libc.ts";
import { Struct, keepAlive } from "./memory.ts";

/** Longest name of an interface: IFNAMSIZ without the NUL. */
const NAME_BYTES = 15;
const AF_INET = 2;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const ARPHRD_ETHER = 1;
const ADDRESS_BYTES = 6;

/** linux/sockios.h, asm-generic */
const Request = {
  getFlags: 0x8913n,
  setFlags: 0x8914n,
  getAddress: 0x8915n,
  setAddress: 0x8916n,
  setNetmask: 0x891cn,
  getMtu: 0x8921n,
  setMtu: 0x8922n,
  setHardwareAddress: 0x8924n,
  getHardwareAddress: 0x8927n,
  getIndex: 0x8933n,
  ethtool: 0x8946n,
} as const;
type Request = (typeof Request)[keyof typeof Request];

/** linux/if.h: bits of `flags`. */
export const InterfaceFlag = {
  up: 0x1,
  running: 0x40,
  promiscuous: 0x100,
  allMulticast: 0x200,
  multicast: 0x1000,
} as const;

/** struct ifreq { char name[16]; union … }: 40 bytes on 64-bit machines. */
export const IFREQ_BYTES = 40;
export const IFREQ_UNION = 16;
/** Offsets of an IPv4 address and of a hardware address in struct sockaddr { u16 family; … }. */
const SOCKADDR_IPV4 = IFREQ_UNION + 4;
const SOCKADDR_HARDWARE = IFREQ_UNION + 2;

/** The name is not valid for a network interface. */
export class InvalidInterfaceName extends FerruleError {
  readonly code = "INVALID_INTERFACE_NAME";
  readonly hint = `Use 1 to ${NAME_BYTES} letters, digits, dots, dashes or underscores, such as fe0.`;
  constructor(name: string, why: string) {
    super(`${JSON.stringify(name)} cannot be an interface name: ${why}`);
  }
}

/**
 * Checks a name as the kernel does (dev_valid_name). Also rejects what the kernel allows but is dangerous: "%", which
 * the kernel would replace by a number, characters that are not printable ASCII, and the names of sysctl directories.
 * @throws {InvalidInterfaceName}
 */
export const checkInterfaceName = (name: string): void => {
  if (name.length === 0) throw new InvalidInterfaceName(name, "it is empty");
  if (!/^[!-~]*$/.test(name))
    throw new InvalidInterfaceName(name, "it contains a space or a character that is not ASCII");
  if (/[/:%]/.test(name)) throw new InvalidInterfaceName(name, "it contains one of / : %");
  if (name === "all" || name === "default")
    throw new InvalidInterfaceName(name, "the kernel's settings (sysctl) use that name");
  if (name === "." || name === "..") throw new InvalidInterfaceName(name, "it is reserved");
  if (name.length > NAME_BYTES)
    throw new InvalidInterfaceName(name, `it has ${name.length} characters, and the limit is ${NAME_BYTES}`);
};

/**
 * Writes a name at the start of an ifreq. A name that was read from the kernel (one character for each byte) may
 * contain characters that `checkInterfaceName` rejects, because interfaces can be renamed. @throws
 * {InvalidInterfaceName} if it does not fit
 */
export const putInterfaceName = (request: Struct, name: string): void => {
  if (name.length === 0 || name.length > NAME_BYTES || name.includes("\0")) checkInterfaceName(name);
  request.bytes.fill(0, 0, IFREQ_UNION);
  for (let i = 0; i < name.length; i++) request.bytes[i] = name.charCodeAt(i);
};

/** The name at the start of an ifreq. */
export const interfaceName = (request: Struct): string => {
  const end = request.bytes.indexOf(0);
  return String.fromCharCode(...request.bytes.subarray(0, Math.min(end, NAME_BYTES)));
};

/** Puts an Ethernet address into an ifreq. @throws {OutOfRange} unless it is 6 bytes and unicast */
export const putHardwareAddress = (request: Struct, address: Uint8Array): void => {
  if (address.length !== ADDRESS_BYTES) throw new OutOfRange(`an Ethernet address cannot have ${address.length} bytes`);
  if ((address[0]! & 1) !== 0)
    throw new OutOfRange("a multicast address cannot be a station address", "Clear the lowest bit of its first byte.");
  request.view.setUint16(IFREQ_UNION, ARPHRD_ETHER, true);
  request.bytes.set(address, SOCKADDR_HARDWARE);
};

/** The Ethernet address in an ifreq. */
export const hardwareAddress = (request: Struct): Uint8Array =>
  request.bytes.slice(SOCKADDR_HARDWARE, SOCKADDR_HARDWARE + ADDRESS_BYTES);

/** "10.0.0.1" as four bytes. @throws {OutOfRange} */
export const parseIpv4 = (text: string): Uint8Array => {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255))
    throw new OutOfRange(`${JSON.stringify(text)} is not an IPv4 address`, "Write it as in 192.0.2.1.");
  return Uint8Array.from(parts, Number);
};

/**
 * The interfaces of one network namespace: that of the opening thread, even if the thread changes its namespace later.
 * Methods except `has` throw SystemError with ENODEV if no interface has that name, and EPERM if a change is not
 * permitted.
 */
export class Interfaces implements Disposable {
  readonly #socket: Fd;
  /** One structure for all calls: they are synchronous, so they do not overlap. */
  readonly #request = new Struct(IFREQ_BYTES);

  private constructor(socket: Fd) {
    this.#socket = socket;
  }

  /** @throws {SystemError} */
  static open(): Interfaces {
    // SAFETY: no argument is an address.
    const number = check(libc.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
    return new Interfaces(new Fd(number, "interface control socket"));
  }

  has(name: string): boolean {
    checkInterfaceName(name);
    if (this.#try(name, Request.getIndex) >= 0) return true;
    if (errno() === Errno.ENODEV) return false;
    throw new SystemError({ errno: errno(), syscall: "ioctl", detail: name });
  }

  index(name: string): number {
    this.#call(name, Request.getIndex, "index");
    return this.#request.view.getInt32(IFREQ_UNION, true);
  }

  /** Bits of `InterfaceFlag` (and others of linux/if.h). */
  flags(name: string): number {
    this.#call(name, Request.getFlags, "flags");
    return this.#request.view.getUint16(IFREQ_UNION, true);
  }

  isUp(name: string): boolean {
    return (this.flags(name) & InterfaceFlag.up) !== 0;
  }

  /**
   * Whether the interface is up and has a carrier. After a change of carrier, the kernel updates this state with a
   * delay, which can be a second.
   */
  isRunning(name: string): boolean {
    return (this.flags(name) & InterfaceFlag.running) !== 0;
  }

  up(name: string): void {
    this.#setFlags(name, this.flags(name) | InterfaceFlag.up);
  }

  down(name: string): void {
    this.#setFlags(name, this.flags(name) & ~InterfaceFlag.up);
  }

  /** The largest payload of a frame in bytes, without Ethernet header, tag and FCS. */
  mtu(name: string): number {
    this.#call(name, Request.getMtu, "MTU");
    return this.#request.view.getInt32(IFREQ_UNION, true);
  }

  setMtu(name: string, mtu: number): void {
    if (!Number.isInteger(mtu) || mtu < 68 || mtu > 65535) throw new OutOfRange(`an MTU of ${mtu}`, "Use 68 to 65535.");
    this.#request.view.setInt32(IFREQ_UNION, mtu, true);
    this.#call(name, Request.setMtu, `MTU ${mtu}`);
  }

  /** The Ethernet address, 6 bytes. */
  hardwareAddress(name: string): Uint8Array {
    this.#call(name, Request.getHardwareAddress, "hardware address");
    return hardwareAddress(this.#request);
  }

  setHardwareAddress(name: string, address: Uint8Array): void {
    putHardwareAddress(this.#request, address);
    this.#call(name, Request.setHardwareAddress, "hardware address");
  }

  /** The first IPv4 address, if any. */
  ipv4(name: string): string | undefined {
    this.#request.view.setUint16(IFREQ_UNION, AF_INET, true);
    if (this.#try(name, Request.getAddress) < 0) {
      if (errno() === Errno.EADDRNOTAVAIL) return undefined;
      throw new SystemError({ errno: errno(), syscall: "ioctl", detail: `address of ${name}` });
    }
    return this.#request.bytes.subarray(SOCKADDR_IPV4, SOCKADDR_IPV4 + 4).join(".");
  }

  /** Sets the interface's IPv4 address; the kernel adds the route to the network of `prefix` bits, 1 to 32. */
  setIpv4(name: string, address: string, prefix: number): void {
    if (!Number.isInteger(prefix) || prefix < 1 || prefix > 32)
      throw new OutOfRange(`a prefix cannot have ${prefix} bits`);
    this.#setSocketAddress(name, Request.setAddress, parseIpv4(address), `address ${address}`);
    const mask = new Uint8Array(4);
    new DataView(mask.buffer).setUint32(0, -1 << (32 - prefix));
    this.#setSocketAddress(name, Request.setNetmask, mask, `prefix ${prefix}`);
  }

  /** Executes an ethtool command: the kernel reads the command from the structure and writes the result there. */
  ethtool(name: string, command: Struct, what: string): void {
    this.#request.view.setBigUint64(IFREQ_UNION, command.address, true);
    this.#call(name, Request.ethtool, what);
    keepAlive(command);
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }

  #setSocketAddress(name: string, request: Request, address: Uint8Array, what: string): void {
    this.#request.bytes.fill(0, IFREQ_UNION);
    this.#request.view.setUint16(IFREQ_UNION, AF_INET, true);
    this.#request.bytes.set(address, SOCKADDR_IPV4);
    this.#call(name, request, what);
  }

  #setFlags(name: string, flags: number): void {
    this.#request.view.setUint16(IFREQ_UNION, flags, true);
    this.#call(name, Request.setFlags, "flags");
  }

  #call(name: string, request: Request, what: string): void {
    if (this.#try(name, request) < 0)
      throw new SystemError({ errno: errno(), syscall: "ioctl", detail: `${what} of ${name}` });
  }

  #try(name: string, request: Request): number {
    putInterfaceName(this.#request, name);
    // SAFETY: these requests read and write only one struct ifreq, which this object holds.
    return libc.ioctl(this.#socket.number, request, this.#request.address);
  }
}
