/** Event messages of the Precision Time Protocol, version 2, over Ethernet and over UDP (IEEE 1588). */
import { EVENT_MESSAGES } from "#chip/ptp.ts";
import { get16 } from "#wire/bigendian.ts";
import {
  dissect,
  DISSECTION_WORDS,
  ETHER_TYPE,
  PAYLOAD,
  PAYLOAD_LENGTH,
  PROTOCOL,
  TRANSPORT_LENGTH,
} from "#wire/dissect.ts";
import { Protocol } from "#wire/ipv4.ts";
import { DESTINATION_PORT, UDP_BYTES } from "#wire/udp.ts";

const PTP_TYPE = 0x88f7;
const EVENT_PORT = 319;
/** Length in bytes of the header that all messages have in common. */
const HEADER = 34;
const VERSION = 2;

const found = new Int32Array(DISSECTION_WORDS);

/** The message type, 0 to 3, of the frame of `length` bytes at `frame`; -1 if it is not an event message. */
export const eventMessageOf = (bytes: Uint8Array, frame: number, length: number): number => {
  dissect(bytes, frame, length, found);
  const at = frame + found[PAYLOAD]!;
  const overEthernet = found[ETHER_TYPE] === PTP_TYPE;
  const overUdp =
    found[PROTOCOL] === Protocol.udp &&
    found[TRANSPORT_LENGTH] === UDP_BYTES &&
    get16(bytes, at - UDP_BYTES + DESTINATION_PORT) === EVENT_PORT;
  if ((!overEthernet && !overUdp) || found[PAYLOAD_LENGTH]! < HEADER) return -1;
  const message = bytes[at]! & 0xf;
  return (bytes[at + 1]! & 0xf) === VERSION && message < EVENT_MESSAGES ? message : -1;
};
