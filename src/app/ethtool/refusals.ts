/** Errors about words of a command line that ethtool itself does not check, but the kernel rejects. */
import { FerruleError } from "#kit/errors.ts";

/** There is no feature of this name. */
export class BadFeature extends FerruleError {
  readonly code = "BAD_FEATURE";
  readonly hint: string;
  constructor(name: string) {
    super("bit name not found");
    this.hint = `There is no feature "${name}". \`ferrule ethtool -k\` lists them.`;
  }
}
