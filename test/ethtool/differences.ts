/** Why `ferrule ethtool` prints other lines than the real ethtool does on Linux's r8169. */
import type { ChipKey } from "#chip/chips.ts";
import type { Reason } from "./compare.ts";

/** Bytes of the register dump that depend on the driver or on the moment. */
export const DUMP_MASK: readonly (readonly [first: number, last: number, why: string])[] = [
  [0x10, 0x17, "address of the counters' memory"],
  [0x1c, 0x1f, "a timer, on later chips"],
  [0x20, 0x2f, "addresses of transmit rings"],
  [0x38, 0x3d, "interrupt mask: ours also enables system errors"],
  [0x48, 0x4f, "timers"],
  [0x60, 0x6b, "last access to PHY and configuration space"],
  [0x6f, 0x6f, "power-down of the PLL, which only Linux enables while the link is up"],
  [0x70, 0x77, "last access to an extended register"],
  [0x80, 0x83, "last access to the PCIe PHY"],
  [0x88, 0x8b, "a timer, on later chips"],
  [0xb0, 0xb3, "last access to the MAC controller"],
  [0xb8, 0xbb, "last access to the PHY"],
  [0xd0, 0xd0, "start values of later chips, explained in test:state"],
  [0xf0, 0xf3, "start values of later chips, explained in test:state"],
  [0xda, 0xdb, "length of the longest frame: Linux always sets 16 KiB"],
  [0xe0, 0xe1, "moderation's unit of time, which Linux sets at the first use"],
  [0xe4, 0xeb, "address of the receive ring"],
];

const ANY = /^/;
/** Chips whose registers ethtool can decode, and on which Linux leaves offloads off. */
const OLDER: readonly ChipKey[] = ["rtl8169sc-180", "rtl8168b", "rtl8168d-281", "rtl8168evl", "rtl8168g", "rtl8106e"];

