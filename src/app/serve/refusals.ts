/** Errors for requests that are valid, but that the served device cannot execute. */
import { FerruleError } from "#kit/errors.ts";

/** The request is about the client, but there is none. */
export class NoClient extends FerruleError {
  readonly code = "NO_CLIENT";
  readonly hint = "Start a guest with the arguments that `ferrule model serve` prints, then repeat the command.";
  constructor() {
    super("no client is connected");
  }
}

/** The client has not set up the device request interrupt, so it cannot be asked to release the device. */
export class UnplugIgnored extends FerruleError {
  readonly code = "UNPLUG_IGNORED";
  readonly hint = "Use `device_del` in QEMU's monitor, or remove the card with `fault removal`.";
  constructor(client: number) {
    super(`client ${client} does not listen for unplug requests`);
  }
}

/** The fault is in a part that this chip does not have. */
export class NoSuchPart extends FerruleError {
  readonly code = "NO_SUCH_PART";
  readonly hint: string;
  constructor(fault: string, chip: string, possible: readonly string[]) {
    super(`${fault} has no effect on ${chip}: this chip does not have these registers`);
    this.hint = `Faults of this chip: ${possible.join(", ")}.`;
  }
}
