/** Wake-up: the frames and events that wake a sleeping chip, by generation. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { chipNamed } from "#chip/chips.ts";
import {
  Cfg9346,
  Conf2,
  Conf3,
  Conf5,
  Config2,
  Config3,
  Config5,
  ERIAR,
  ERIDR,
  FLAG,
  Lock,
  MACOCP,
  MISC,
  Misc,
  RxConf,
  RxConfig,
} from "#chip/registers.ts";
import { BROADCAST, frame, Guest, MAC } from "../guest.test-kit.ts";

const MULTICAST = Uint8Array.of(0x01, 0, 0x5e, 0, 0, 1);
const STRANGER = Uint8Array.of(0x02, 9, 9, 9, 9, 9);
const PME_ENABLE = 1 << 8;
const PME_STATUS = 1 << 15;

/** A frame with a magic packet for `mac`; the pattern starts `at` bytes after the start of the frame. */
const magic = (destination: Uint8Array, mac = MAC, at = 14): Uint8Array => {
  const bytes = frame(destination, at + 102 + 10);
  bytes.fill(0xff, at, at + 6);
  for (let n = 0; n < 16; n++) bytes.set(mac, at + 6 + 6 * n);
  return bytes;
};

class Sleeper {
  readonly guest: Guest;
  woken = 0;
  constructor(key: string, arm: (guest: Guest) => void) {
    this.guest = new Guest({ chip: chipNamed(key)! });
    this.guest.nic.onWake(() => this.woken++);
    this.guest.nic.setCarrier(true);
    this.guest.clock.delay(20_000);
    this.guest.w8(Cfg9346, Lock.unlock);
    arm(this.guest);
  }
  sleep(enable = PME_ENABLE): this {
    this.guest.nic.write("config", this.guest.nic.chip.profile.function.powerAt + 4, 2, enable | 3);
    return this;
  }
  get status(): boolean {
    return (this.guest.nic.read("config", this.guest.nic.chip.profile.function.powerAt + 4, 2) & PME_STATUS) !== 0;
  }
  /** Whether this frame wakes the chip. */
  wakes(bytes: Uint8Array): boolean {
    const before = this.woken;
    assert.equal(this.guest.nic.hasRoom(), true);
    assert.equal(this.guest.nic.receive(bytes, 0, bytes.length), false);
    return this.woken > before;
  }
}

const acceptAllKinds = (guest: Guest): void =>
  guest.w32(RxConfig, RxConf.acceptBroadcast | RxConf.acceptMulticast | RxConf.acceptPhysical);
const eri = (guest: Guest, address: number, value: number): void => {
  guest.w32(ERIDR, value);
  guest.w32(ERIAR, FLAG | 0xf000 | address);
};
const macOcp = (guest: Guest, address: number, value: number): void =>
  guest.w32(MACOCP, FLAG | (address << 15) | value);

/** How each generation enables magic packets. */
const MAGIC: readonly (readonly [key: string, arm: (guest: Guest) => void])[] = [
  ["rtl8169sc-980", (guest) => guest.w8(Config3, Conf3.magicPacket)],
  ["rtl8168b", (guest) => guest.w8(Config3, Conf3.magicPacket)],
  [
    "rtl8168d-281",
    (guest) => {
      guest.w8(Config3, Conf3.magicPacket);
      acceptAllKinds(guest);
    },
  ],
  [
    "rtl8168h",
    (guest) => {
      eri(guest, 0xdc, 1 << 16);
      guest.w8(Config2, Conf2.pmeSignal);
      acceptAllKinds(guest);
    },
  ],
  [
    "rtl8125b",
    (guest) => {
      macOcp(guest, 0xc0b6, 1);
      guest.w8(Config2, Conf2.pmeSignal);
      acceptAllKinds(guest);
    },
  ],
];

