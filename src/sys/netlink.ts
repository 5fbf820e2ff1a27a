/** rtnetlink: settings of an interface for which there is no ioctl, and its state in one request. */
import { OutOfRange } from "#kit/errors.ts";
import { Errno, SystemError } from "./errno.ts";
import { Struct } from "./memory.ts";
import { NETLINK_HEADER, RouteSocket } from "./route-socket.ts";

const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const NLM_F_REQUEST = 0x1;
const NLM_F_ACK = 0x4;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_NET_NS_FD = 28;
const IFLA_EXT_MASK = 29;
const IFLA_PROMISCUITY = 30;
const IFLA_GSO_MAX_SEGS = 40;
const IFLA_GSO_MAX_SIZE = 41;
/** Present since Linux 6.0. */
const IFLA_ALLMULTI = 61;
/** Omits the statistics from the reply. */
const RTEXT_FILTER_SKIP_STATS = 1 << 3;

/** struct ifinfomsg { u8 family; u8 pad; u16 type; i32 index; u32 flags; u32 change } */
const INFO = 16;
const INDEX = NETLINK_HEADER + 4;
const FLAGS = NETLINK_HEADER + 8;
/** struct rtattr { u16 length; u16 type }; each starts at a multiple of four. */
const ATTRIBUTE_HEADER = 4;
const ATTRIBUTES = NETLINK_HEADER + INFO;
const WORD = ATTRIBUTE_HEADER + 4;
const NAME_BYTES = 16;
const ADDRESS_BYTES = 6;

/**
 * Limits the bytes and the segments of a super-frame that the network stack passes to an interface. @param index of the
 * interface in the calling thread's network namespace @throws {OutOfRange} {SystemError}
 */
export const setGsoMax = (index: number, bytes: number, segments: number): void => {
  if (!Number.isInteger(bytes) || bytes < 1 || bytes > 0xffff_ffff)
    throw new OutOfRange(`a GSO size cannot be ${bytes} bytes`);
  if (!Number.isInteger(segments) || segments < 1 || segments > 0xffff)
    throw new OutOfRange(`a super-frame cannot have ${segments} segments`);
  setAttribute(index, IFLA_GSO_MAX_SIZE, bytes, `GSO size of interface ${index}`);
  setAttribute(index, IFLA_GSO_MAX_SEGS, segments, `GSO segments of interface ${index}`);
};

/**
 * Moves the interface with this index from the calling thread's network namespace to the namespace of the descriptor
 * `namespace`. The interface loses its addresses and is then down. @throws {SystemError}
 */
export const moveInterface = (index: number, namespace: number): void => {
  setAttribute(index, IFLA_NET_NS_FD, namespace, `namespace of interface ${index}`);
};

const setAttribute = (index: number, attribute: number, value: number, what: string): void => {
  const message = new Struct(ATTRIBUTES + WORD);
  message.view.setInt32(INDEX, index, true);
  putWord(message, ATTRIBUTES, attribute, value);
  using socket = RouteSocket.open();
  socket.ask({ message, type: RTM_NEWLINK, flags: NLM_F_REQUEST | NLM_F_ACK, what });
};

const putWord = ({ view }: Struct, at: number, attribute: number, value: number): void => {
  view.setUint16(at, WORD, true);
  view.setUint16(at + 2, attribute, true);
  view.setUint32(at + ATTRIBUTE_HEADER, value, true);
};

/** State of an interface, as the kernel reports it. */
export interface InterfaceState {
  readonly index: number;
  /**
   * Bits of `InterfaceFlag`. The bits for promiscuous and all-multicast are set only if an administrator has set them.
   */
  readonly flags: number;
  readonly mtu: number;
  /** Link-layer address; undefined if it does not have six bytes. */
  readonly address: Uint8Array | undefined;
  /** Number of requests for all frames: by an administrator, packet sockets, bridges, additional unicast addresses. */
  readonly promiscuity: number;
  /** Number of requests for all multicast frames; undefined if the kernel does not report the number. */
  readonly allMulticast: number | undefined;
}

/** The state of the interface with this name in the socket's namespace, if there is one. @throws {SystemError} */
export const interfaceState = (socket: RouteSocket, name: string): InterfaceState | undefined => {
  checkLength(name);
  const message = new Struct(ATTRIBUTES + WORD + ATTRIBUTE_HEADER + NAME_BYTES);
  putWord(message, ATTRIBUTES, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  const at = ATTRIBUTES + WORD;
  message.view.setUint16(at, ATTRIBUTE_HEADER + NAME_BYTES, true);
  message.view.setUint16(at + 2, IFLA_IFNAME, true);
  for (let i = 0; i < name.length; i++) message.bytes[at + ATTRIBUTE_HEADER + i] = name.charCodeAt(i);
  const what = `state of ${name}`;
  try {
    const reply = socket.ask({ message, type: RTM_GETLINK, flags: NLM_F_REQUEST, what });
    return reply === undefined ? undefined : parseLink(reply, what);
  } catch (error) {
    if (error instanceof SystemError && error.errno === Errno.ENODEV) return undefined;
    throw error;
  }
};

/** A name read from the kernel may contain characters that `checkInterfaceName` rejects. @throws {OutOfRange} */
const checkLength = (name: string): void => {
  if (name.length === 0 || name.length >= NAME_BYTES)
    throw new OutOfRange(`an interface name cannot have ${name.length} bytes`);
};

const parseLink = (reply: DataView, what: string): InterfaceState => {
  const found = new Map<number, DataView>();
  const end = reply.byteLength;
  for (let at = ATTRIBUTES; at + ATTRIBUTE_HEADER <= end;) {
    const length = reply.getUint16(at, true);
    if (length < ATTRIBUTE_HEADER || at + length > end) break;
    found.set(
      reply.getUint16(at + 2, true),
      new DataView(reply.buffer, reply.byteOffset + at + ATTRIBUTE_HEADER, length - ATTRIBUTE_HEADER),
    );
    at += (length + 3) & ~3;
  }
  const word = (attribute: number): number | undefined => {
    const value = found.get(attribute);
    return value === undefined || value.byteLength < 4 ? undefined : value.getUint32(0, true);
  };
  const [mtu, promiscuity] = [word(IFLA_MTU), word(IFLA_PROMISCUITY)];
  if (reply.getUint16(4, true) !== RTM_NEWLINK || mtu === undefined || promiscuity === undefined)
    throw new SystemError({ errno: Errno.EPROTO, syscall: "rtnetlink", detail: what });
  return {
    index: reply.getInt32(INDEX, true),
    flags: reply.getUint32(FLAGS, true),
    mtu,
    address: ethernetAddress(found.get(IFLA_ADDRESS)),
    promiscuity,
    allMulticast: word(IFLA_ALLMULTI),
  };
};

const ethernetAddress = (value: DataView | undefined): Uint8Array | undefined =>
  value?.byteLength === ADDRESS_BYTES
    ? new Uint8Array(value.buffer, value.byteOffset, ADDRESS_BYTES).slice()
    : undefined;
