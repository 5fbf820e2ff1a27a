/** Addresses of the OCP spaces, PHY and MAC controller. */

/** The even address in bits 30:15 of a command word. */
export const ocpAddress = (command: number): number => (command >>> 15) & 0xfffe;
