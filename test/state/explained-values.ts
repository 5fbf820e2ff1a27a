/**
 * Rows of `explained.ts` for values that our driver has from Realtek's drivers, and that Linux writes differently or
 * not at all.
 */
import type { ChipKey } from "#chip/chips.ts";
import type { Row } from "./explained.ts";
import type { Moment } from "./snapshot.ts";

type Chips = readonly ChipKey[];
const LATER_8168H: Chips = ["rtl8168h-100", "rtl8168h-300"];
const RTL8168H: Chips = ["rtl8107e", "rtl8116af", "rtl8168h", "rtl8168m"];
const RTL8117: Chips = ["rtl8117-54a", "rtl8117-54b"];
const RTL8168GU: Chips = ["rtl8106eus", "rtl8168gu"];
const RTL8125A: Chips = ["rtl8125a", "rtl8168kb-609"];
const RTL8125B: Chips = ["rtl8125b", "rtl8168kb"];
const RTL8126A: Chips = ["rtl8126a-649", "rtl8126a-64a"];
const LATER_8125D: Chips = ["rtl8125d-689", "rtl8125k", "rtl8168kd"];
const RTL9151A: Chips = ["rtl9151a", "rtl9151as"];
const RTL8125: Chips = [
  ...RTL8125A,
  ...RTL8125B,
  "rtl8125d-688",
  ...LATER_8125D,
  ...RTL9151A,
  "rtl8125bp",
  "rtl8125cp",
];
const MULTIGIGABIT: Chips = [...RTL8125, ...RTL8126A, "rtl8127a"];
const STARTED: readonly Moment[] = ["up", "mtu", "back", "suspended", "resumed", "closed", "removed"];
const RUNNING: readonly Moment[] = ["up", "mtu", "back", "resumed"];
const STOPPED: readonly Moment[] = ["closed", "removed"];
const BESIDES_MTU: readonly Moment[] = ["up", "back", "suspended", "resumed", ...STOPPED];

/** These rows were compared in 2026 with DPDK 26.11 and Realtek's driver for FreeBSD 1.99.04. */
export const AT_D3E2: readonly Row[] = [
  { space: "macOcp", on: ["rtl8168ep"], at: STARTED, words: "0xd3e2=afd" },
  { space: "macOcp", on: MULTIGIGABIT, at: STARTED, words: "0xd3e2=0 0xe860=0" },
];

/** The two later steppings of the 8168H: DPDK `rtl8168h.c`, methods 35 and 36. */
// prettier-ignore
// oxfmt-ignore
export const SECOND_8168H: readonly Row[] = [
  { space: "macOcp", on: LATER_8168H, at: STARTED, words: "0xd420=0 0xdd02=0 0xe052=0 0xd438=7" },
  { space: "ephy", on: LATER_8168H, at: STARTED, words: "0x1=0 0x4=0 0x5=0 0x6=0 0x1d=0 0x1e=0" },
  { space: "phy", on: LATER_8168H, at: STARTED, words: "0xa42c=0" },
  { space: "phyMemory", on: LATER_8168H, at: STARTED, words: "0x811=0 0x808b=0" },
  { space: "phy", on: ["rtl8168h-100"], at: STARTED, words: "0xa80c=5" },
  { space: "phyMemory", on: ["rtl8168h-100"], at: STARTED, words:
    "0x8015=70 0x8016=20 0x8103=b8 0x8105=a 0x8106=a2 0x8107=9 0x8108=13 0x8109=b0 0x8111=7c 0x8112=73 " +
    "0x8118=f8 0x8119=b4 0x811a=1a 0x811b=4 0x811c=80 0x811d=8 0x811e=de 0x811f=ca 0x812f=b5 0x8130=1a " +
    "0x8131=4 0x8132=a0 0x8133=8 0x8134=de 0x8135=ca 0x81b9=20 0x81cb=35 0x81d4=66 0x87ec=18 0x87ed=7 " +
    "0x87ee=33 0x87ef=8 0x87f0=dc 0x87f1=8 0x87f2=df 0x87f3=c 0x87f4=79 0x87f5=d 0x87f6=93 0x87fa=10 0x87fb=8" },
];

