/** The SSH session in which a command was started. */
import { join } from "node:path";
import { type Files, textOf } from "./files.ts";
import { addressBytes } from "./ip-address.ts";

/** One end of a session: an address, and the interface if the address is link-local. */
export interface End {
  readonly text: string;
  readonly address: Uint8Array | undefined;
  readonly zone: string | undefined;
}

export interface SshSession {
  readonly client: End;
  readonly clientPort: number;
  readonly server: End;
}

/** Maximum number of parent processes that are examined. */
const MAX_PARENTS = 32;

/** SSH_CONNECTION of this process or, because `sudo` does not pass this variable on, of a parent process. */
const sshConnection = (files: Files, environment: NodeJS.ProcessEnv): string | undefined => {
  const own = environment["SSH_CONNECTION"];
  if (own !== undefined) return own;
  let pid = "self";
  for (let generation = 0; generation < MAX_PARENTS; generation++) {
    const words = (textOf(join(files.proc, pid, "environ")) ?? "").split("\0");
    const found = words.find((word) => word.startsWith("SSH_CONNECTION="));
    if (found !== undefined) return found.slice("SSH_CONNECTION=".length);
    const parent = /^PPid:\s*(\d+)/m.exec(textOf(join(files.proc, pid, "status")) ?? "")?.[1];
    if (parent === undefined || Number(parent) <= 1) return undefined;
    pid = parent;
  }
  return undefined;
};

const endOf = (text: string): End => {
  const [address = "", zone] = text.split("%");
  return { text: address.toLowerCase(), address: addressBytes(address), zone };
};

/** Parses SSH_CONNECTION, which is "client port server port". A link-local address has its interface as zone. */
export const sshSession = (files: Files, environment: NodeJS.ProcessEnv): SshSession | undefined => {
  const [client, port, server] = (sshConnection(files, environment) ?? "").split(" ");
  if (client === undefined || port === undefined || server === undefined) return undefined;
  return { client: endOf(client), clientPort: Number(port), server: endOf(server) };
};