export const REASONS: readonly Reason[] = [
  {
    commands: [""],
    ours: /^! hint: /,
    because: "Ferrule adds a hint to every error.",
  },
  {
    commands: ["--nonsense", "-i"],
    linux: /^! For more information run ethtool -h$/,
    ours: /^! For more information run ferrule ethtool -h$/,
    because: "Our command is `ferrule ethtool`.",
  },
  {
    commands: ["-i "],
    linux: /^(driver|version|bus-info): /,
    ours: /^(driver|version|bus-info): /,
    because: "The driver differs, and the device is the model in the same process.",
  },
  {
    commands: ["-i "],
    linux: /^firmware-version: rtl/,
    ours: /^firmware-version:$/,
    because: "This test runs without a firmware file.",
  },
  {
    commands: ["--json -i ", "--json -S fe0", "--json -P ", "--json -T ", "--json -l "],
    linux: /^(! |= 1$)/,
    ours: ANY,
    because: "ethtool prints JSON only for the kernel's netlink replies, Ferrule for every flag.",
  },
  {
    commands: ["--json -m "],
    ours: /^\[ \]$/,
    because: "ethtool prints an empty list for every flag but -m.",
  },
  {
    commands: ["-d fe0"],
    linux: /^! Unknown RealTek chip/,
    ours: /^(0x[0-9a-f]{2}: |$)/,
    because: "ethtool does not know the registers of later chips by name; Ferrule does.",
  },
  {
    commands: ["-g ", "--json -g "],
    linux: /256/,
    ours: /\b(1024|4096)\b/,
    because: "Linux's rings have a fixed size.",
  },
  {
    commands: ["-G "],
    linux: /^(! netlink error: Operation not supported|= 81)$/,
    ours: /^= 0$/,
    because: "Our driver can change the size of its rings.",
  },
  {
    commands: ["-c ", "--json -c "],
    linux: /^(Adaptive RX: n\/a {2}TX: n\/a|! netlink error: Operation not supported|= 1|\[ \])$/,
    ours: /^(Adaptive RX: off {2}TX: off|.*"adaptive-[rt]x": false,)$/,
    because: "Our driver can adapt moderation to the rate of frames.",
  },
  {
    commands: ["-C fe0 adaptive-rx on"],
    linux: /^(! netlink error: |= 1$)/,
    ours: /^= 0$/,
    because: "Linux's driver cannot adapt moderation to the rate of frames.",
  },
  {
    commands: ["-c ", "--json -c ", "-C "],
    chips: ["rtl8125b", "rtl8126a-64a", "rtl8127a"],
    linux: /^(! netlink error: Operation not supported|= 1|\[ \])$/,
    ours: ANY,
    because: "Linux has no moderation on the RTL8125 and later.",
  },
  {
    commands: ["-k "],
    linux: /tx-tcp-mangleid-segmentation: off/,
    ours: /tx-tcp-mangleid-segmentation: off \[fixed\]$/,
    because: "A TAP does not support segments with a fixed IP identification.",
  },
  {
    commands: ["-K "],
    linux: /tx-tcp-mangleid-segmentation: /,
    ours: /tx-tcp-mangleid-segmentation: off \[requested on\]$/,
    because: "A TAP cannot enable segments with a fixed IP identification on request.",
  },
  {
    commands: ["-K fe0 sg on tso on"],
    linux: /^= 0$/,
    ours: /^(! Could not change any device features|= 1)$/,
    because: "A TAP fixes the only feature that this command would change.",
  },
  {
    commands: ["-S fe0"],
    ours: /^ {5}[rt]x_|^ {5}align_errors32: /,
    because: "Our driver also has the counters of the long counter dump.",
  },
  {
    commands: ["--phy-statistics fe0"],
    linux: /^(! no stats available|= 94)$/,
    ours: /^(PHY statistics:| {5}phy_(idle_errors|link_losses): \d+|= 0)$/,
    because: "Linux's driver has no counters of these PHYs.",
  },
  {
    commands: ["-k missing0"],
    linux: /no device matches name \(offset 24\)$/,
    because: "ethtool names an offset in its netlink message; Ferrule sends no netlink message.",
  },
  {
    commands: ["--json -k "],
    linux: /"fixed": false/,
    ours: /"fixed": true/,
    because: "A TAP has fixed features that Linux's driver can change.",
  },
  {
    commands: ["-K fe0 nonsense on"],
    linux: /^! netlink error: /,
    ours: /^! netlink error: bit name not found$/,
    because: "ethtool names an offset in its netlink message; Ferrule sends no netlink message.",
  },
  {
    commands: ["-E ", "--flash "],
    linux: ANY,
    ours: /^(! (Cannot set EEPROM data|Flashing): Operation not supported|= 1)$/,
    because:
      "Both reject the command. ethtool finds an EEPROM of 0 bytes, and a flash that no device has; Ferrule does not.",
  },
  {
    commands: ["-d fe0"],
    chips: OLDER,
    linux: /^(RealTek |-{20}|0x[0-9A-F]{2}: | {6})/,
    ours: /^(Offset|------|0x[0-9a-f]{2,4}: |$)/,
    because:
      "ethtool has a layout of its own for the registers of older chips; Ferrule has one for all, after the raw bytes.",
  },
  {
    commands: ["-i "],
    linux: /^supports-(test|eeprom-access): no$/,
    ours: /^supports-(test|eeprom-access): yes$/,
    because: "Our driver has a self-test, and reads the EEPROM of chips that have one.",
  },
  {
    commands: ["-e "],
    linux: /^(! Cannot get EEPROM data: Operation not supported|= 74)$/,
    ours: ANY,
    chips: ["rtl8169sc-180", "rtl8168b", "rtl8168d-281"],
    because: "Our driver reads the EEPROM of chips that have one.",
  },
  {
    commands: ["-k ", "--json -k ", "-K "],
    chips: OLDER,
    linux: ANY,
    ours: ANY,
    because:
      "Linux leaves scatter-gather and segmentation off on older chips; our driver enables what works on the chip.",
  },
  {
    commands: ["fe0", "--json fe0"],
    linux: /1000baseT\/(Half|Full)|10000baseT|5000baseT|2500baseT/,
    ours: /1000baseT\/Full|2500baseT|5000baseT/,
    because:
      "Our driver offers no half duplex at 1000 Mbit/s, and lists only those of the partner's modes that the chip has.",
  },
  {
    commands: ["fe0"],
    chips: OLDER,
    linux: /^\t(Speed: |Duplex: |master-slave status: slave)/,
    ours: /^\t(Speed: |Duplex: )/,
    because: "Linux polls the PHYs of older chips once a second, so it still shows the speed from before the change.",
  },
  {
    commands: ["fe0", "--json fe0"],
    linux: /transceiver": "external|Transceiver: external/,
    ours: /transceiver": "internal|Transceiver: internal/,
    because: "Every chip has an internal PHY, which Linux calls external.",
  },
  {
    commands: ["fe0"],
    linux: /^\tMDI-X: Unknown$/,
    ours: /^\tMDI-X: (on|off) \((auto|forced)\)$/,
    because: "Our driver reads the MDI-X state.",
  },
  {
    commands: ["fe0"],
    linux: /^\tAdvertised (link modes: {2}100baseT\/Full|pause frame use: .*)$/,
    ours: /^\tAdvertised (link modes: {2}Not reported|pause frame use: .*)$/,
    because:
      "Our driver advertises nothing without autonegotiation, and a mask of modes leaves its pause settings unchanged.",
  },
  {
    commands: ["fe0"],
    linux: /Link partner advertised/,
    ours: /Link partner advertised|10baseT|100baseT/,
    because: "Our driver shows the partner's modes only after autonegotiation; Linux shows those that it read last.",
  },
  {
    commands: ["--show-eee ", "--json --show-eee "],
    linux:
      /not supported|^$|10000baseT|5000baseT|2500baseT|Not reported|^\[ \{\} \]$|^= [01]$|^\[ \{$|ifname|status|^ {4}\} \]$|Tx LPI|tx-lpi|EEE settings/,
    ours: ANY,
    because:
      "Linux 7 keeps EEE off on the 8168H, has none on some older chips, and lists partner modes that the chip lacks.",
  },
  {
    commands: ["--set-eee "],
    linux: /^(! netlink error: |= )/,
    ours: /^(! netlink error: |= )/,
    because: "Our driver sets EEE as far as the chip supports it, and rejects a timer above the chip's limit.",
  },
  {
    commands: ["-A fe0 autoneg off"],
    linux: /^= 0$/,
    ours: /^(! netlink error: .*pause|= 79$)/,
    because:
      "Our driver rejects forced pause, which would have no effect: the MAC gets pause only from autonegotiation.",
  },
  {
    commands: ["-N fe0 rx-flow-hash"],
    linux: /^! Cannot change RX network flow hashing options: Operation not supported$/,
    ours: /^! (rxclass: Cannot get RX class rule count: Operation not supported|Cannot insert classification rule)$/,
    because: "Ferrule does not distinguish the two uses of -N in its reply.",
  },
  {
    commands: ["-s fe0 wol "],
    linux: /^! netlink error: (cannot enable unsupported WoL mode \(offset 32\)|Invalid argument)$/,
    ours: /^! (netlink error: cannot enable unsupported WoL mode "s"|For more information run ferrule ethtool -h)$/,
    because: "ethtool names an offset in its netlink message; Ferrule sends no netlink message.",
  },
  {
    commands: ["-s fe0 msglvl"],
    linux: /^(! netlink error: Operation not supported|= 75)$/,
    ours: /^(! ethtool: bad command line argument\(s\)|! For more information run ferrule ethtool -h|= 1)$/,
    because: "The message level is an option of `ferrule up`.",
  },
  {
    commands: ["-s fe0 mdix on"],
    linux: /^= 0$/,
    ours: /^(! netlink error: .*MDI-X|= 75$)/,
    because: "Our driver rejects MDI-X if no register for it is known; Linux accepts it without effect.",
  },
  {
    commands: ["-t ", "-p ", "--reset "],
    linux: /^(! .*Operation not supported|= (74|255|1))$/,
    ours: /^(The test|link\t|registers\t|DMA\t|MAC loopback\t|interrupt\t|PHY loopback\t|$|= 0$|Components reset|! Cannot identify NIC: RTL|= 255$)/,
    because: "Linux's driver has no self-test, no blinking of LEDs and no reset.",
  },
  {
    commands: ["--cable-test"],
    chips: ["rtl8168h", "rtl8125b"],
    linux: /^(! netlink error: .*|= 1)$/,
    ours: /^(Cable test |Pair [A-D] code OK$|= 0$)/,
    because: "Linux's driver has no cable test.",
  },
  {
    commands: ["-l "],
    chips: ["rtl8168h", "rtl8125b", "rtl8126a-64a", "rtl8127a"],
    linux: /^(! netlink error: Operation not supported|= 1)$/,
    ours: ANY,
    because: "Linux's driver has one queue.",
  },
  {
    commands: ["missing0"],
    linux: /^(No data available|! netlink error: )/,
    because: "ethtool sends ten requests to the kernel, Ferrule one to the driver.",
  },
];
