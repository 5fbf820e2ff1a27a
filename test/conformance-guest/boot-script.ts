/** The script that a boot ROM executes. */

/** Size of the fetched file: so large that every descriptor of the rings is used hundreds of times. */
export const BLOB_BYTES = 8_000_000;

/** @param own the machine's address @param server the server from which the next script is fetched */
export const bootScript = (own: string, server: string): string =>
  [
    "#!ipxe",
    `set net0/ip ${own}`,
    "set net0/netmask 255.255.255.0",
    "ifopen net0",
    `chain http://${server}/script`,
    "",
  ].join("\n");
