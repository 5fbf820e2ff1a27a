/** rtnetlink: the few settings of an interface that have no ioctl. */
import { OutOfRange } from "#kit/errors.ts";
import { Errno, SystemError, check } from "./errno.ts";
import { Fd } from "./fd.ts";
import { libc } from "./libc.ts";
import { Struct, keepAlive } from "./memory.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_ROUTE = 0;
const MSG_DONTWAIT = 0x40;

const RTM_NEWLINK = 16;
const NLM_F_REQUEST = 0x1;
const NLM_F_ACK = 0x4;
const NLMSG_ERROR = 2;
const IFLA_NET_NS_FD = 28;
const IFLA_GSO_MAX_SIZE = 41;

/** struct nlmsghdr { u32 length; u16 type; u16 flags; u32 sequence; u32 port } */
const HEADER = 16;
/** struct ifinfomsg { u8 family; u8 pad; u16 type; i32 index; u32 flags; u32 change } */
const INFO = 16;
/** struct rtattr { u16 length; u16 type } and a u32 */
const ATTRIBUTE = 8;
const REQUEST_BYTES = HEADER + INFO + ATTRIBUTE;
/** struct nlmsgerr { int error; struct nlmsghdr of the request } and perhaps the request */
const REPLY_BYTES = 1024;

/**
 * Sets how many bytes the stack may put into one segmentation super-frame of the interface with this index, in the calling
 * thread's network namespace. @throws {OutOfRange} {SystemError}
 */
export const setGsoMaxSize = (index: number, bytes: number): void => {
  if (!Number.isInteger(bytes) || bytes < 1 || bytes > 0xffff_ffff)
    throw new OutOfRange(`a GSO size of ${bytes} bytes`);
  setAttribute(index, IFLA_GSO_MAX_SIZE, bytes, `GSO size of interface ${index}`);
};

/**
 * Moves the interface with this index out of the calling thread's network namespace into the one `namespace` is a descriptor
 * of. It loses its addresses and is down. @throws {SystemError}
 */
export const moveInterface = (index: number, namespace: number): void => {
  setAttribute(index, IFLA_NET_NS_FD, namespace, `namespace of interface ${index}`);
};

const setAttribute = (index: number, attribute: number, value: number, what: string): void => {
  const request = new Struct(REQUEST_BYTES);
  const { view } = request;
  view.setUint32(0, REQUEST_BYTES, true);
  view.setUint16(4, RTM_NEWLINK, true);
  view.setUint16(6, NLM_F_REQUEST | NLM_F_ACK, true);
  view.setInt32(HEADER + 4, index, true);
  view.setUint16(HEADER + INFO, ATTRIBUTE, true);
  view.setUint16(HEADER + INFO + 2, attribute, true);
  view.setUint32(HEADER + INFO + 4, value, true);
  exchange(request, what);
};

/** Sends one request and takes its acknowledgement, which the kernel queues before the send returns. */
const exchange = (request: Struct, what: string): void => {
  // SAFETY: no argument is an address.
  const number = check(libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), "socket", "netlink");
  using socket = new Fd(number, "netlink socket");
  // SAFETY: the kernel reads REQUEST_BYTES of `request`, kept until below.
  const sent = libc.sendto(socket.number, request.address, BigInt(REQUEST_BYTES), 0, 0n, 0);
  keepAlive(request);
  check(sent, "sendto", what);
  const reply = new Struct(REPLY_BYTES);
  // SAFETY: the kernel writes at most REPLY_BYTES of `reply`, which is read below.
  const length = check(libc.recv(socket.number, reply.address, BigInt(REPLY_BYTES), MSG_DONTWAIT), "recv", what);
  const isAnswer = length >= HEADER + 4 && reply.view.getUint16(4, true) === NLMSG_ERROR;
  const error = isAnswer ? -reply.view.getInt32(HEADER, true) : Errno.EPROTO;
  if (error !== 0) throw new SystemError({ errno: error, syscall: "rtnetlink", detail: what });
};
