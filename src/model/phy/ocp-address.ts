/** Addresses of the PHY-OCP and MAC-OCP spaces. */

/** The even address in bits 30:15 of a command word. */
export const ocpAddress = (command: number): number => (command >>> 15) & 0xfffe;
