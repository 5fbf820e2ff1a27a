/** Errors of a client: the server rejected a request, was lost, or violated the protocol. */
import { FerruleError } from "#kit/errors.ts";
import { SystemError } from "#sys/errno.ts";
import { commandName, Refused } from "./protocol.ts";

const REFUSED_HINT = "The server does not support this: see its documentation or log.";
const IN_USE_HINT = "Another client uses the device: end that one first, or start another server.";

/** The reply to a request was an error number. */
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

/** The server has closed the connection or hangs, or this side is ending and no longer waits for the server. */
export class ServerLost extends FerruleError {
  readonly code = "DEVICE_GONE";
  readonly hint = "See what the server printed; start it again, then connect again.";
  constructor(name: string, what: string) {
    super(`${name}: ${what}`);
  }
}

/** The other end violates the protocol, or does not offer what this client needs. */
export class ProtocolBroken extends FerruleError {
  readonly code = "VFIO_USER_PROTOCOL";
  readonly hint =
    "The program at that socket is not a vfio-user server, has an error, or speaks another version of the protocol.";
  constructor(name: string, what: string) {
    super(`${name}: ${what}`);
  }
}
