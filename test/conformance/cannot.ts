/** The conformance tests that a chip cannot pass, and the reason. */
import type { Chip } from "#chip/chips.ts";

/** The titles of the tests that the chip cannot pass, each with the reason, derived from the chip's profile. */
export const cannot = ({ name, largestMtu, profile: { frames } }: Chip): Readonly<Record<string, string>> => {
  const ipv4Alone = `${name} computes checksums and segments frames only for IPv4`;
  return {
    ...(largestMtu >= 9000
      ? {}
      : {
          "frames up to 9 KiB pass in both directions once the MTU allows them": `${name} does not support frames of 9 KiB`,
        }),
    ...(frames.reportsIpVersion
      ? {}
      : {
          "the NIC fills in the TCP checksum over IPv6": ipv4Alone,
          "the NIC fills in the UDP checksum over IPv6": ipv4Alone,
          "the NIC segments a super-frame over IPv6 with correct headers": ipv4Alone,
          "reports whether the TCP checksum over IPv6 is correct": ipv4Alone,
          "reports whether the UDP checksum over IPv6 is correct": ipv4Alone,
          "every combination of checksum, segmentation and fragments, over IPv6, untagged": ipv4Alone,
          "every combination of checksum, segmentation and fragments, over IPv6, tagged": ipv4Alone,
          "every combination of checksum, segmentation and fragments, over IPv6, stacked": ipv4Alone,
        }),
    ...(frames.transmitFormat === 1
      ? {
          "every combination of checksum, segmentation and fragments, over IPv4, stacked": `${name} finds the headers itself, so the driver processes frames that contain a tag in software`,
        }
      : {}),
    ...(frames.allMulticastOnly
      ? {
          "receives the configured groups and no others, also after an MTU change": `${name} has no working multicast hash`,
        }
      : {}),
  };
};
