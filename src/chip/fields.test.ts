import assert from "node:assert/strict";
import { test } from "node:test";
import * as late from "./descriptors-8125.ts";
import * as descriptors from "./descriptors.ts";
import * as phy from "./phy.ts";
import * as ancestor from "./registers-8139cp.ts";
import * as registers from "./registers.ts";

/**
 * A word's fields by name. `union` lists the fields that combine several other fields, with the names of those fields.
 */
interface Word {
  readonly word: string;
  readonly width: number;
  readonly fields: Readonly<Record<string, number>>;
  readonly union?: Readonly<Record<string, readonly string[]>>;
}

const bits = (word: string, width: number, fields: Record<string, number>, union: Word["union"] = {}): Word => ({
  word,
  width,
  fields,
  union,
});

const {
  TxV1,
  TxV2,
  Rx,
  Own: own,
  EndOfRing: end,
  FirstSegment: first,
  LastSegment: last,
  TxLength: length,
  TAG: tag,
} = descriptors;
const common = { own, end, first, last };
const insertTag = descriptors.TxInsertTag;

const WORDS: readonly Word[] = [
  bits("DTCCR", 6, registers.Dtccr),
  bits("ChipCmd", 8, registers.Cmd),
  bits("TxPoll", 8, registers.Poll),
  bits("IntrStatus", 16, registers.Intr),
  bits("TxConfig", 32, { ...drop(registers.TxConf), xid: registers.TxConf.xidMask << registers.TxConf.xidShift }),
  bits("RxConfig", 32, registers.RxConf, {
    acceptMask: ["acceptError", "acceptRunt", "acceptBroadcast", "acceptMulticast", "acceptPhysical", "acceptAll"],
  }),
  bits("Config1", 8, registers.Conf1),
  bits("Config2", 8, registers.Conf2),
  bits("Config3", 8, registers.Conf3),
  bits("Config4", 8, registers.Conf4),
  bits("Config5", 8, registers.Conf5),
  bits("PHYstatus", 8, registers.PhyStatus),
  bits("PMCH", 8, registers.Pmch),
  bits("DLLPR", 8, registers.Dllpr),
  bits("MCU", 8, registers.Mcu),
  bits("CPlusCmd", 16, registers.CPlus),
  bits("CPlusCmd, RTL8139C+", 16, {
    ...ancestor.CPlus8139,
    receiveVlan: registers.CPlus.receiveVlan,
    receiveChecksum: registers.CPlus.receiveChecksum,
    dualAddress: registers.CPlus.dualAddress,
  }),
  bits("MSR", 8, ancestor.Msr),
  bits("RxConfig, RTL8139C+", 32, {
    ...ancestor.RxConf8139,
    dmaBurst: registers.RxConf.dmaBurst,
    accept: registers.RxConf.acceptMask,
  }),
  bits("MISC", 32, registers.Misc),
  bits("MISC_1", 8, registers.Misc1),
  bits("Tx v1 opts1, segmenting", 32, {
    ...common,
    length,
    segment: TxV1.segment,
    size: 0x7ff << TxV1.segmentSizeShift,
  }),
  bits("Tx v1 opts1, checksums", 32, {
    ...common,
    length,
    segment: TxV1.segment,
    ip: TxV1.ipChecksum,
    udp: TxV1.udpChecksum,
    tcp: TxV1.tcpChecksum,
  }),
  bits("Tx v2 opts1", 32, {
    ...common,
    length,
    segment4: TxV2.segment4,
    segment6: TxV2.segment6,
    offset: TxV2.segmentOffsetMax << TxV2.segmentOffsetShift,
  }),
  bits("Tx v2 opts2, segmenting", 32, { tag, insertTag, size: TxV2.segmentSizeMax << TxV2.segmentSizeShift }),
  bits("Tx v2 opts2, checksums", 32, {
    tag,
    insertTag,
    udp: TxV2.udpChecksum,
    tcp: TxV2.tcpChecksum,
    ipv4: TxV2.ipv4Checksum,
    ipv6: TxV2.ipv6Checksum,
    offset: TxV2.checksumOffsetMax << TxV2.checksumOffsetShift,
  }),
  bits("Rx opts1", 32, { ...common, ...Rx }, { protocol: ["protocolUdp", "protocolTcp"] }),
  bits("Rx opts1, RTL8139C+", 32, { ...common, ...descriptors.RxCPlus }, { protocol: ["protocolUdp", "protocolTcp"] }),
  bits("Rx opts2", 32, { tag, taken: descriptors.RxTagTaken, ...descriptors.RxV2 }),
  bits("Rx v3 opts1", 32, { own, end, length: Rx.length, ...late.RxV3 }),
  bits("Rx v3 opts2", 32, { tag, taken: descriptors.RxTagTaken, ...descriptors.RxV2, ...late.RxV3Verdict }),
  bits("Rx v3 header", 32, late.HashedV3),
  bits("Rx v4 opts1", 32, {
    ...common,
    multicast: Rx.multicast,
    physical: Rx.physical,
    broadcast: Rx.broadcast,
    length: Rx.length,
    ...late.RxV4,
  }),
  bits("Rx v4 header", 32, late.HashedV4),
  bits("BMCR", 16, phy.Bmcr),
  bits("BMSR", 16, phy.Bmsr),
  bits("ANAR", 16, phy.Advertise),
  bits("GBCR", 16, phy.Gbcr),
  bits("GBSR", 16, phy.Gbsr),
];

