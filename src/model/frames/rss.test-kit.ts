/**
 * Test vectors for the RSS hash, published by Microsoft ("Verifying the RSS Hash Calculation"), and a slow, simple
 * implementation of the hash.
 */

// prettier-ignore
// oxfmt-ignore
export const KEY = [
  0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
  0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
];

export interface Vector {
  readonly from: string;
  readonly fromPort: number;
  readonly to: string;
  readonly toPort: number;
  readonly addresses: number;
  readonly withPorts: number;
}

// prettier-ignore
// oxfmt-ignore
export const IPV4: readonly Vector[] = [
  { from: "66.9.149.187",   fromPort: 2794,  to: "161.142.100.80", toPort: 1766,  addresses: 0x323e8fc2, withPorts: 0x51ccc178 },
  { from: "199.92.111.2",   fromPort: 14230, to: "65.69.140.83",   toPort: 4739,  addresses: 0xd718262a, withPorts: 0xc626b0ea },
  { from: "24.19.198.95",   fromPort: 12898, to: "12.22.207.184",  toPort: 38024, addresses: 0xd2d0a5de, withPorts: 0x5c2b394a },
  { from: "38.27.205.30",   fromPort: 48228, to: "209.142.163.6",  toPort: 2217,  addresses: 0x82989176, withPorts: 0xafc7327f },
  { from: "153.39.163.191", fromPort: 44251, to: "202.188.127.2",  toPort: 1303,  addresses: 0x5d1809c5, withPorts: 0x10e828a2 },
];
// prettier-ignore
// oxfmt-ignore
export const IPV6: readonly Vector[] = [
  { from: "3ffe:2501:200:1fff:0:0:0:7",            fromPort: 2794,  to: "3ffe:2501:200:3:0:0:0:1",        toPort: 1766,  addresses: 0x2cc18cd5, withPorts: 0x40207d3d },
  { from: "3ffe:501:8:0:260:97ff:fe40:efab",       fromPort: 14230, to: "ff02:0:0:0:0:0:0:1",             toPort: 4739,  addresses: 0x0f0c461c, withPorts: 0xdde51bbf },
  { from: "3ffe:1900:4545:3:200:f8ff:fe21:67cf",   fromPort: 44251, to: "fe80:0:0:0:200:f8ff:fe21:67cf",  toPort: 38024, addresses: 0x4b61e985, withPorts: 0x02d1feef },
];

/** The hash as Microsoft defines it, bit by bit. */
export const toeplitz = (key: Uint8Array, input: readonly number[]): number => {
  const bits = (at: number): number => (key[at >> 3]! >> (7 - (at & 7))) & 1;
  let sum = 0;
  input.forEach((byte, i) => {
    for (let bit = 0; bit < 8; bit++) {
      if (((byte >> (7 - bit)) & 1) === 0) continue;
      let window = 0;
      for (let n = 0; n < 32; n++) window = (window << 1) | bits(8 * i + bit + n);
      sum ^= window;
    }
  });
  return sum >>> 0;
};
