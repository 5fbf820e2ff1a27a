/**
 * The first Linux release whose r8169 supports a chip. It is the release for which the commit was merged. Some older
 * `stable` kernels have the commit, too.
 */
import type { ChipKey } from "./chips.ts";

/** The oldest kernel of the conformance suite. It supports every chip that the tables below do not list. */
const OLDEST_TRIED = "5.10";

/** Chips whose commit is not known, with the oldest kernel of the conformance suite that supports them. */
const TRIED: Partial<Record<ChipKey, string>> = { rtl8125cp: "7.3" };

/**
 * The commits, in the order of the rows below (8125d-689 and 8168kd, which have one XID, share a commit): e6d6ca6e1204,
 * 3907f1ffc0ec, 69cb89981c7a, 39f59c72ad3a, 9b968bcab7a6, b3593df26ab1, b11bff90f2ad; for the RTL8127A, a commit of May
 * 2025; 1479493c91fc, d6eea0048bc3, 5e3c5a2b85da.
 */
const MERGED: Partial<Record<ChipKey, string>> = {
  "rtl8117-54b": "5.12",
  "rtl8126a-649": "6.9",
  "rtl8126a-64a": "6.12",
  rtl8168m: "6.10",
  "rtl8125d-688": "6.13",
  "rtl8125d-689": "6.14",
  rtl8168kd: "6.14",
  rtl8125bp: "6.14",
  rtl8127a: "6.16",
  rtl8125k: "6.19",
  rtl9151a: "6.19",
  rtl9151as: "7.0",
};

/** Linux treats this chip as an RTL8168H and never detects a link. No release had the fix when this was written. */
const UNSUPPORTED: ReadonlySet<ChipKey> = new Set(["rtl8116af"]);

/** "6.16": since that release. "≤5.10": that release supports it, perhaps earlier ones too. "–": no release does. */
export const linuxSince = (key: ChipKey): string =>
  UNSUPPORTED.has(key) ? "–" : (MERGED[key] ?? `≤${TRIED[key] ?? OLDEST_TRIED}`);
