/** VLAN tags (IEEE 802.1Q): four bytes between the addresses and the EtherType. */
import { get16, put16 } from "./bigendian.ts";

/** Where a tag's protocol identifier lies in a frame, and the tag control information behind it. */
export const TAG = 12;
export const TAG_CONTROL = 14;
export const TAG_BYTES = 4;
/** More tags than this are not looked through. */
export const MAX_TAGS = 2;

const CUSTOMER = 0x8100;
const SERVICE = 0x88a8;
const ADDRESSES = 12;

/** Whether an EtherType announces a tag. */
export const isVlan = (etherType: number): boolean => etherType === CUSTOMER || etherType === SERVICE;

/** Tag control information of a frame's outermost customer tag, 0 to 0xffff, or -1 when it has none. */
export const tagOf = (bytes: Uint8Array, frame: number, length: number): number =>
  length < TAG_CONTROL + 4 || get16(bytes, frame + TAG) !== CUSTOMER ? -1 : get16(bytes, frame + TAG_CONTROL);

/**
 * Takes the outermost tag out by moving the addresses four bytes up. The frame then starts at `frame + TAG_BYTES` and is
 * that much shorter. Call only when `tagOf` found a tag.
 */
export const removeTag = (bytes: Uint8Array, frame: number): void => {
  bytes.copyWithin(frame + TAG_BYTES, frame, frame + ADDRESSES);
};

/**
 * Puts a tag in by moving the addresses four bytes down. The frame then starts at `frame - TAG_BYTES`, which must lie in
 * `bytes`, and is that much longer.
 */
export const insertTag = (bytes: Uint8Array, frame: number, control: number): void => {
  bytes.copyWithin(frame - TAG_BYTES, frame, frame + ADDRESSES);
  buildTag(bytes, frame - TAG_BYTES + TAG, control);
};

/** Writes a customer tag; returns where it ends, which is where the EtherType belongs. */
export const buildTag = (bytes: Uint8Array, at: number, control: number): number => {
  put16(bytes, at, CUSTOMER);
  put16(bytes, at + 2, control);
  return at + TAG_BYTES;
};
