/** This machine's connections to other machines: open TCP connections, and remote storage. */
import { join } from "node:path";
import { type Files, namesIn, textOf } from "./files.ts";
import { addressBytes, addressOfWords, isLoopback } from "./ip-address.ts";

export interface Connection {
  readonly local: Uint8Array;
  readonly peer: Uint8Array;
  readonly peerPort: number;
}

/** The state number of an open connection (include/net/tcp_states.h). */
const ESTABLISHED = "01";

const ipAndPort = (text = ""): [Uint8Array, number] | undefined => {
  const [words = "", port = ""] = text.split(":");
  const address = addressOfWords(words);
  return address === undefined ? undefined : [address, Number.parseInt(port, 16)];
};

/**
 * The open TCP connections, including the kernel's own. The columns of proc_net_tcp(5) are number, local address,
 * remote address, state, …
 */
export const openConnections = (files: Files): readonly Connection[] => {
  const lines = ["tcp", "tcp6"].flatMap((name) => (textOf(join(files.proc, "self/net", name)) ?? "").split("\n"));
  return lines.flatMap((line) => {
    const [, near, far, state] = line.trim().split(/\s+/);
    const [local, peer] = [ipAndPort(near), ipAndPort(far)];
    if (local === undefined || peer === undefined || state !== ESTABLISHED || isLoopback(peer[0])) return [];
    return [{ local: local[0], peer: peer[0], peerPort: peer[1] }];
  });
};

/** A disk or file system that is on another machine. */
export interface Storage {
  /** Description for messages, such as "the root file system (nfs4)". */
  readonly what: string;
  readonly servers: readonly Uint8Array[];
}

const addresses = (...texts: readonly (string | undefined)[]): readonly Uint8Array[] =>
  texts.map((text) => addressBytes(text?.replace(/^\[|\]$/g, "") ?? "")).filter((bytes) => bytes !== undefined);

/**
 * File systems on other machines, from proc_mounts(5). Its columns are device, mount point, type, options, …. These
 * file systems are listed in addition to connections, because an idle NFS client closes its connection.
 */
const mounts = (files: Files): readonly Storage[] =>
  (textOf(join(files.proc, "self/mounts")) ?? "").split("\n").flatMap((line) => {
    const [, place = "", type = "", options = ""] = line.split(" ");
    const servers = addresses(...[...options.matchAll(/(?:^|,)(?:addr|mountaddr)=([^,]+)/g)].map(([, found]) => found));
    if (servers.length === 0) return [];
    const what = place === "/" ? "the root file system" : `the file system at ${place}`;
    return [{ what: `${what} (${type})`, servers }];
  });

const iscsi = (files: Files): readonly Storage[] => {
  const folder = join(files.sys, "class/iscsi_connection");
  return namesIn(folder).map((name) => ({
    what: "an iSCSI disk",
    servers: addresses(textOf(join(folder, name, "address")), textOf(join(folder, name, "persistent_address"))),
  }));
};

/** NVMe disks over TCP or RDMA. The kernel writes their address as "traddr=10.0.0.1,trsvcid=4420". */
const nvme = (files: Files): readonly Storage[] => {
  const folder = join(files.sys, "class/nvme");
  return namesIn(folder).map((name) => ({
    what: `the NVMe disk ${name}`,
    servers: addresses(/\btraddr=([^,]+)/.exec(textOf(join(folder, name, "address")) ?? "")?.[1]),
  }));
};

export const remoteStorage = (files: Files): readonly Storage[] => [...mounts(files), ...iscsi(files), ...nvme(files)];
