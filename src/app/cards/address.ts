/** Converts PCI addresses from the form that people type, such as "03:00.0", to the kernel's form, "0000:03:00.0". */

const ADDRESS = /^(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}):([01][0-9a-f])\.([0-7])$/i;

/** The kernel's name of the address (domain:bus:device.function); undefined if the text is not an address. */
export const parseAddress = (text: string): string | undefined => {
  const parts = ADDRESS.exec(text);
  if (parts === null) return undefined;
  const [, domain = "0000", bus, device, func] = parts;
  return `${domain}:${bus}:${device}.${func}`.toLowerCase();
};