for (const [key, arm] of MAGIC) {
  test(`${key} wakes for a magic packet to its own address and for nothing else`, () => {
    const sleeper = new Sleeper(key, arm).sleep();
    assert.equal(sleeper.wakes(frame(MAC, 200)), false);
    assert.equal(sleeper.wakes(frame(BROADCAST, 200)), false);
    assert.equal(sleeper.wakes(magic(BROADCAST, STRANGER)), false);
    assert.equal(sleeper.wakes(magic(STRANGER)), false);
    assert.equal(sleeper.wakes(magic(MAC).subarray(0, 14 + 101)), false);
    assert.equal(sleeper.status, false);
    assert.equal(sleeper.wakes(magic(BROADCAST)), true);
    assert.equal(sleeper.status, true);
    assert.equal(sleeper.wakes(magic(MAC, MAC, 43)), true);
    assert.equal(sleeper.wakes(magic(MAC).subarray(0, 14 + 102)), true);
  });

  test(`${key} does not wake for a magic packet while wake-up by magic packets is off`, () => {
    const sleeper = new Sleeper(key, acceptAllKinds).sleep();
    assert.equal(sleeper.wakes(magic(BROADCAST)), false);
    assert.equal(sleeper.status, false);
  });
}

test("a chip that is awake ignores magic packets", () => {
  const sleeper = new Sleeper("rtl8168b", (guest) => guest.w8(Config3, Conf3.magicPacket));
  const packet = magic(BROADCAST);
  sleeper.guest.nic.receive(packet, 0, packet.length);
  assert.deepEqual([sleeper.woken, sleeper.status], [0, false]);
});

test("without PME enabled the chip only records PME status", () => {
  const sleeper = new Sleeper("rtl8168b", (guest) => guest.w8(Config3, Conf3.magicPacket)).sleep(0);
  assert.equal(sleeper.wakes(magic(BROADCAST)), false);
  assert.equal(sleeper.status, true);
});

test("the chip wakes only for the enabled kinds of frames", () => {
  const frames = { unicastWake: MAC, broadcastWake: BROADCAST, multicastWake: MULTICAST } as const;
  for (const name of ["unicastWake", "broadcastWake", "multicastWake"] as const) {
    const sleeper = new Sleeper("rtl8168h", (guest) => {
      guest.w8(Config2, Conf2.pmeSignal);
      guest.w8(Config5, Conf5[name]);
      acceptAllKinds(guest);
    }).sleep();
    for (const [kind, destination] of Object.entries(frames))
      assert.equal(sleeper.wakes(frame(destination, 64)), kind === name, `${name} ${kind}`);
    assert.equal(sleeper.wakes(frame(STRANGER, 64)), false);
  }
});

test("frames pass the receive filter and the gate before the wake-up filter", () => {
  for (const close of [
    (guest: Guest) => guest.w32(RxConfig, RxConf.acceptBroadcast),
    (guest: Guest) => guest.w32(MISC, Misc.receiveGate),
  ]) {
    const sleeper = new Sleeper("rtl8168h", (guest) => {
      guest.w8(Config2, Conf2.pmeSignal);
      guest.w8(Config5, Conf5.unicastWake);
      acceptAllKinds(guest);
      close(guest);
    }).sleep();
    assert.equal(sleeper.wakes(frame(MAC, 64)), false);
  }
});

test("link up wakes the chip if that is enabled; link down does not", () => {
  for (const [key, asked] of [
    ["rtl8168h", Conf3.linkUp],
    ["rtl8168h", 0],
    ["rtl8125b", Conf3.linkUp],
    ["rtl8125b", 0],
  ] as const) {
    const sleeper = new Sleeper(key, (guest) => {
      guest.w8(Config2, Conf2.pmeSignal);
      guest.w8(Config3, asked);
    }).sleep();
    sleeper.guest.nic.setCarrier(false);
    assert.equal(sleeper.woken, 0);
    sleeper.guest.nic.setCarrier(true);
    sleeper.guest.clock.delay(20_000);
    assert.equal(sleeper.woken, asked === 0 ? 0 : 1, `${key} ${asked}`);
  }
});
