import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { runInGuest } from "./boot.ts";
import { noGuest } from "./image.ts";

describe("a guest", { skip: noGuest() }, () => {
  test("runs a script with the files and modules it is given, and returns its output, files and exit code", async () => {
    const guest = await runInGuest("uname -sr; lsmod; mkdir /out/b; tr a-z A-Z </a/text >/out/b/text; exit 3", {
      files: [{ path: "a/text", bytes: Buffer.from("hello") }],
      modules: ["8021q"],
      limitMillis: 1_200_000,
    });
    assert.equal(guest.exitCode, 3, guest.output);
    assert.match(guest.output, /^Linux \d+\.\d+/m);
    assert.match(guest.output, /^8021q /m);
    assert.equal(String(guest.out.get("b/text")), "HELLO");
  });

  test("is ended when it exceeds its time limit", async () => {
    await assert.rejects(runInGuest("sleep 1000", { limitMillis: 5_000 }), /ended by the rig after 5000 ms/);
  });

  test("is not started with a module that its kernel does not have", async () => {
    await assert.rejects(runInGuest("", { modules: ["no-such"], limitMillis: 1 }), /no module no_such/);
  });
});
