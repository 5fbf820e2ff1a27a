/**
 * Settings that are applied once a NIC is up. They are written in ethtool's syntax and applied in order: `-G rx 1024;
 * -K tso off`.
 */
import { plainError } from "../plain-error.ts";
import type { Session, SessionEvent } from "../session.ts";
import { WrongUsage } from "../terminal/usage.ts";
import { type Call, carryOut, parseCall } from "./call.ts";

/** One setting: a call of ethtool, and the text from which it was parsed. */
export interface Setting {
  readonly typed: string;
  readonly call: Call;
}

const parseSetting = (typed: string, name: string): Setting => {
  const [flag = "", ...words] = typed.split(/\s+/);
  try {
    const call = parseCall([flag, name, ...words]);
    // This call rejects words that the flag does not accept.
    call.flag.argument(call.words);
    return { typed, call };
  } catch (error) {
    const { message, hint } = plainError(error);
    throw new WrongUsage(`"${typed}" is not a setting of ethtool: ${message.split("\n")[0]}`, hint);
  }
};

/** @throws {WrongUsage} for an unknown flag, and for words that the flag does not accept */
export const parseSettings = (text: string, name = "fe0"): readonly Setting[] =>
  text
    .split(";")
    .map((each) => each.trim())
    .filter((each) => each !== "")
    .map((each) => parseSetting(each, name));

/**
 * Applies the settings, one after the other. If the NIC rejects a setting, a warning is reported, the old setting
 * remains, and the next setting is tried.
 */
export const applySettings = async (
  settings: readonly Setting[],
  session: Pick<Session, "operate">,
  report: (event: SessionEvent) => void,
): Promise<void> => {
  for (const { typed, call } of settings) {
    const { exit, err } = await carryOut(call, (_, operation, argument) => session.operate(operation, argument));
    const [message = `exit code ${exit}`, hint = "See `ferrule ethtool --help`."] = err;
    if (exit === 0) report({ kind: "note", message: `set: ethtool ${typed}` });
    else report({ kind: "warning", message: `ethtool ${typed}: ${message}`, hint: hint.replace(/^hint: /, "") });
  }
};