/** Returns the fields without those numbers that are only a shift or only a mask. */
function drop(fields: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !/(Shift|Mask)$/.test(name)));
}

for (const { word, width, fields, union = {} } of WORDS)
  test(`no two fields of ${word} overlap, and all fit in ${width} bits`, () => {
    const owners = Array.from<string | undefined>({ length: 32 });
    for (const [name, field] of Object.entries(fields)) {
      assert.notEqual(field, 0, `${name} has no bits`);
      assert.equal(width < 32 ? field >>> width : 0, 0, `${name} is wider than its word`);
      assert.ok(field >= -(2 ** 31) && field < 2 ** 32, `${name} is not a 32-bit number`);
      if (name in union) continue;
      for (let bit = 0; bit < 32; bit++) {
        if (((field >>> bit) & 1) === 0) continue;
        assert.equal(owners[bit], undefined, `${name} and ${owners[bit]} share bit ${bit}`);
        owners[bit] = name;
      }
    }
    for (const [name, parts] of Object.entries(union))
      assert.equal(
        fields[name],
        parts.reduce((sum, part) => sum | fields[part]!, 0),
        `${name} is the union of its parts`,
      );
  });

/** A field's position, typed in from its source: a bit, or the highest and lowest bit of a range. */
type Position = number | readonly [high: number, low: number];

const placed = (fields: Readonly<Record<string, number>>, expected: Readonly<Record<string, Position>>): void => {
  for (const [name, position] of Object.entries(expected)) {
    const [high, low] = typeof position === "number" ? [position, position] : position;
    const mask = (2 ** (high + 1) - 2 ** low) >>> 0;
    assert.equal(fields[name]! >>> 0, mask, name);
  }
  assert.deepEqual(
    Object.keys(fields)
      .filter((name) => !/(Shift|Max|Mask)$/.test(name))
      .sort(),
    Object.keys(expected).sort(),
  );
};

