/**
 * TAP: a network interface of the kernel. This process reads what the kernel sends through the interface, and the
 * kernel receives what this process writes.
 */
import { FerruleError, OutOfRange } from "#kit/errors.ts";
import { Errno, SystemError, check, errno } from "./errno.ts";
import { Fd, Open, openFile } from "./fd.ts";
import {
  IFREQ_BYTES,
  IFREQ_UNION,
  Interfaces,
  checkInterfaceName,
  hardwareAddress,
  interfaceName,
  putHardwareAddress,
  putInterfaceName,
} from "./interface.ts";
import { libc } from "./libc.ts";
import { Struct } from "./memory.ts";
import { NamespaceNotPermitted, NetworkNamespace } from "./namespace.ts";

const DEVICE = "/dev/net/tun";

/** linux/if_tun.h and linux/sockios.h, asm-generic numbers */
const TUNSETIFF = 0x400454can;
const TUNSETOFFLOAD = 0x400454d0n;
const TUNGETIFF = 0x800454d2n;
const TUNSETVNETHDRSZ = 0x400454d8n;
const TUNSETCARRIER = 0x400454e2n;
const TUNGETDEVNETNS = 0x54e3n;
const SIOCSIFHWADDR = 0x8924n;
const SIOCGIFHWADDR = 0x8927n;

const IFF_TAP = 0x0002;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;
const IFF_MULTI_QUEUE = 0x0100;

const TUN_F_CSUM = 0x01;
const TUN_F_TSO4 = 0x02;
const TUN_F_TSO6 = 0x04;
const TUN_F_USO4 = 0x20;
const TUN_F_USO6 = 0x40;

/** The machine has no TAP driver. */
export class TapUnavailable extends FerruleError {
  readonly code = "TAP_UNAVAILABLE";
  readonly hint = "Load the driver with `sudo modprobe tun`; in a container, pass --device /dev/net/tun.";
  constructor(cause: Error) {
    super(`${DEVICE} does not exist`, { cause });
  }
}

/** This process may not use TAPs at all, or may not create one in this network namespace. */
export class TapNotPermitted extends FerruleError {
  readonly code = "TAP_NOT_PERMITTED";
  readonly hint: string;
  constructor(what: string, hint: string, cause: Error) {
    super(what, { cause });
    this.hint = hint;
  }
}

/** An interface with this name already exists and cannot be used as a TAP. */
export class InterfaceNameInUse extends FerruleError {
  readonly code = "INTERFACE_NAME_IN_USE";
  readonly hint = "Choose another name, or stop the program that made this interface.";
  constructor(name: string, cause?: Error) {
    super(`an interface ${name} already exists`, { cause });
  }
}

export interface TapOptions {
  /** Each frame is preceded by a struct virtio_net_hdr, so that offloads can pass. */
  readonly vnetHeader?: boolean;
  /**
   * Length of the virtio header in bytes: 10, or 12 (default) with the field for a number of buffers, which is not
   * used.
   */
  readonly vnetHeaderBytes?: 10 | 12;
  /** `addQueue` can be called. */
  readonly multiQueue?: boolean;
}

/** Offloads: work on frames that the kernel may leave to this process. */
export interface TapOffload {
  readonly checksum?: boolean;
  readonly tso4?: boolean;
  readonly tso6?: boolean;
  /** UDP segmentation; Linux 6.2 and newer. */
  readonly uso?: boolean;
}

/**
 * A TAP interface. Unless it is persistent, the interface exists as long as the descriptor is open; the kernel removes
 * it even if the process is killed. Frames are read and written with `readv` and `writev` on `number`, one whole frame
 * per call, without blocking.
 */
export class Tap implements Disposable {
  /** The name with which the interface was created. */
  readonly name: string;
  /** Length in bytes of the header before each frame: 0, 10 or 12. */
  readonly vnetHeaderBytes: number;
  readonly #fd: Fd;
  readonly #request = new Struct(IFREQ_BYTES);
  /** The flags passed to TUNSETIFF. */
  #flags = 0;

  private constructor(fd: Fd, name: string, vnetHeaderBytes: number) {
    this.#fd = fd;
    this.name = name;
    this.vnetHeaderBytes = vnetHeaderBytes;
  }

