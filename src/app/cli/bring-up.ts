/**
 * The session of `ferrule up`: brings a NIC up, shows its state, serves the control socket, and takes the NIC down at
 * the end.
 */
import { privileges } from "#sys/privileges.ts";
import { ControlServer, StillStarting } from "../control/up-control.ts";
import { applySettings, type Setting } from "../ethtool/settings.ts";
import type { MetricsAddress } from "../metrics/address.ts";
import { metricsOf } from "../metrics/families.ts";
import { MetricsServer } from "../metrics/server.ts";
import type { Session, SessionEvent, SessionOptions } from "../session.ts";
import { ThreadFailure } from "../worker-thread.ts";
import { Exit } from "./command.ts";
import { within } from "../limit.ts";
import { liveView } from "./live-view.ts";
import type { Level } from "./log.ts";
import { Reporter } from "./reporter.ts";
import type { Stop } from "./stop.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { eventLine, type UpEvent } from "./up-events.ts";

/** Refresh interval of the live view in milliseconds. */
const REDRAW = 200;
/** Time limit in milliseconds within which all threads must end. */
const CLOSING = 15_000;

export interface UpRequest {
  readonly session: SessionOptions;
  readonly interfaceName: string;
  /** The device as given on the command line. */
  readonly device: string;
  /** The far end of the wire; undefined if the wire belongs to another process. */
  readonly wire: string | undefined;
  readonly json: boolean;
  readonly level: Level;
  /** Address at which metrics are served. */
  readonly metrics?: MetricsAddress | undefined;
  /** Settings that are applied once the NIC is up, in the order of this list. */
  readonly settings?: readonly Setting[] | undefined;
  /** Called with the `up` event once the interface exists. */
  readonly onUp?: (event: UpEvent) => Promise<void>;
}

/**
 * Waits until a stop is requested, and resolves with the reason. @throws the session's error if the session ends by
 * itself
 */
const untilStopped = async (stop: Stop, failed: Promise<ThreadFailure>): Promise<string> => {
  const end = await Promise.race([stop.asked, failed]);
  if (end instanceof ThreadFailure) throw end;
  return end;
};

const DOWN = "down";
const linkOf = ({ up, speed, fullDuplex }: Extract<SessionEvent, { kind: "carrier" }>): string =>
  up ? `${speed} ${fullDuplex}` : DOWN;

/** Reports the events of a running session until a stop is requested or the session fails; then takes it down. */
const supervise = async (session: Session, stop: Stop, request: UpRequest, terminal: Terminal): Promise<void> => {
  const failed = Promise.withResolvers<ThreadFailure>();
  const { interfaceName, json, level, wire } = request;
  const reporter = new Reporter<UpEvent>(terminal.out, {
    json,
    level,
    lines: (event, stream) => [eventLine(interfaceName, event, stream)],
    about: { interface: interfaceName },
  });
  let reason = "failed";
  try {
    using showing = reporter;
    const up: UpEvent = {
      kind: "up",
      facts: session.facts,
      ...(wire === undefined ? {} : { wire }),
      pid: process.pid,
      privileges: privileges(),
    };
    showing.report(up);
    await applySettings(request.settings ?? [], session, (event) => reporter.report(event));
    await request.onUp?.(up);
    let link = DOWN;
    session.onEvent((event: SessionEvent) => {
      // A carrier event is reported only if the link differs from the one that was reported last. A new speed is
      // therefore reported, but a first event without a link is not.
      const before = link;
      if (event.kind === "carrier") link = linkOf(event);
      const isNew = event.kind !== "carrier" || link !== before;
      if (isNew) reporter.report(event);
      if (event.kind === "failed") failed.resolve(new ThreadFailure(event.error));
    });
    showing.watch({
      read: () => session.statistics(),
      draw: (reading, columns) => liveView({ facts: session.facts, wire, ...reading }, terminal.out, columns),
      redrawMillis: REDRAW,
    });
    reason = await untilStopped(stop, failed.promise);
  } finally {
    // When a machine is powered off, every process gets SIGTERM. In this case wake-up events stay enabled.
    await within(session.close({ wake: reason === "SIGTERM" }), `taking ${interfaceName} down`, CLOSING);
    reporter.report({ kind: "down", reason, statistics: session.statistics() });
  }
};

/** Runs `ferrule up`; `open` and `stop` are replaced in tests. */
export const bringUp = async (
  request: UpRequest,
  terminal: Terminal,
  open: (options: SessionOptions, stop: AbortSignal) => Promise<Session>,
  stop: Stop,
): Promise<Exit> => {
  const { interfaceName, device, wire } = request;
  const start = performance.now();
  const upSeconds = (): number => (performance.now() - start) / 1000;
  const ended = Promise.withResolvers<void>();
  const about = { interface: interfaceName, pid: process.pid };
  let session: Session | undefined;
  await using control = await ControlServer.open(interfaceName, {
    status: () => ({
      ...about,
      now: session?.interfaceName ?? interfaceName,
      device,
      wire,
      upSeconds: upSeconds(),
      facts: session?.facts,
      statistics: session?.statistics(),
    }),
    down: async () => {
      stop.ask("ferrule down");
      await ended.promise;
      return about;
    },
    operate: async (operation, argument, limitMillis) => {
      if (session === undefined) throw new StillStarting(interfaceName);
      return await session.operate(operation, argument, limitMillis);
    },
  });
  const scrape = (): string | undefined =>
    session && metricsOf({ session, ownWire: wire !== undefined, upSeconds: upSeconds() });
  // The metrics server is opened before the NIC is accessed, so that the NIC is not brought up if the server cannot
  // listen.
  await using metrics = request.metrics && (await MetricsServer.open(request.metrics, scrape));
  try {
    session = await open(request.session, stop.signal);
    await supervise(session, stop, request, terminal);
    return Exit.done;
  } finally {
    ended.resolve();
    // `ended` resolves before `control` is disposed, so that the reply to `down` is sent while the socket is still
    // open.
    void control;
    void metrics;
  }
};
