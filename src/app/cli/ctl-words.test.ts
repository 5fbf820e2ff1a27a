import assert from "node:assert/strict";
import { test } from "node:test";
import { parseServeRequest } from "../serve/parse-request.ts";
import type { ServeRequest } from "../serve/requests.ts";
import { requestOf } from "./ctl-words.ts";
import { WrongUsage } from "../terminal/usage.ts";

const both = ["out", "in"] as const;
const UNDERSTOOD: readonly (readonly [string, ServeRequest])[] = [
  ["show", { command: "show" }],
  ["state", { command: "state" }],
  ["link down", { command: "link", up: false }],
  ["partner", { command: "partner", abilities: {} }],
  ["partner 10 100 half", { command: "partner", abilities: { speeds: [10, 100], duplex: "half" } }],
  ["partner 100 full fixed", { command: "partner", abilities: { speeds: [100], duplex: "full", negotiates: false } }],
  ["wire loss", { command: "wire", name: "loss", directions: both }],
  ["wire loss 3 in", { command: "wire", name: "loss", directions: ["in"], count: 3 }],
  ["wire corrupt 0.5% out", { command: "wire", name: "corrupt", directions: ["out"], probability: 0.005 }],
  ["wire delay 1.5ms 10%", { command: "wire", name: "delay", directions: both, micros: 1500, probability: 0.1 }],
  ["wire clear in", { command: "clearWire", directions: ["in"] }],
  ["wire seed 7", { command: "seed", seed: 7 }],
  ["fault removal", { command: "fault", name: "removal" }],
  ["fault lost-interrupt 2", { command: "fault", name: "lost-interrupt", count: 2 }],
  ["fault clear", { command: "clearFault" }],
  ["fault clear removal", { command: "clearFault", name: "removal" }],
  ["send magic", { command: "magic" }],
  [`send ${"0f".repeat(14)}`, { command: "send", frame: "0f".repeat(14) }],
  ["reset", { command: "reset" }],
  ["unplug", { command: "unplug" }],
];

test("every command is parsed, and the server accepts the result", () => {
  for (const [words, expected] of UNDERSTOOD) {
    const request = requestOf(words.split(" "));
    assert.deepEqual(request, expected, words);
    assert.deepEqual(parseServeRequest(JSON.parse(JSON.stringify(request))), expected, words);
  }
});

test("invalid commands are refused with a hint", () => {
  for (const words of [
    "",
    "shwo",
    "show me",
    "link",
    "link sideways",
    "partner 300",
    "partner 1000 fixed",
    "wire",
    "wire lose 1%",
    "wire loss 101%",
    "wire loss 0",
    "wire loss 5ms",
    "wire delay",
    "wire seed",
    "wire seed x",
    "wire clear all",
    "fault",
    "fault stuck",
    "fault removal 0",
    "fault removal 1 2",
    "fault clear stuck",
    "send",
    "send xyz",
    "send 00f",
    "send 00 ff",
    "send 00ff",
    `send ${"00".repeat((16 << 10) + 1)}`,
  ])
    assert.throws(() => requestOf(words.split(" ")), WrongUsage, words);
});

test("commands without effect, and repeated words, are refused", () => {
  for (const [words, message] of [
    ["wire loss 0%", /0% of the frames/],
    ["wire loss 101%", /101% of the frames/],
    ["wire loss 3 4", /"4" repeats an earlier argument/],
    ["wire loss 1% 2%", /"2%" repeats an earlier argument/],
    ["wire loss in in", /"in" was given twice/],
    ["wire clear in in", /"in" was given twice/],
    ["wire delay 1ms 2ms", /"2ms" repeats an earlier argument/],
    ["wire delay 0ms", /a delay of 0ms/],
    ["wire delay 0.1us", /a delay of 0\.1us/],
    ["wire delay 61s", /a delay of 61s/],
    ["wire seed 4294967296", /is not a seed/],
    ["partner 100 100", /"100" was given twice/],
    ["partner full half", /not both/],
    ["partner 2500 half", /half duplex does not exist at 2500/],
    ["fault silent-eri 3", /silent-eri takes no count/],
    ["fault silent-phy 1", /silent-phy takes no count/],
    ["fault removal 1", /removal takes no count/],
  ] as const)
    assert.throws(
      () => requestOf(words.split(" ")),
      (error: unknown) => error instanceof WrongUsage && message.test(error.message) && error.hint !== "",
      words,
    );
});

test("requests from the socket are checked", () => {
  for (const wrong of [
    null,
    1,
    "show",
    [],
    {},
    { command: "shutdown" },
    { command: "link", up: 1 },
    { command: "partner" },
    { command: "partner", abilities: { speeds: [300] } },
    { command: "partner", abilities: { speeds: [] } },
    { command: "partner", abilities: { duplex: "triple" } },
    { command: "partner", abilities: { eee: 1 } },
    { command: "wire", name: "loss" },
    { command: "wire", name: "loss", directions: [] },
    { command: "wire", name: "__proto__", directions: ["in"] },
    { command: "wire", name: "loss", directions: ["in"], count: "3" },
    { command: "wire", name: "loss", directions: ["in"], probability: null },
    { command: "clearWire", directions: ["up"] },
    { command: "seed", seed: "1" },
    { command: "fault", name: 1 },
    { command: "clearFault", name: 1 },
    { command: "send", frame: [1] },
  ])
    assert.equal(parseServeRequest(wrong), undefined, JSON.stringify(wrong));
});