// prettier-ignore
// oxfmt-ignore
test("every field of the registers, the descriptors and the PHY has the bits that its source gives", () => {
  placed(registers.Dtccr, { reset: 0, dump: 3 });
  placed(registers.Cmd, { stopRequest: 7, reset: 4, receiveEnable: 3, transmitEnable: 2, bufferEmpty: 0 });
  placed(registers.Poll, { highPriority: 7, normalPriority: 6, softwareInterrupt: 0 });
  placed(registers.Intr, { receiveOk: 0, receiveError: 1, transmitOk: 2, transmitError: 3, receiveUnavailable: 4,
    linkChange: 5, receiveFifoOverflow: 6, transmitUnavailable: 7, software: 8, timer: 14, systemError: 15 });
  placed(registers.TxConf, { countsClosed: 6, autoFifo: 7, dmaBurst: [10, 8], fifoEmpty: 11, noCrc: 16, loopback: [18, 17], interFrameGap: [25, 24] });
  placed(registers.RxConf, { acceptAll: 0, acceptPhysical: 1, acceptMulticast: 2, acceptBroadcast: 3, acceptRunt: 4,
    acceptError: 5, dmaBurst: [10, 8], earlyOff: 11, multipleFetch: 14, interrupt128: 15 });
  placed(registers.Conf1, { powerManagement: 0, vpd: 1, speedDown: 4 });
  placed(registers.Conf2, { pmeSignal: 5, clockRequest: 7 });
  placed(registers.Conf3, { beacon: 0, readyToL23: 1, jumbo0: 2, linkUp: 4, magicPacket: 5 });
  placed(registers.Conf4, { jumbo1: 1 });
  placed(registers.Conf5, { aspm: 0, lanWake: 1, spiEnable: 3, unicastWake: 4, multicastWake: 5, broadcastWake: 6 });
  placed(registers.PhyStatus, { fullDuplex: 0, linkUp: 1, speed10: 2, speed100: 3, speed1000: 4, receiveFlow: 5, transmitFlow: 6, tbi: 7 });
  placed(registers.Pmch, { d3hotKeepPll: 6, d3coldKeepPll: 7 });
  placed(registers.Dllpr, { pfm: 6, tenMegPowerSave: 7 });
  placed(registers.Mcu, { linkListReady: 1, enableOobReset: 2, receiveEmpty: 4, transmitEmpty: 5, nowOutOfBand: 7 });
  placed(registers.CPlus, { coalescingUnit: [1, 0], multipleReadWrite: 3, dualAddress: 4, receiveChecksum: 5,
    receiveVlan: 6, packetCounterOff: 7, asf: 8, cxplDebug: 9, forceTransmitFlow: 10, forceReceiveFlow: 11,
    forceHalfDuplex: 12, normal: 13, macDebug: 14, bist: 15 });
  placed(registers.Misc, { earlyTally: 16, receiveGate: 19, pwm: 22, disableLan: 23, txplaReset: 29 });
  placed(registers.Misc1, { pfmD3cold: 6, phySwitch: 5 });
  placed({ ...common, length, tag, insertTag, taken: descriptors.RxTagTaken },
    { own: 31, end: 30, first: 29, last: 28, length: [15, 0], tag: [15, 0], insertTag: 17, taken: 16 });
  placed(TxV1, { segment: 27, ipChecksum: 18, udpChecksum: 17, tcpChecksum: 16 });
  placed(TxV2, { segment4: 26, segment6: 25, udpChecksum: 31, tcpChecksum: 30, ipv4Checksum: 29, ipv6Checksum: 28 });
  placed(Rx, { multicast: 27, physical: 26, broadcast: 25, watchdog: 22, errorSummary: 21, runt: 20, crcError: 19,
    protocolUdp: 18, protocolTcp: 17, protocol: [18, 17], ipChecksumFailed: 16, udpChecksumFailed: 15, tcpChecksumFailed: 14, length: [13, 0] });
  placed(descriptors.RxV2, { ipv6: 31, ipv4: 30 });
  placed(late.RxV3, { kind: [29, 26], firstSegment: 25, lastSegment: 24, multicast: 23, physical: 22, broadcast: 21, errorSummary: 20, runt: 19,
    watchdog: 18, crcError: 17 });
  placed(late.RxV3Verdict, { protocolUdp: 29, protocolTcp: 28, ipChecksumFailed: 26, udpChecksumFailed: 25, tcpChecksumFailed: 24 });
  placed(late.RxV4, { watchdog: 23, errorSummary: 22, runt: 21, crcError: 20, protocolUdp: 19, protocolTcp: 18, ipChecksumFailed: 17,
    udpChecksumFailed: 16, tcpChecksumFailed: 15 });
  placed(phy.Bmcr, { reset: 15, loopback: 14, speedLow: 13, autonegotiate: 12, powerDown: 11, isolate: 10, restart: 9, fullDuplex: 8, speedHigh: 6 });
  placed(phy.Bmsr, { full100: 14, half100: 13, full10: 12, half10: 11, extendedStatus: 8, noPreamble: 6, negotiated: 5, autonegotiable: 3, linkUp: 2, extended: 0 });
  placed(phy.Advertise, { acknowledge: 14, asymmetricPause: 11, pause: 10, full100: 8, half100: 7, full10: 6, half10: 5, selector: 0 });
  placed(phy.Gbcr, { manualMaster: 12, master: 11, multiport: 10, full1000: 9, half1000: 8 });
  placed(phy.Gbsr, { masterFault: 15, master: 14, localOk: 13, remoteOk: 12, full1000: 11, half1000: 10 });
});

test("values of multi-bit fields are the datasheet's", () => {
  assert.equal(registers.FLAG, 2 ** 31);
  assert.deepEqual({ ...registers.Lock }, { unlock: 0xc0, lock: 0 });
  assert.deepEqual({ ...registers.Eri }, { exgmac: 0, msix: 1, oob: 2 });
  assert.deepEqual([registers.TxConf.xidShift, registers.TxConf.xidMask], [20, 0xfcf]);
  assert.deepEqual([TxV1.segmentSizeShift, TxV2.segmentSizeShift, TxV2.segmentSizeMax], [16, 18, 0x7ff]);
  assert.deepEqual([TxV2.segmentOffsetShift, TxV2.segmentOffsetMax], [18, 0x7f]);
  assert.deepEqual([TxV2.checksumOffsetShift, TxV2.checksumOffsetMax], [18, 0x3ff]);
});

test("the TxConfig of an RTL8168H identifies it", () => {
  assert.equal((0x5410_0800 >>> registers.TxConf.xidShift) & registers.TxConf.xidMask, 0x541);
});

test("PHY registers have their clause 22 numbers, and the speed is in register 12 of page a43 (hex)", () => {
  assert.deepEqual(
    [phy.BMCR, phy.BMSR, phy.PHYID1, phy.PHYID2, phy.ANAR, phy.ANLPAR, phy.ANER, phy.GBCR, phy.GBSR, phy.ESTATUS],
    [0, 1, 2, 3, 4, 5, 6, 9, 10, 15],
  );
  assert.deepEqual([phy.PAGE, phy.PHYSR_PAGE, phy.PHYSR, phy.OCP_STANDARD], [0x1f, 0xa43, 0x12, 0xa400]);
});
