/** A server refused a request, or broke the protocol. */
import { FerruleError } from "#kit/errors.ts";
import { SystemError } from "#sys/errno.ts";
import { commandName, Refused } from "./protocol.ts";

const REFUSED_HINT = "The device does not offer this: see what its server says of itself.";
const IN_USE_HINT = "Another client has the device: end that one first, or start a server for this one.";

/** A request was answered with an error number. */
export class RequestRefused extends FerruleError {
  readonly code = "VFIO_USER_REFUSED";
  readonly hint: string;
  readonly errno: number;
  constructor(name: string, command: number, errno: number) {
    super(`${name} refused: ${new SystemError({ errno, syscall: commandName(command) }).message}`);
    this.errno = errno;
    this.hint = errno === Refused.EBUSY ? IN_USE_HINT : REFUSED_HINT;
  }
}

/** The server does not answer any more: it has gone, or it hangs. Or it was not waited for, as this side was to end. */
export class ServerLost extends FerruleError {
  readonly code = "DEVICE_GONE";
  readonly hint = "See what the server printed; start it again, then connect again.";
  constructor(name: string, what: string) {
    super(`${name}: ${what}`);
  }
}

/** The other end does not speak the protocol as it should. */
export class ProtocolBroken extends FerruleError {
  readonly code = "VFIO_USER_PROTOCOL";
  readonly hint = "Whoever listens there is no vfio-user server, or one that is broken or of another version.";
  constructor(name: string, what: string) {
    super(`${name}: ${what}`);
  }
}
