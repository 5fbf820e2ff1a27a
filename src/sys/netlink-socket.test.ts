import assert from "node:assert/strict";
import { test } from "node:test";
import { Errno } from "./errno.ts";
import { failOn } from "./netlink-socket.ts";

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const RTM_NEWROUTE = 24;

const message = (type: number, number: number) => {
  const payload = new Uint8Array(4);
  new DataView(payload.buffer).setInt32(0, number, true);
  return { type, payload };
};

test("if the kernel aborts a table, an error is thrown, and the table is not taken for a short one", () => {
  assert.throws(() => failOn(message(NLMSG_DONE, -Errno.EMSGSIZE), "routes"), { code: "EMSGSIZE", message: /routes/ });
  failOn(message(NLMSG_DONE, 0), "routes");
  failOn({ type: NLMSG_DONE, payload: new Uint8Array() }, "routes");
});

test("an error reply causes an error, whatever its number", () => {
  assert.throws(() => failOn(message(NLMSG_ERROR, -Errno.ENODEV), "links"), { code: "ENODEV" });
  assert.throws(() => failOn(message(NLMSG_ERROR, 0), "links"), { code: "EPROTO" });
  failOn(message(RTM_NEWROUTE, -1), "routes");
});
