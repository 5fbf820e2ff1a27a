/** For tests of `src/host`: a link that records sent frames and delivers prepared ones. */
import assert from "node:assert/strict";
import {
  FRAME_FLAGS,
  FRAME_LENGTH,
  FRAME_OFFSET,
  FRAME_TAG,
  FRAME_WORDS,
  type Link,
  Received,
  Send,
  emptyBurst,
} from "#kit/link.ts";
import { memoryOf } from "#wire/memory.ts";

interface Sent {
  readonly frame: Uint8Array;
  readonly fragments: number[];
  readonly flags: number;
  readonly tag: number;
}

export class RecordingLink implements Link {
  readonly memory = memoryOf(new Uint8Array(1 << 20));
  readonly bufferBytes = 2048;
  readonly burst = emptyBurst();
  readonly frames: Sent[] = [];
  /** Number of fragments that the link still accepts; completed fragments increase it. */
  room = Infinity;
  /** Maximum number of fragments that one call of `sent` completes. */
  pace = Infinity;
  #pending = 0;
  #completed = 0;
  #arrived: number[] = [];
  #place = 512 << 10;

  transmit(first: number, count: number): number {
    const { burst } = this;
    let taken = 0;
    while (taken < count) {
      const at = (first + taken) * FRAME_WORDS;
      let parts = 1;
      while ((burst[at + (parts - 1) * FRAME_WORDS + FRAME_FLAGS]! & Send.more) !== 0) parts++;
      assert.ok(taken + parts <= count, "a frame without its end");
      if (parts > this.room) break;
      this.room -= parts;
      const words = burst.slice(at, at + parts * FRAME_WORDS);
      const fragments = Array.from({ length: parts }, (_, i) => words[i * FRAME_WORDS + FRAME_LENGTH]!);
      const frame = Array.from({ length: parts }, (_, i) => words[i * FRAME_WORDS + FRAME_OFFSET]!).flatMap((o, i) => [
        ...this.memory.bytes.subarray(o, o + fragments[i]!),
      ]);
      this.#pending += parts;
      this.frames.push({
        frame: Uint8Array.from(frame),
        fragments,
        flags: words[FRAME_FLAGS]! & ~Send.more,
        tag: words[FRAME_TAG]!,
      });
      taken += parts;
    }
    return taken;
  }

  sent(): number {
    const count = Math.min(this.pace, this.#pending);
    this.#pending -= count;
    this.#completed += count;
    this.room += count;
    return this.#completed;
  }

  supply(): number {
    return 0;
  }

  /** Delivers a frame in as many buffers as it needs. */
  arrive(frame: Uint8Array, flags: number, tag = 0): void {
    for (let at = 0; at < frame.length; at += this.bufferBytes) {
      const piece = frame.subarray(at, at + this.bufferBytes);
      this.memory.bytes.set(piece, this.#place);
      const more = at + piece.length < frame.length ? Received.more : 0;
      this.#arrived.push(this.#place, piece.length, flags | more, tag);
      // The buffers are not adjacent.
      this.#place += 2 * this.bufferBytes;
    }
  }

  receive(first: number, budget: number): number {
    const words = this.#arrived.splice(0, budget * FRAME_WORDS);
    this.burst.set(words, first * FRAME_WORDS);
    return words.length / FRAME_WORDS;
  }
}
