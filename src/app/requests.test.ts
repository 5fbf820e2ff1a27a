/** Requests to the driver's thread: each gets its own reply, or an error within a time limit. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Revoked } from "#kit/errors.ts";
import { TookTooLong } from "./limit.ts";
import { Requests } from "./requests.ts";
import type { OperateCommand } from "./session-messages.ts";

const bench = () => {
  const sent: OperateCommand[] = [];
  return { sent, requests: new Requests((command) => sent.push(command)) };
};

test("replies are matched with their requests, in any order", async () => {
  const { sent, requests } = bench();
  const answers = [requests.ask("driver", {}), requests.ask("rings", { rx: 64 })];
  assert.deepEqual(
    sent.map(({ operation, argument }) => ({ operation, argument })),
    [
      { operation: "driver", argument: {} },
      { operation: "rings", argument: { rx: 64 } },
    ],
  );
  requests.handleAnswer({ report: "answer", id: sent[1]!.id, value: { second: true } });
  requests.handleAnswer({ report: "answer", id: sent[0]!.id, error: { code: "NO", message: "no", hint: "none" } });
  await assert.rejects(answers[0]!, { code: "NO", message: "no", hint: "none" });
  assert.deepEqual(await answers[1], { second: true });
});

test("a request without a reply fails after its limit, and a late reply is dropped", async () => {
  const { sent, requests } = bench();
  await assert.rejects(requests.ask("driver", {}, 1), TookTooLong);
  assert.equal(sent[0]!.limitMillis, 1);
  requests.handleAnswer({ report: "answer", id: sent[0]!.id, value: {} });
});

test("once the session has ended, pending and later requests fail with the first reason", async () => {
  const { sent, requests } = bench();
  const underWay = requests.ask("driver", {});
  requests.end(new Revoked("the session"));
  requests.end(new Error("later"));
  await assert.rejects(underWay, Revoked);
  await assert.rejects(requests.ask("driver", {}), Revoked);
  assert.equal(sent.length, 1);
});
