/** `-p`, `-t` and `--reset`: identifies the card by its LEDs, tests it, resets it. */
import type { SelfTestReport } from "#driver/self-test.ts";
import { OutOfRange } from "#kit/errors.ts";
import { BadLine, flag, type Group } from "./flag.ts";
import { taking } from "./words.ts";

/** The longest time in seconds for which the LEDs blink. It is below the limit of every operation, which is 20 s. */
const MAX_SECONDS = 15;
const ALL = 0xffff_ffff;

export const maintenance: Group = {
  operations: {
    identify: taking({ seconds: "number" }, function* ({ nic }, { seconds }): Generator<number, object> {
      if (typeof seconds !== "number" || seconds > MAX_SECONDS)
        throw new OutOfRange(`the LEDs cannot blink for ${Number(seconds)} s`, `Use 1 to ${MAX_SECONDS}.`);
      yield* nic.leds.identify(seconds);
      return {};
    }),
    selfTest: taking({ offline: "switch" }, function* ({ nic, withoutHost }, { offline }): Generator<
      number,
      SelfTestReport
    > {
      if (offline !== true) return yield* nic.selfTest(false);
      using _host = withoutHost();
      return yield* nic.selfTest(true);
    }),
    reset: ({ nic, rebuild }) => {
      if (!nic.running) throw new OutOfRange("the NIC is down", "Resume it, or wait until it is restarted.");
      rebuild("a reset", () => nic.setRings(nic.slots));
      return {};
    },
  },
  flags: [
    flag({
      names: ["-p", "--identify"],
      words: "[SECONDS]",
      summary: `blink the LEDs, for at most ${MAX_SECONDS} s`,
      operation: "identify",
      failure: ["Cannot identify NIC: %"],
      exit: 255,
      argument: ([seconds = String(MAX_SECONDS), ...rest]) => {
        if (rest.length > 0 || !/^[1-9][0-9]*$/.test(seconds)) throw new BadLine();
        return { seconds: Number(seconds) };
      },
      lines: () => [],
    }),
    flag<SelfTestReport>({
      names: ["-t", "--test"],
      words: "[offline | online]",
      summary: "test link, registers, DMA, interrupts and loopbacks; the online test is shorter and loses no frame",
      operation: "selfTest",
      failure: ["Cannot test: %"],
      exit: 74,
      argument: ([mode = "offline", ...rest]) => {
        if (rest.length > 0 || (mode !== "offline" && mode !== "online")) throw new BadLine();
        return { offline: mode === "offline" };
      },
      lines: ({ passed, tests }) => [
        `The test result is ${passed ? "PASS" : "FAIL"}`,
        "The test extra info:",
        ...tests.map(({ name, passed: good, detail }) => `${name}\t ${good ? "0" : `1 (${detail})`}`),
        "",
      ],
      failed: ({ passed }) => (passed ? undefined : "The NIC failed its self-test"),
    }),
    flag({
      names: ["--reset"],
      words: "all",
      summary: "reset the chip; settings are kept",
      operation: "reset",
      failure: ["ETHTOOL_RESET 0xffffffff", "Cannot issue ETHTOOL_RESET: %"],
      exit: 1,
      argument: (words) => {
        if (words.length !== 1 || words[0] !== "all") throw new BadLine();
        return {};
      },
      lines: () => [`ETHTOOL_RESET 0x${ALL.toString(16)}`, `Components reset:     0x${ALL.toString(16)}`],
    }),
  ],
};
