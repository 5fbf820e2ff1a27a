/** Merges the segments of a TCP flow into a super-frame, so that the network stack is called once for many segments. */
import { SegmentRun } from "./segment-run.ts";
import { TcpView } from "./tcp-view.ts";

/** Number of flows that are merged concurrently. */
const FLOWS = 4;

/**
 * Receives merged and unmerged frames, during calls of the coalescer's methods; pieces are valid only during the call.
 */
export interface CoalescerSink {
  /** A frame that was not merged, unchanged. */
  single(offset: number, length: number, flags: number, tag: number): void;
  /** As `single`, for a frame in two pieces: headers, and payload at `payloadAt`. Required if such frames are added. */
  split?(offset: number, headerBytes: number, payloadAt: number, payloadBytes: number): void;
  /** Two or more frames, merged into one. The header in the first piece was updated in place. */
  run(run: SegmentRun): void;
}

export interface CoalescerOptions {
  /** The memory of the frames. Starts on a 4-byte boundary of its buffer. */
  readonly bytes: Uint8Array;
  readonly sink: CoalescerSink;
  /**
   * The TCP checksum of a merged frame.
   *
   * "carry": the segments were not verified. The merged frame's checksum is computed from their checksum fields, not
   * from the payload. It is correct if and only if the checksums of all segments are, so a receiver that verifies the
   * merged frame verifies every segment.
   *
   * "partial": only segments added with `verified` are merged. The field then contains the sum of the pseudo header, as
   * in frames that network stacks do not verify (Linux: CHECKSUM_PARTIAL).
   */
  readonly checksum: "carry" | "partial";
}

/**
 * Invariants: frames of one flow are passed on in order; a frame in which `TcpView` finds no TCP segment is passed on
 * after all frames before it; payload is never read or written.
 */
export class Coalescer {
  readonly #sink: CoalescerSink;
  readonly #carry: boolean;
  readonly #view: TcpView;
  readonly #runs: readonly SegmentRun[];
  /** The run of the last segment; usually the next segment belongs to the same run. */
  #recent: SegmentRun;
  /** Whether the last frame was added to the recent run. */
  #joined = false;
  /** Index of the run that is ended next when a frame needs a run and all runs are in use. */
  #victim = 0;

  constructor(options: CoalescerOptions) {
    this.#sink = options.sink;
    this.#carry = options.checksum === "carry";
    this.#view = new TcpView(options.bytes);
    this.#runs = Array.from({ length: FLOWS }, () => new SegmentRun(this.#view, this.#carry));
    this.#recent = this.#runs[0]!;
  }

  /**
   * Adds a frame of `length` bytes at `offset`, which must not change until the next `flush` has returned.
   * @param verified whether the NIC found the TCP checksum correct; ignored in "carry" mode
   * @param flags passed to the sink, not interpreted
   * @param tag passed to the sink; only frames with equal tags are merged
   */
  add(offset: number, length: number, verified: boolean, flags: number, tag: number): void {
    const run = this.#recent;
    if (run.segments === 0 || !(this.#carry || verified) || !run.extend(offset, length, tag, 0)) {
      this.#joined = this.#sort(offset, length, verified, flags, tag, 0, 0);
      return;
    }
    this.#joined = true;
    if (run.complete) this.#end(run);
  }

  /**
   * As `add`, for a TCP segment whose payload is at `payloadAt` of the same memory. Only for "carry" mode; the frame
   * has no `tag`.
   */
  addSplit(offset: number, headerBytes: number, payloadAt: number, payloadBytes: number): void {
    const length = (headerBytes + payloadBytes) | 0;
    this.#joined = this.#sort(offset, length, true, 0, -1, headerBytes, (payloadAt - offset - headerBytes) | 0);
  }

  /**
   * As `add`, for a frame that is known to be the next segment of the super-frame to which the last added frame
   * belongs. Returns false, without effect, if the frame cannot be merged. Only for "carry" mode.
   */
  follow(offset: number, length: number): boolean {
    return this.#follow(offset, length, 0);
  }

  /** As `follow`, for a segment whose payload is at `payloadAt`. */
  followSplit(offset: number, headerBytes: number, payloadAt: number, payloadBytes: number): boolean {
    return this.#follow(offset, (headerBytes + payloadBytes) | 0, (payloadAt - offset - headerBytes) | 0);
  }

  /** Passes on all frames that were held. */
  flush(): void {
    for (let i = 0; i < FLOWS; i++) {
      const run = this.#runs[i]!;
      if (run.segments > 0) this.#end(run);
    }
  }

  #follow(offset: number, length: number, gap: number): boolean {
    const run = this.#recent;
    if (!this.#joined || run.segments === 0 || !run.follow(offset, length, gap)) return false;
    if (run.complete) this.#end(run);
    return true;
  }

  /** Adds the frame to a run, and returns true. If it cannot be merged, passes it on and returns false. */
  #sort(
    offset: number,
    length: number,
    verified: boolean,
    flags: number,
    tag: number,
    headerBytes: number,
    gap: number,
  ): boolean {
    const view = this.#view;
    if (!view.parse(offset, length)) {
      this.flush();
      this.#emitSingle(offset, length, flags, tag, headerBytes, gap);
      return false;
    }
    const mergeable = this.#carry || verified;
    let run = this.#find(view, tag);
    if (run !== undefined) {
      this.#recent = run;
      if (mergeable && run.extend(offset, length, tag, gap)) {
        if (run.complete) this.#end(run);
        return true;
      }
      this.#end(run);
    }
    if (!mergeable || !view.isPlainData() || view.isPushed() || !view.hasGoodIpChecksum()) {
      this.#emitSingle(offset, length, flags, tag, headerBytes, gap);
      return false;
    }
    run ??= this.#free();
    run.begin(view, length, flags, tag, gap);
    this.#recent = run;
    return true;
  }

  #find(view: TcpView, tag: number): SegmentRun | undefined {
    for (let i = 0; i < FLOWS; i++) {
      const run = this.#runs[i]!;
      if (run.segments > 0 && run.isFlowOf(view, tag)) return run;
    }
    return undefined;
  }

  /** Returns an unused run. If all are in use, it ends one of them, in turn, and returns that one. */
  #free(): SegmentRun {
    for (let i = 0; i < FLOWS; i++) {
      const run = this.#runs[i]!;
      if (run.segments === 0) return run;
    }
    const run = this.#runs[this.#victim]!;
    this.#victim = (this.#victim + 1) % FLOWS;
    this.#end(run);
    return run;
  }

  #end(run: SegmentRun): void {
    if (run.segments === 1) this.#emitSingle(run.offset, run.length, run.flags, run.tag, run.headerBytes, run.gap);
    else {
      run.seal();
      this.#sink.run(run);
    }
    run.segments = 0;
  }
  #emitSingle(offset: number, length: number, flags: number, tag: number, headerBytes: number, gap: number): void {
    if (gap === 0) this.#sink.single(offset, length, flags, tag);
    else this.#sink.split?.(offset, headerBytes, offset + headerBytes + gap, length - headerBytes);
  }
}
