/**
 * `ferrule up` with a card behind VFIO and with the model, in one guest: the additional start-up time of a card. An
 * emulated processor is slow at running new code, so only the ratio applies to a real machine. `bench/up.ts` measures
 * the model on a real machine.
 */
import { noVfio } from "../test/vfio/available.ts";
import { card, Machine, type Up } from "../test/vfio/machine.ts";
import { CannotMeasure, type Bench, type BenchOptions, type Report, type Row } from "./bench.ts";
import { spread, summarize } from "./statistics.ts";

const DEFAULT_ROUNDS = 5;
const CARD = "0000:00:05.0";
const MODEL = "model:rtl8168h";
const INTERFACE = "fe0";

/** The times of both devices in one round, measured some seconds apart. */
interface Round {
  readonly model: Up;
  readonly card: Up;
}

const startOnce = async (machine: Machine, device: string): Promise<Up> => {
  const up = await machine.up(device, INTERFACE);
  await machine.mustRun(`down ${INTERFACE}`);
  return up;
};

const measure = async (machine: Machine, modelFirst: boolean): Promise<Round> => {
  if (!modelFirst) {
    const up = await startOnce(machine, CARD);
    return { model: await startOnce(machine, MODEL), card: up };
  }
  const model = await startOnce(machine, MODEL);
  return { model, card: await startOnce(machine, CARD) };
};

const rowOf = (of: "model" | "card", rounds: readonly Round[]): Row => ({
  device: of === "model" ? MODEL : "QEMU's rtl8139",
  "carrier ms": spread(summarize(rounds.map((round) => round[of].carrierMillis)), 0),
  "of these after up": spread(summarize(rounds.map((round) => round[of].linkMillis)), 0),
  "times the model's": spread(summarize(rounds.map((round) => round[of].carrierMillis / round.model.carrierMillis)), 2),
});

const run = async (options: BenchOptions): Promise<Report> => {
  const why = noVfio();
  if (why !== false) throw new CannotMeasure(`no guest with VFIO here: ${why}`, "See test/vfio/available.ts.");
  await using machine = await Machine.boot({ devices: card("card", "bus=pcie.0,addr=5") });
  await machine.mustRun(`bind ${CARD}`);
  // The first run with each device is not counted: it is slower, because the files are not in the page cache yet.
  await startOnce(machine, MODEL);
  await startOnce(machine, CARD);
  const count = options.rounds ?? DEFAULT_ROUNDS;
  const rounds: Round[] = [];
  for (let i = 1; i <= count; i++) {
    options.stop.throwIfAborted();
    options.say(`up-card: round ${i} of ${count}`);
    rounds.push(await measure(machine, i % 2 === 1));
  }
  return { rows: [rowOf("model", rounds), rowOf("card", rounds)], data: { rounds } };
};

export const upCard: Bench = {
  name: "up-card",
  about: "from the start of `ferrule up` to the carrier in a guest: a card behind VFIO against the model",
  run,
};
