/** The start-up sequences of each chip. */
import type { ChipKey } from "./chips.ts";
import { START_8125A } from "./start/8125a.ts";
import { START_8125B } from "./start/8125b.ts";
import { START_8125BP, START_8125CP } from "./start/8125bp.ts";
import { START_8125D_688, START_8125D_689, START_9151A } from "./start/8125d.ts";
import { START_8126A_649, START_8126A_64A } from "./start/8126.ts";
import { START_8127A } from "./start/8127.ts";
import {
  START_8168C_3C0,
  START_8168C_3C2,
  START_8168C_3C3,
  START_8168C_3CX,
  START_8168CP_3C8,
  START_8168CP_3C9,
  START_8168CP_3CX,
} from "./start/8168c.ts";
import { START_8102E_348, START_8102E_349, START_8102E_34X, START_8168B, START_8401 } from "./start/8168b.ts";
import { START_8169S, START_8169SB, START_8169SC_180, START_8169SC_980 } from "./start/8169.ts";
import { START_8117_54A, START_8117_54B, START_8168EP } from "./start/8168ep.ts";
import { START_8139CP } from "./start/8139cp.ts";
import { START_8168G, START_8168GU, START_8411B } from "./start/8168g.ts";
import { START_8168H, START_8168H_100, START_8168H_300, START_8168M } from "./start/8168h.ts";
import { START_8105E_408, START_8105E_409, START_8106E, START_8402 } from "./start/8105e.ts";
import { START_8168D_280, START_8168D_281, START_8168DP_28A, START_8168DP_28B } from "./start/8168d.ts";
import { START_8168E, START_8168EVL, START_8168F_480, START_8168F_481, START_8411 } from "./start/8168e.ts";
import type { Start } from "./steps.ts";

/** A chip without known start-up values. */
const NOTHING: Start = { mac: [], phy: [] };

export const STARTS: Readonly<Record<ChipKey | "rtl8139cp", Start>> = {
  rtl8139cp: START_8139CP,
  rtl8168g: START_8168G,
  rtl8168gu: START_8168GU,
  rtl8106eus: START_8168GU,
  rtl8411b: START_8411B,
  rtl8168h: START_8168H,
  // Realtek's drivers start the next two steppings in a way of their own; Linux starts them like the other steppings.
  "rtl8168h-100": START_8168H_100,
  "rtl8168h-300": START_8168H_300,
  rtl8116af: START_8168H,
  rtl8107e: START_8168H,
  rtl8168m: START_8168M,
  rtl8168ep: START_8168EP,
  "rtl8117-54a": START_8117_54A,
  "rtl8117-54b": START_8117_54B,
  rtl8169s: START_8169S,
  rtl8110s: START_8169S,
  rtl8169sb: START_8169SB,
  "rtl8169sc-180": START_8169SC_180,
  "rtl8169sc-980": START_8169SC_980,
  rtl8168b: START_8168B,
  rtl8101e: NOTHING,
  rtl8401: START_8401,
  "rtl8102e-248": START_8102E_348,
  "rtl8102e-348": START_8102E_348,
  "rtl8102e-249": START_8102E_349,
  "rtl8102e-349": START_8102E_349,
  "rtl8102e-24x": START_8102E_34X,
  "rtl8102e-34x": START_8102E_34X,
  "rtl8168c-3c0": START_8168C_3C0,
  "rtl8168c-3c2": START_8168C_3C2,
  "rtl8168c-3c3": START_8168C_3C3,
  "rtl8168c-3cx": START_8168C_3CX,
  "rtl8168cp-3c8": START_8168CP_3C8,
  "rtl8168cp-3c9": START_8168CP_3C9,
  "rtl8168cp-3cx": START_8168CP_3CX,
  "rtl8168d-280": START_8168D_280,
  "rtl8168d-281": START_8168D_281,
  "rtl8168dp-28a": START_8168DP_28A,
  "rtl8168dp-28b": START_8168DP_28B,
  "rtl8168e-2c0": START_8168E,
  "rtl8168e-2c1": START_8168E,
  rtl8168evl: START_8168EVL,
  "rtl8168f-480": START_8168F_480,
  "rtl8168f-481": START_8168F_481,
  rtl8411: START_8411,
  "rtl8105e-408": START_8105E_408,
  "rtl8105e-409": START_8105E_409,
  rtl8402: START_8402,
  rtl8106e: START_8106E,
  rtl8125a: START_8125A,
  "rtl8168kb-609": START_8125A,
  rtl8125b: START_8125B,
  rtl8168kb: START_8125B,
  rtl8125bp: START_8125BP,
  rtl8125cp: START_8125CP,
  "rtl8125d-688": START_8125D_688,
  "rtl8125d-689": START_8125D_689,
  rtl8168kd: START_8125D_689,
  rtl8125k: START_8125D_689,
  rtl9151a: START_9151A,
  rtl9151as: START_9151A,
  "rtl8126a-649": START_8126A_649,
  "rtl8126a-64a": START_8126A_64A,
  rtl8127a: START_8127A,
};
