/** Parses BDF, the PCI address of a card as `ferrule list` and `lspci` print it. */
import { parseAddress } from "../cards/address.ts";
import { WrongUsage } from "../terminal/usage.ts";

export const BDF = { placeholder: "BDF", summary: "the card's PCI address, such as 0000:03:00.0 or 03:00.0" } as const;

/** @throws {WrongUsage} */
export const parseBdf = (text: string): string => {
  const address = parseAddress(text);
  if (address === undefined)
    throw new WrongUsage(
      `invalid PCI address "${text}"`,
      "Use domain:bus:device.function, such as 0000:03:00.0: see `ferrule list`.",
    );
  return address;
};
