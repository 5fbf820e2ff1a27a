import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Timeout } from "#kit/errors.ts";
import { Poller } from "./poll.ts";
import { UnixDatagram } from "./unix-datagram.ts";
import {
  MAX_SOCKET_PATH,
  SocketPathTaken,
  SocketPathTooLong,
  UnixListener,
  connectUnix,
  setSocketMode,
} from "./unix-path.ts";
import { UnixSocket, peerOf } from "./unix-socket.ts";

const inFolder = (act: (path: string, folder: string) => void): void => {
  const folder = mkdtempSync(join(tmpdir(), "ferrule-socket-"));
  try {
    act(join(folder, "socket"), folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
};

test("connections are accepted, and both ends are connected", () => {
  inFolder((path) => {
    using listener = UnixListener.listen(path);
    assert.equal(listener.accept(), undefined);
    using client = new UnixSocket(connectUnix(path));
    assert.equal(new Poller([listener.number]).wait(1000), 1);
    using served = new UnixSocket(listener.accept()!);
    assert.equal(listener.accept(), undefined);
    assert.equal(peerOf(served.number).pid, process.pid);
    client.send(Uint8Array.of(7));
    assert.equal(served.receive(new Uint8Array(1))?.length, 1);
  });
});

test("a connection without a free descriptor is closed, and the next one is accepted", () => {
  inFolder((path) => {
    const script = `
      import { closeSync, openSync } from "node:fs";
      import { UnixListener, connectUnix } from ${JSON.stringify(new URL("unix-path.ts", import.meta.url).href)};
      import { UnixSocket } from ${JSON.stringify(new URL("unix-socket.ts", import.meta.url).href)};
      const listener = UnixListener.listen(${JSON.stringify(path)});
      const said = [];
      for (let round = 0; round < 2; round++) {
        const client = new UnixSocket(connectUnix(listener.path));
        const taken = [];
        try {
          for (;;) taken.push(openSync("/dev/null"));
        } catch (error) {
          said.push(error.code);
        }
        try {
          listener.accept();
        } catch (error) {
          said.push(error.code);
        }
        for (const fd of taken) closeSync(fd);
        said.push(client.receive(new Uint8Array(1))?.length, listener.accept() === undefined);
      }
      connectUnix(listener.path);
      said.push(listener.accept()?.open);
      listener[Symbol.dispose]();
      console.log(JSON.stringify(said));`;
    const node = [process.execPath, "--input-type=module", "-e", script];
    const output = execFileSync("sh", ["-c", 'ulimit -n 64 && exec "$@"', "sh", ...node], {
      encoding: "utf8",
      timeout: 300_000,
    });
    const turnedAway = ["EMFILE", "EMFILE", 0, true];
    assert.deepEqual(JSON.parse(output), [...turnedAway, ...turnedAway, true]);
  });
});

test("a missing socket, a missing listener and a missing directory are errors with their numbers", () => {
  inFolder((path, folder) => {
    assert.throws(() => connectUnix(path), { code: "ENOENT" });
    writeFileSync(path, "");
    assert.throws(() => connectUnix(path), { code: "ECONNREFUSED" });
    assert.throws(() => UnixListener.listen(join(folder, "none", "socket")), { code: "ENOENT" });
    assert.throws(() => connectUnix(""), { code: "EINVAL" });
    assert.throws(() => connectUnix("a\0b"), { code: "EINVAL" });
  });
});

test("a socket path that is longer than the limit is an error with both lengths", () => {
  inFolder((_, folder) => {
    const longest = join(folder, "x".repeat(MAX_SOCKET_PATH - folder.length - 1));
    assert.equal(longest.length, MAX_SOCKET_PATH);
    UnixListener.listen(longest)[Symbol.dispose]();
    assert.throws(() => UnixListener.listen(`${longest}y`), SocketPathTooLong);
    assert.throws(() => connectUnix(`${longest}y`), SocketPathTooLong);
  });
});

test("a stale socket is replaced", () => {
  inFolder((path, folder) => {
    const dead = UnixListener.listen(path);
    const hidden = join(folder, "hidden");
    // The file is moved away, so that its owner does not remove it, as if the owner had been killed.
    renameSync(path, hidden);
    dead[Symbol.dispose]();
    renameSync(hidden, path);
    assert.throws(() => connectUnix(path), { code: "ECONNREFUSED" });
    using listener = UnixListener.listen(path);
    using _client = connectUnix(path);
    using _served = listener.accept()!;
  });
});

test("a socket with a listener, or another file, is not replaced", () => {
  inFolder((path, folder) => {
    using _listener = UnixListener.listen(path);
    assert.throws(() => UnixListener.listen(path), SocketPathTaken);
    assert.ok(statSync(path).isSocket());
    const file = join(folder, "file");
    writeFileSync(file, "precious");
    assert.throws(() => UnixListener.listen(file), SocketPathTaken);
    mkdirSync(join(folder, "folder"));
    assert.throws(() => UnixListener.listen(join(folder, "folder")), SocketPathTaken);
    assert.ok(statSync(file).isFile());
  });
});

test("a socket's file is removed when its owner is disposed, unless another socket has replaced it", () => {
  inFolder((path, folder) => {
    UnixListener.listen(path)[Symbol.dispose]();
    assert.equal(existsSync(path), false);
    const first = UnixListener.listen(path);
    renameSync(path, join(folder, "moved"));
    using _second = UnixListener.listen(path);
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    assert.ok(existsSync(path));
  });
});

test("connecting to a full queue is retried, for a limited time", () => {
  inFolder((path) => {
    using _listener = UnixListener.listen(path);
    using scope = new DisposableStack();
    assert.throws(() => {
      for (let i = 0; i < 64; i++) scope.use(connectUnix(path, 20));
    }, Timeout);
  });
});

test("only its owner may use a socket's file, whatever the umask, unless other permissions are requested", () => {
  const umask = process.umask(0);
  try {
    for (const mask of [0, 0o077, 0o377])
      for (const [mode, expected] of [
        [undefined, 0o600 & ~mask],
        [0o660, 0o660],
        [0o666, 0o666],
      ] as const)
        inFolder((path) => {
          process.umask(mask);
          using _listener = UnixListener.listen(path, mode);
          using _datagram = UnixDatagram.bind(`${path}d`, mode);
          process.umask(0);
          assert.equal(statSync(path).mode & 0o777, expected);
          assert.equal(statSync(`${path}d`).mode & 0o777, expected);
        });
  } finally {
    process.umask(umask);
  }
});

test("permissions are set on a socket only: a link that replaced it is not followed", () => {
  inFolder((path, folder) => {
    using _listener = UnixListener.listen(path);
    setSocketMode(path, 0o666);
    assert.equal(statSync(path).mode & 0o777, 0o666);
    const other = join(folder, "other");
    writeFileSync(other, "", { mode: 0o600 });
    for (const target of [other, path]) {
      const link = join(folder, `to-${target === other ? "file" : "socket"}`);
      symlinkSync(target, link);
      setSocketMode(link, 0o640);
    }
    assert.deepEqual(
      [other, path].map((each) => statSync(each).mode & 0o777),
      [0o600, 0o666],
    );
  });
});