/** The PCIe PHY of the 8125A and 8125B: DPDK `rtl8125a.c`, `rtl8125b.c`. */
// prettier-ignore
// oxfmt-ignore
export const BOTH_LANES: readonly Row[] = [
  { space: "ephy", on: RTL8125B, at: STARTED, words: "0x2=60c2 0x22=23 0x29=ff00 0x42=60c2 0x4b=a908 0x5e=28eb 0x62=23 0x69=ff00" },
  { space: "ephy", on: RTL8125A, at: STARTED, words:
    "0x0=0 0x3=0 0x9=0 0x2=6042 0x6=14 0x1b=e00 0x20=9455 0x21=99ff 0x23=ab66 0x29=fe04 0x2a=3000 0x42=6042 " +
    "0x44=d000 0x46=14 0x4a=8653 0x5b=e00 0x60=9455 0x61=99ff 0x63=ab66 0x69=fe04 0x6a=3000" },
  { space: "ephy", on: RTL8125A, at: STARTED, words: "0x1=0" },
];

/** Rows by space. `src/chip/start` gives the source of each value. */
// prettier-ignore
// oxfmt-ignore
export const REALTEKS: readonly Row[] = [
  { space: "registers", on: [...LATER_8125D, ...RTL8117, ...RTL8125A, ...RTL8125B, ...RTL8126A, ...RTL9151A, "rtl8125cp", "rtl8125d-688", "rtl8127a"], at: [...RUNNING, "suspended"], words: "MISC=400000" },
  { space: "registers", on: [...LATER_8125D, ...RTL8126A, ...RTL9151A, "rtl8125bp", "rtl8125cp", "rtl8125d-688", "rtl8127a"], at: STARTED, words: "At0382=0" },
  { space: "registers", on: [...LATER_8125D, ...RTL8117, ...RTL8125A, ...RTL8125B, ...RTL8126A, ...RTL9151A, "rtl8125cp", "rtl8125d-688", "rtl8127a"], at: STARTED, words: "DLLPR=c0" },
  { space: "registers", on: [...LATER_8125D, ...RTL8117, ...RTL8125A, ...RTL8125B, ...RTL8126A, ...RTL9151A, "rtl8125cp", "rtl8125d-688", "rtl8127a"], at: STOPPED, words: "MISC=480000" },
  { space: "config", on: ["rtl8127a"], at: STARTED, words: "0x890=0" },
  { space: "config", on: [...LATER_8125D, ...RTL8125A, ...RTL8125B, ...RTL8126A, "rtl8125bp", "rtl8125cp", "rtl8125d-688", "rtl8127a"], at: STARTED, words: "0x10a=10" },
  { space: "macOcp", on: RTL8125, at: BESIDES_MTU, words: "0xc0a6=3d6" },
  { space: "macOcp", on: RTL8125, at: STARTED, words: "0xc0aa=6be" },
  { space: "macOcp", on: MULTIGIGABIT, at: STARTED, words: "0xc0b4=d 0xd430=45f 0xe052=60 0xc0bc=ff" },
  { space: "macOcp", on: [...LATER_8125D, ...RTL9151A, "rtl8125bp", "rtl8125cp"], at: ["mtu"], words: "0xc0a6=5ca" },
  { space: "macOcp", on: ["rtl8127a"], at: BESIDES_MTU, words: "0xc0a6=48e 0xc0aa=2c4a" },
  { space: "macOcp", on: [...RTL8125A, ...RTL8125B, ...RTL8126A, "rtl8125bp", "rtl8125cp", "rtl8127a"], at: STARTED, words: "0xe0c0=4000" },
  { space: "macOcp", on: ["rtl8127a"], at: STARTED, words: "0xd40c=8020" },
  { space: "macOcp", on: ["rtl8127a"], at: ["mtu"], words: "0xc0a6=9dc 0xc0aa=2a9d" },
  { space: "macOcp", on: RTL8126A, at: BESIDES_MTU, words: "0xc0a6=3e4" },
  { space: "macOcp", on: RTL8126A, at: STARTED, words: "0xc0aa=107c" },
  { space: "macOcp", on: RTL8126A, at: ["mtu"], words: "0xc0a6=5c5" },
  { space: "macOcp", on: [...RTL8125A, ...RTL8125B, "rtl8125d-688"], at: ["mtu"], words: "0xc0a6=5b7" },
  { space: "macOcp", on: [...RTL8168H, ...RTL8117], at: STARTED, words: "0xd420=45f" },
  { space: "macOcp", on: [...RTL8168H, ...LATER_8168H, ...RTL8117, ...RTL8168GU, "rtl8168ep", "rtl8168g"], at: STARTED, words: "0xc140=ffff" },
  { space: "macOcp", on: [...RTL8168H, ...LATER_8168H, ...RTL8117, "rtl8168ep"], at: STARTED, words: "0xc142=ffff" },
  { space: "macOcp", on: RTL8117, at: STARTED, words: "0xe098=c302" },
  { space: "macOcp", on: RTL8168H, at: STARTED, words: "0xe052=8000" },
  { space: "macOcp", on: [...RTL8168H, ...LATER_8168H], at: STARTED, words: "0xe098=aa2" },
  { space: "macOcp", on: ["rtl8411b"], at: STARTED, words: "0xd3c0=fff 0xd3c4=1" },
  { space: "macOcp", on: RTL8168GU, at: STARTED, words: "0xd3c0=b00" },
  { space: "eri", on: RTL8117, at: STARTED, words: "0xdc=d 0x2fc=1" },
  { space: "eri", on: RTL8117, at: ["suspended", "resumed"], words: "0xdc=1000d" },
  { space: "eri", on: ["rtl8168ep"], at: STARTED, words: "0x2fc=3 0x2f8=1d8f" },
  { space: "eri", on: [...RTL8168H, ...LATER_8168H], at: STARTED, words: "0x5f0=0" },
  { space: "eri", on: [...LATER_8168H, ...RTL8168GU, "rtl8107e", "rtl8116af", "rtl8168g", "rtl8168h"], at: STARTED, words: "0x1d0=2" },
  { space: "eri", on: [...RTL8168GU, "rtl8168g", "rtl8411b"], at: STARTED, words: "0x5f0=4f87" },
  { space: "eri", on: ["rtl8168g"], at: STOPPED, words: "0x1a8=fc000000" },
  { space: "ephy", on: ["rtl8127a"], at: STARTED, words: "0x408=64 0x40a=f98 0x40c=f90 0x49c=140 0x49e=140 0x4a0=80" },
  { space: "ephy", on: ["rtl8168ep"], at: STARTED, words: "0x0=10ab 0xd=1666 0x1e=20eb 0xc=210 0x19=fc00 0x1d=4000" },
  { space: "phy", on: [...RTL9151A, "rtl8125d-688"], at: STARTED, words: "0xa466=2" },
  { space: "phy", on: RTL9151A, at: STARTED, words: "0xac16=1 0xad0e=d" },
  { space: "phy", on: ["rtl8127a"], at: STARTED, words: "0xa442=8c" },
  { space: "phy", on: RTL8126A, at: STARTED, words: "0xa442=80c 0xa654=800 0xad94=20 0xad9c=20 0xada0=2 0xade8=1400 0xae06=7c00 0xb54c=3700" },
  { space: "phy", on: ["rtl8126a-64a"], at: STARTED, words: "0xa430=3 0xad1c=100 0xad2c=8000 0xb648=4040" },
  { space: "phy", on: ["rtl8126a-649"], at: STARTED, words:
    "0xa80c=80 0xac1a=db 0xac36=1000 0xac3a=5851 0xac3c=2000 0xac42=1c5 0xacf8=c 0xade4=1b5 0xb648=4000 " +
    "0xbd96=1000 0xbf1c=7 0xbf40=280 0xbf90=6c" },
  { space: "phy", on: [...LATER_8125D, "rtl8125d-688"], at: STARTED, words: "0xa442=88c 0xa430=1001 0xac7e=b4 0xbc80=5 0xbc82=fc5c" },
  { space: "phy", on: ["rtl8125d-688"], at: STARTED, words:
    "0xa42c=2 0xa846=80 0xa864=c0 0xac50=1e8 0xad66=7 0xad68=8502 0xad6a=7000 0xb106=100 0xb206=200 " +
    "0xb306=300 0xbc3a=6 0xbf8e=2800 0xbf94=5 0xbf96=8000 0xbfa0=5500 0xbfa2=9d00" },
  { space: "phy", on: [...RTL8125A, ...RTL8125B], at: STARTED, words: "0xa424=8" },
  { space: "phy", on: RTL8125A, at: STARTED, words: "0xb88e=c090 0xb890=6e12 0xb896=1 0xc416=500" },
  { space: "phy", on: ["rtl8168ep"], at: STARTED, words: "0xbc84=0 0xbcd8=0" },
  { space: "phy", on: RTL8168H, at: STARTED, words: "0xa430=1" },
  { space: "phy", on: [...RTL8168GU, "rtl8411b"], at: STARTED, words: "0xbc82=5655 0xbcd8=1065" },
  { space: "phyMemory", on: RTL9151A, at: STARTED, words: "0x80b6=b6 0x80b7=c3 0x18079=44" },
  { space: "phyMemory", on: ["rtl8127a"], at: STARTED, words: "0x18fff=ff 0x183a5=4 0x183a6=4 0x183a7=4 0x183a8=4" },
  { space: "phyMemory", on: ["rtl8126a-64a"], at: STARTED, words:
    "0x8018=77 0x8567=3f 0x8568=3f 0x8569=2 0x856a=2 0x856b=3c 0x856c=3b 0x856d=a 0x856e=1c 0x8f9d=5 " +
    "0x8fa1=ed 0x8fa2=5 0x8fa3=2 0x8fa4=b 0x8fa6=d4 0x8fa7=1 0x8fa8=29 0x1807c=50 0x18082=5d 0x1809d=50 " +
    "0x189e9=ff 0x18ffd=1 0x18ffe=2 0x18fff=4" },
  { space: "phyMemory", on: RTL8126A, at: STARTED, words:
    "0x8183=59 0x18036=30 0x18078=30 0x180ef=c 0x1810f=1 0x18111=1 0x18118=7 0x1811a=7 0x1811c=5 0x1811d=1 " +
    "0x18122=c 0x18142=1 0x18144=1 0x1814b=11 0x1814d=11 0x1814f=b 0x18150=1 0x182a1=e 0x182a2=3 0x182a3=fe " +
    "0x182a4=3 0x182a5=ed 0x182a7=6 0x182a9=1a 0x182aa=3 0x182ab=f1 0x182ac=3 0x182ad=d8 0x182af=23 " +
    "0x182b1=54 0x182b2=3 0x182b3=22 0x182b5=dd 0x182b6=3 0x182b7=ab 0x182b8=3 0x182b9=dc 0x182bb=27 " +
    "0x182bd=e 0x182be=3 0x182bf=e5 0x182c0=3 0x182c1=f9 0x182c3=12 0x182c5=1 0x182c6=3 0x182c7=f1 0x182c8=3 " +
    "0x182c9=ed 0x182ca=3 0x182cb=ff 0x182cd=9 0x182ce=3 0x182cf=fe 0x182d1=b 0x182d3=21 0x182d4=3 0x182d5=f7 " +
    "0x182d6=3 0x182d7=b8 0x182d8=3 0x182d9=e0 0x182db=49 0x182dd=49 0x182de=3 0x182df=e0 0x182e0=3 " +
    "0x182e1=b8 0x182e2=3 0x182e3=f7 0x182e5=21 0x182e7=b 0x182e8=3 0x182e9=fe 0x182eb=9 0x182ec=3 0x182ed=ff " +
    "0x182ee=3 0x182ef=ed 0x1862c=12 0x18647=e6 0x1864b=9d" },
  { space: "phyMemory", on: ["rtl8126a-649"], at: STARTED, words:
    "0x8018=20 0x80bf=ed 0x80cd=10 0x80d1=c8 0x80d4=c8 0x80e1=10 0x80e2=cc 0x80e5=4f 0x80e6=c 0x8189=44 " +
    "0x818b=a8 0x818d=d6 0x818f=ec 0x8191=f6 0x8193=fc 0x8195=fe 0x8197=fe 0x8199=bc 0x819b=58 0x819d=2a " +
    "0x8387=47 0x843b=20 0x843d=20 0x8f98=3f 0x8f99=3f 0x8f9a=2 0x8f9b=2 0x8f9c=3c 0x8f9d=3b 0x8f9e=a " +
    "0x8f9f=1c 0x8fbd=a 0x8fbe=d 0x8fbf=9 0x18015=8 0x18031=33 0x1803d=7c 0x1803e=75 0x18052=37 0x18053=33 " +
    "0x18056=30 0x18057=77 0x18058=5a 0x1805e=bc 0x1805f=bc 0x18073=33 0x1807f=7c 0x18080=75 0x18094=37 " +
    "0x18095=33 0x18098=30 0x18099=77 0x1809a=5a 0x180a0=bc 0x180a1=bc 0x180f3=99 0x18126=c1 0x18321=11 " +
    "0x1839e=2f 0x183a4=66 0x183a6=66 0x183a7=1 0x183c0=66 0x183c2=66 0x183c3=1 0x183f2=8 0x183f8=66 " +
    "0x183fa=66 0x183fb=1 0x18414=66 0x18416=66 0x18417=1 0x1864a=e6 0x1893a=80 0x1893b=80 0x189cd=f " +
    "0x189ce=f 0x189cf=f 0x189d0=f 0x189d2=4 0x18fe1=1 0x18fe2=2 0x18fe3=4 0x18fea=2 0x18ff0=a5 0x18ff1=1 " +
    "0x18ff2=6 0x18ffb=1 0x18fff=7f" },
  { space: "phyMemory", on: LATER_8125D, at: STARTED, words: "0x8155=2 0x815c=2 0x180d6=ef 0x18fea=7 0x18feb=5" },
  { space: "phyMemory", on: [...LATER_8125D, "rtl8125d-688"], at: STARTED, words: "0x18103=74 0x18105=7a 0x18115=34 0x18117=3a" },
  { space: "phyMemory", on: ["rtl8125d-688"], at: STARTED, words:
    "0x8018=17 0x8019=1 0x80a6=49 0x80a7=9 0x80a8=5 0x80a9=b8 0x80b7=b3 0x80ba=8a 0x80bb=4 0x80bd=ca " +
    "0x80cb=bb 0x80ce=8a 0x80cf=4 0x80d1=ca 0x80de=7 0x80e1=f 0x814c=84 0x814d=55 0x814e=84 0x814f=a6 " +
    "0x815b=17 0x8163=6 0x8165=2 0x816a=5 0x8171=1f 0x81fa=54 0x8200=58 0x8fe4=5 0x8fe8=ed 0x8fe9=5 0x8fea=2 " +
    "0x8feb=b 0x8fed=d4 0x8fee=1 0x8fef=29 0x8ff1=70 0x8ff2=78 0x8ff3=5d 0x8ff4=78 0x8ff5=78 0x8ff6=62 " +
    "0x8ff7=14 0x180cb=3 0x1832c=5 0x1844d=2 0x18fe9=6 0x18feb=1" },
  { space: "phyMemory", on: RTL8125B, at: STARTED, words: "0x8170=d8 0x18015=1" },
  { space: "phyMemory", on: RTL8125A, at: STARTED, words: "0x18157=5 0x18159=7" },
  { space: "phyMemory", on: ["rtl8168g"], at: STARTED, words: "0x8088=92 0x8089=22 0x809a=80 0x809b=22 0x80a0=10" },
];
