/** VLAN tags (IEEE 802.1Q): four bytes between the addresses and the EtherType. */
import { get16, put16 } from "./bigendian.ts";

/** Offsets of a tag's protocol identifier and of the tag control information. */
export const TAG = 12;
export const TAG_CONTROL = 14;
export const TAG_BYTES = 4;
/** Largest number of tags that are skipped. */
export const MAX_TAGS = 2;

const CUSTOMER = 0x8100;
const SERVICE = 0x88a8;
const ADDRESSES = 12;

/** Whether an EtherType denotes a VLAN tag. */
export const isVlan = (etherType: number): boolean => etherType === CUSTOMER || etherType === SERVICE;

/**
 * Tag control information of a frame's outermost tag, 0 to 0xffff; -1 if there is no tag or it is not a customer tag.
 */
export const tagOf = (bytes: Uint8Array, frame: number, length: number): number =>
  length < TAG_CONTROL + 4 || get16(bytes, frame + TAG) !== CUSTOMER ? -1 : get16(bytes, frame + TAG_CONTROL);

/**
 * Removes the outermost tag by moving the addresses up by four bytes. The frame then starts at `frame + TAG_BYTES`, and
 * is shorter by `TAG_BYTES`. Call only if `tagOf` found a tag.
 */
export const removeTag = (bytes: Uint8Array, frame: number): void => {
  bytes.copyWithin(frame + TAG_BYTES, frame, frame + ADDRESSES);
};

/**
 * Inserts a tag by moving the addresses down by four bytes. The frame then starts at `frame - TAG_BYTES`, which must be
 * inside `bytes`, and is longer by `TAG_BYTES`.
 */
export const insertTag = (bytes: Uint8Array, frame: number, control: number): void => {
  bytes.copyWithin(frame - TAG_BYTES, frame, frame + ADDRESSES);
  buildTag(bytes, frame - TAG_BYTES + TAG, control);
};

/** Writes a customer tag; returns the offset of its end, where the EtherType follows. */
export const buildTag = (bytes: Uint8Array, at: number, control: number): number => {
  put16(bytes, at, CUSTOMER);
  put16(bytes, at + 2, control);
  return at + TAG_BYTES;
};