  /**
   * Creates a TAP in the calling thread's network namespace, down and without offloads. If there is an unused
   * persistent TAP with that name, it is opened instead, and continues to exist after closing.
   * @throws {InvalidInterfaceName} {InterfaceNameInUse} {TapNotPermitted} {TapUnavailable} {SystemError}
   */
  static open(name: string, options: TapOptions = {}): Tap {
    checkInterfaceName(name);
    using scope = new DisposableStack();
    const fd = scope.use(openDevice());
    const headerBytes = options.vnetHeader === true ? (options.vnetHeaderBytes ?? 12) : 0;
    const tap = new Tap(fd, name, headerBytes);
    const multiQueue = options.multiQueue === true ? IFF_MULTI_QUEUE : 0;
    tap.#create(IFF_TAP | IFF_NO_PI | multiQueue | (headerBytes > 0 ? IFF_VNET_HDR : 0));
    if (headerBytes > 0) tap.#setInt(TUNSETVNETHDRSZ, headerBytes, "header size");
    tap.setOffload({});
    scope.move();
    return tap;
  }

  /**
   * Adds a queue to an interface that this object has opened, and returns the queue with its own descriptor. The
   * calling thread must be in the interface's namespace. The kernel uses, for each flow, the queue to which frames of
   * that flow were last written.
   * @throws {InterfaceNameInUse} if the TAP was opened without `multiQueue`
   * @throws {SystemError} such as E2BIG if the TAP has as many queues as the kernel allows, 256
   */
  addQueue(): Tap {
    using scope = new DisposableStack();
    const tap = new Tap(scope.use(openDevice()), this.name, this.vnetHeaderBytes);
    tap.#create(this.#flags);
    scope.move();
    return tap;
  }

  /** Takes ownership of a descriptor from `release`, possibly in another thread. */
  static owning(number: number, { name, vnetHeaderBytes }: Pick<Tap, "name" | "vnetHeaderBytes">): Tap {
    return new Tap(new Fd(number, name), name, vnetHeaderBytes);
  }

