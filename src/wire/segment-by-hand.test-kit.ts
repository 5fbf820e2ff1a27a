/** Segments and sums TCP super-frames byte by byte, deliberately without the code under test. */

/** A TCP flow and one super-frame of it. */
export interface Shape {
  readonly ipv6: boolean;
  readonly vlan: boolean;
  readonly options: number;
  readonly segmentBytes: number;
  readonly payload: number;
  readonly port: number;
  readonly sequence: number;
  readonly fixedIdentification: boolean;
  readonly push: boolean;
}

export const naiveSum = (bytes: Uint8Array, from: number, to: number, start = 0): number => {
  let total = start;
  for (let i = from; i < to; i++) total += (i - from) % 2 === 0 ? bytes[i]! * 256 : bytes[i]!;
  while (total > 0xffff) total = (total % 0x10000) + Math.floor(total / 0x10000);
  return total;
};

const put16 = (bytes: Uint8Array, at: number, value: number): void => {
  bytes[at] = (value >>> 8) & 0xff;
  bytes[at + 1] = value & 0xff;
};

export const get16 = (bytes: Uint8Array, at: number): number => bytes[at]! * 256 + bytes[at + 1]!;

export const networkOf = (frame: Uint8Array): number => (get16(frame, 12) === 0x8100 ? 18 : 14);
const isIpv6 = (frame: Uint8Array): boolean => frame[networkOf(frame)]! >>> 4 === 6;
export const transportOf = (frame: Uint8Array): number => networkOf(frame) + (isIpv6(frame) ? 40 : 20);
export const payloadOf = (frame: Uint8Array): number =>
  transportOf(frame) + (frame[transportOf(frame) + 12]! >>> 4) * 4;

/** Sum over pseudo header, TCP header and payload: 0xffff if the checksum is correct. */
export const tcpSum = (frame: Uint8Array): number => {
  const transport = transportOf(frame);
  const addresses = isIpv6(frame) ? 32 : 8;
  const pseudo = naiveSum(frame, transport - addresses, transport, 6 + frame.length - transport);
  return naiveSum(frame, transport, frame.length, pseudo);
};

export const ipSum = (frame: Uint8Array): number =>
  isIpv6(frame) ? 0xffff : naiveSum(frame, networkOf(frame), networkOf(frame) + 20);

export const segment = (shape: Shape, index: number, payload: Uint8Array, last: boolean): Uint8Array => {
  const network = shape.vlan ? 18 : 14;
  const transport = network + (shape.ipv6 ? 40 : 20);
  const header = transport + 20 + shape.options;
  const frame = new Uint8Array(header + payload.length);
  for (let i = 0; i < 12; i++) frame[i] = i * 2;
  if (shape.vlan) frame.set([0x81, 0x00, 0x20, 0x07], 12);
  put16(frame, network - 2, shape.ipv6 ? 0x86dd : 0x0800);
  if (shape.ipv6) {
    frame.set([0x60, 0x01, 0x02, 0x03], network);
    put16(frame, network + 4, frame.length - transport);
    frame.set([6, 63], network + 6);
    for (let i = 0; i < 32; i++) frame[network + 8 + i] = 0x30 + i;
  } else {
    frame.set([0x45, 0x10], network);
    put16(frame, network + 2, frame.length - network);
    put16(frame, network + 4, shape.fixedIdentification ? 77 : 0xfffe + index);
    frame.set([0x40, 0, 63, 6], network + 6);
    frame.set([10, 0, 0, 1, 10, 0, 0, 2], network + 12);
    put16(frame, network + 10, 0xffff - naiveSum(frame, network, transport));
  }
  put16(frame, transport, shape.port);
  put16(frame, transport + 2, 443);
  const sequence = shape.sequence + index * shape.segmentBytes;
  put16(frame, transport + 4, sequence >>> 16);
  put16(frame, transport + 6, sequence & 0xffff);
  frame.set([1, 2, 3, 4, ((20 + shape.options) / 4) << 4, last && shape.push ? 0x18 : 0x10, 0xff, 0xee], transport + 8);
  frame.fill(1, transport + 20, header);
  frame.set(payload, header);
  put16(frame, transport + 16, 0xffff - tcpSum(frame));
  return frame;
};

export const payloadByte = (port: number, i: number): number => (i * 131 + port * 7 + (i >>> 8)) & 0xff;

export const segmentsOf = (shape: Shape): Uint8Array[] => {
  const payload = Uint8Array.from({ length: shape.payload }, (_, i) => payloadByte(shape.port, i));
  const count = Math.ceil(shape.payload / shape.segmentBytes);
  return Array.from({ length: count }, (_, i) =>
    segment(shape, i, payload.slice(i * shape.segmentBytes, (i + 1) * shape.segmentBytes), i === count - 1),
  );
};
