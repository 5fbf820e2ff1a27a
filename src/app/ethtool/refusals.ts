/** Words of a command line that ethtool leaves to the kernel, which refuses them. */
import { FerruleError } from "#kit/errors.ts";

/** No feature has this name. */
export class BadFeature extends FerruleError {
  readonly code = "BAD_FEATURE";
  readonly hint: string;
  constructor(name: string) {
    super("bit name not found");
    this.hint = `There is no feature "${name}". \`ferrule ethtool -k\` shows their names.`;
  }
}