  /**
   * Returns a second owner of the same interface, which exists until both owners are disposed. @throws {SystemError}
   */
  duplicate(): Tap {
    return new Tap(this.#fd.duplicate(), this.name, this.vnetHeaderBytes);
  }

  /** Gives up ownership: the caller must close the descriptor. */
  release(): number {
    return this.#fd.release();
  }

  /** For poll(2), `readv` and `writev`. @throws {DescriptorClosed} once disposed */
  get number(): number {
    return this.#fd.number;
  }

  /** Sets the offloads that the kernel may use on this interface. @throws {OutOfRange} {SystemError} */
  setOffload(offload: TapOffload): void {
    const { checksum = false, tso4 = false, tso6 = false, uso = false } = offload;
    const segmentation = (tso4 ? TUN_F_TSO4 : 0) | (tso6 ? TUN_F_TSO6 : 0) | (uso ? TUN_F_USO4 | TUN_F_USO6 : 0);
    if (segmentation !== 0 && !checksum) throw new OutOfRange("segmentation offload needs checksum offload");
    if (checksum && this.vnetHeaderBytes === 0) throw new OutOfRange("offloads need a TAP with vnetHeader");
    const bits = segmentation | (checksum ? TUN_F_CSUM : 0);
    // SAFETY: the argument is a number, not an address.
    check(libc.ioctl(this.number, TUNSETOFFLOAD, BigInt(bits)), "TUNSETOFFLOAD", this.name);
  }

  /** Sets whether the interface has a link. @throws {SystemError} */
  setCarrier(up: boolean): void {
    this.#setInt(TUNSETCARRIER, up ? 1 : 0, "carrier");
  }

  /** The interface's Ethernet address, 6 bytes, in any namespace. @throws {SystemError} */
  get address(): Uint8Array {
    // SAFETY: the kernel fills one struct ifreq, which this object holds.
    check(libc.ioctl(this.number, SIOCGIFHWADDR, this.#request.address), "SIOCGIFHWADDR", this.name);
    return hardwareAddress(this.#request);
  }

  /** @throws {OutOfRange} {SystemError} */
  set address(address: Uint8Array) {
    putHardwareAddress(this.#request, address);
    // SAFETY: the kernel reads one struct ifreq, which this object holds.
    check(libc.ioctl(this.number, SIOCSIFHWADDR, this.#request.address), "SIOCSIFHWADDR", this.name);
  }

  /**
   * The interface's current name, which differs from `name` if it was renamed. @throws {SystemError} EBADFD if it was
   * deleted
   */
  currentName(): string {
    // SAFETY: the kernel fills one struct ifreq, which this object holds.
    check(libc.ioctl(this.number, TUNGETIFF, this.#request.address), "TUNGETIFF", this.name);
    return interfaceName(this.#request);
  }

  /** The interface's current network namespace; undefined if the kernel does not report it (needs CAP_NET_ADMIN). */
  namespace(): NetworkNamespace | undefined {
    // SAFETY: this request has no argument.
    const number = libc.ioctl(this.number, TUNGETDEVNETNS, 0n);
    if (number >= 0) return NetworkNamespace.owning(new Fd(number, `network namespace of ${this.name}`));
    if (errno() === Errno.EPERM || errno() === Errno.ENOTTY || errno() === Errno.EINVAL) return undefined;
    throw new SystemError({ errno: errno(), syscall: "TUNGETDEVNETNS", detail: this.name });
  }

  /**
   * Runs `act` with the interfaces of the namespace in which this interface is now, and with its current name. If that
   * namespace cannot be entered, the calling thread's own is used, and `act` may fail with ENODEV.
   */
  withInterfaces<T>(act: (interfaces: Interfaces, name: string) => T): T {
    const name = this.currentName();
    using namespace = this.namespace();
    using interfaces = openInterfaces(namespace);
    return act(interfaces, name);
  }

  [Symbol.dispose](): void {
    this.#fd[Symbol.dispose]();
  }

  #create(flags: number): void {
    this.#flags = flags;
    putInterfaceName(this.#request, this.name);
    this.#request.view.setUint16(IFREQ_UNION, flags, true);
    // SAFETY: the kernel reads and writes one struct ifreq, which this object holds.
    if (libc.ioctl(this.number, TUNSETIFF, this.#request.address) >= 0) return;
    const error = new SystemError({ errno: errno(), syscall: "TUNSETIFF", detail: this.name });
    if (error.errno === Errno.EPERM)
      throw new TapNotPermitted(
        `not permitted to create a TAP in this network namespace`,
        `Run as root, or inside \`unshare --user --map-root-user --net\`; or have root create it: \`sudo ip tuntap add dev ${this.name} mode tap user $USER vnet_hdr${(flags & IFF_MULTI_QUEUE) === 0 ? "" : " multi_queue"}\`.`,
        error,
      );
    // EBUSY: already open. EINVAL: an interface of another kind.
    if (error.errno === Errno.EBUSY || (error.errno === Errno.EINVAL && exists(this.name)))
      throw new InterfaceNameInUse(this.name, error);
    throw error;
  }

  #setInt(request: bigint, value: number, what: string): void {
    const argument = this.#request;
    argument.view.setInt32(0, value, true);
    // SAFETY: the kernel reads one int at the start of a structure this object holds.
    check(libc.ioctl(this.number, request, argument.address), "ioctl", `${what} of ${this.name}`);
  }
}

const exists = (name: string): boolean => {
  using interfaces = Interfaces.open();
  return interfaces.has(name);
};

const openInterfaces = (namespace: NetworkNamespace | undefined): Interfaces => {
  try {
    return namespace === undefined ? Interfaces.open() : namespace.within(() => Interfaces.open());
  } catch (error) {
    if (error instanceof NamespaceNotPermitted) return Interfaces.open();
    throw error;
  }
};

const openDevice = (): Fd => {
  try {
    return openFile(DEVICE, Open.readWrite | Open.nonBlocking);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    if (error.errno === Errno.ENOENT || error.errno === Errno.ENODEV || error.errno === Errno.ENXIO)
      throw new TapUnavailable(error);
    if (error.errno === Errno.EACCES || error.errno === Errno.EPERM)
      throw new TapNotPermitted(
        `not permitted to open ${DEVICE}`,
        `Run as root, or allow all users to open it: \`sudo chmod 0666 ${DEVICE}\` (most distributions do).`,
        error,
      );
    throw error;
  }
};
