/** Names of this machine and its users, and serial numbers, which a report must not contain. */
import { hostname, userInfo } from "node:os";
import { join } from "node:path";
import { type Files, textOf } from "../cards/files.ts";
import type { KnownNames } from "./sweep.ts";

/** Names that identify nobody, because many machines have them. */
const NOBODYS = /^(root|nobody|localhost|localdomain|\(none\)|user|ferrule|linux|debian|ubuntu|default|none|.?)$/i;

/** The fields of the firmware's DMI table that are specific to this machine. */
const SERIALS = [
  "product_serial",
  "board_serial",
  "chassis_serial",
  "product_uuid",
  "chassis_asset_tag",
  "board_asset_tag",
];
/** Matches what vendors write in place of a serial number. */
const PLACEHOLDER =
  /^(none|n\/?a|0+|default.*|to be filled.*|not .*|system .*|chassis .*|base board .*|no asset.*|x+)$/i;

const user = (): string => {
  try {
    return userInfo().username;
  } catch {
    return "";
  }
};

export const knownOf = (files: Files, environment: NodeJS.ProcessEnv): KnownNames => {
  const host = hostname();
  const domain = textOf(join(files.proc, "sys/kernel/domainname")) ?? "";
  const users = ["USER", "LOGNAME", "SUDO_USER", "DOAS_USER"].map((name) => environment[name] ?? "");
  const names = [host, ...host.split(".", 1), domain, user(), ...users];
  const serials = SERIALS.map((name) => textOf(join(files.sys, "class/dmi/id", name)) ?? "");
  return {
    names: [...new Set(names)].filter((name) => !NOBODYS.test(name)),
    serials: [...new Set(serials)].filter((serial) => serial.length >= 4 && !PLACEHOLDER.test(serial)),
  };
};
