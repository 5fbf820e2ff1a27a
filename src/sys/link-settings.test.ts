import assert from "node:assert/strict";
import { test } from "node:test";
import { Interfaces } from "./interface.ts";
import { linkSettings, setLinkSettings } from "./link-settings.ts";
import { NetworkNamespace } from "./namespace.ts";
import { whyNoNamespace, whyNoTap } from "./permitted.ts";
import { Tap } from "./tap.ts";

const skip = (whyNoNamespace() ?? whyNoTap())?.message ?? false;

test("a TAP reports the link settings that were set", { skip }, () => {
  using namespace = NetworkNamespace.create();
  using interfaces = namespace.within(() => Interfaces.open());
  using tap = namespace.within(() => Tap.open("ft0"));
  for (const [speed, fullDuplex] of [
    [1000, true],
    [10, false],
    [2500, true],
  ] as const) {
    assert.ok(setLinkSettings(interfaces, tap.name, { up: true, speed, fullDuplex }));
    assert.deepEqual(linkSettings(interfaces, tap.name), { up: true, speed, fullDuplex });
  }
  assert.ok(setLinkSettings(interfaces, tap.name, { up: false, speed: 1000, fullDuplex: true }));
  assert.equal(linkSettings(interfaces, tap.name), undefined);
});

test("an interface without link settings is not changed", { skip }, () => {
  using namespace = NetworkNamespace.create();
  using interfaces = namespace.within(() => Interfaces.open());
  assert.equal(setLinkSettings(interfaces, "lo", { up: true, speed: 1000, fullDuplex: true }), false);
  assert.throws(() => setLinkSettings(interfaces, "no-such-if", { up: true, speed: 10, fullDuplex: true }), {
    code: "ENODEV",
  });
});
