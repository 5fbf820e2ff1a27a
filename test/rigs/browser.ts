/** A page in Debian's Chromium without a window, controlled by the DevTools protocol over a pair of pipes. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { pathToFileURL } from "node:url";
import { has, skipFor } from "./skip.ts";

const PROGRAM = "chromium";
/** Time limit in ms, long enough on a busy machine. */
const LIMIT = 300_000;
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--disable-dev-shm-usage",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--hide-scrollbars",
  "--remote-debugging-pipe",
];

/** Why there is no browser here, or false; for node:test's `skip`. */
export const noBrowser = (): string | false => skipFor(!has(PROGRAM) && `needs ${PROGRAM}`);

type Json = Readonly<Record<string, unknown>>;

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Json;
  readonly result?: Json;
  readonly error?: { readonly message: string };
}

/** What was observed of a page: its errors and warnings, and its requests. */
export interface Observed {
  readonly complaints: string[];
  readonly requests: string[];
}

export class Browser implements AsyncDisposable {
  readonly #scope = new AsyncDisposableStack();
  readonly #out: Writable;
  readonly #waiting = new Map<number, PromiseWithResolvers<Json>>();
  #listener: (message: Message) => void = () => undefined;
  #last = 0;

  constructor() {
    const profile = this.#scope.adopt(mkdtempSync(join(tmpdir(), "ferrule-browser-")), (path) =>
      rmSync(path, { recursive: true, force: true, maxRetries: 5 }),
    );
    const child = spawn(PROGRAM, [...FLAGS, `--user-data-dir=${profile}`], {
      stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
      detached: true,
    });
    const ended = once(child, "exit");
    this.#scope.defer(async () => {
      // The browser is ended with all its processes, which are one process group.
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      await ended;
    });
    this.#out = child.stdio[3] as Writable;
    this.#out.on("error", () => undefined);
    let text = "";
    (child.stdio[4] as Readable).setEncoding("utf8").on("data", (chunk: string) => {
      const parts = (text + chunk).split("\0");
      text = parts.pop()!;
      for (const part of parts) this.#take(JSON.parse(part) as Message);
    });
    child.once("exit", (code) => this.#fail(new Error(`${PROGRAM} ended with ${code}`)));
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  #take(message: Message): void {
    const waiting = message.id === undefined ? undefined : this.#waiting.get(message.id);
    if (waiting === undefined) this.#listener(message);
    else {
      this.#waiting.delete(message.id!);
      if (message.error === undefined) waiting.resolve(message.result ?? {});
      else waiting.reject(new Error(message.error.message));
    }
  }

  /** Executes one command of the protocol. */
  async call(method: string, params: Json = {}, sessionId?: string): Promise<Json> {
    const id = ++this.#last;
    const waiting = Promise.withResolvers<Json>();
    this.#waiting.set(id, waiting);
    this.#out.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    const timer = setTimeout(() => waiting.reject(new Error(`${method}: no answer`)), LIMIT);
    try {
      return await waiting.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  listen(listener: (message: Message) => void): void {
    this.#listener = listener;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.disposeAsync();
  }
}

export interface View {
  readonly width: number;
  readonly dark?: boolean;
}

/** A file that is opened in a tab. */
export class Page implements Observed {
  readonly complaints: string[] = [];
  readonly requests: string[] = [];
  readonly #browser: Browser;
  readonly #session: string;

  private constructor(browser: Browser, session: string) {
    this.#browser = browser;
    this.#session = session;
  }

  static async open(browser: Browser, file: string, { width, dark = false }: View): Promise<Page> {
    const { targetId } = await browser.call("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await browser.call("Target.attachToTarget", { targetId, flatten: true });
    const page = new Page(browser, sessionId as string);
    const loaded = Promise.withResolvers<void>();
    browser.listen((message) => {
      page.#note(message);
      if (message.method === "Page.loadEventFired") loaded.resolve();
    });
    for (const domain of ["Page", "Runtime", "Log", "Network", "Accessibility", "DOM"])
      await page.call(`${domain}.enable`);
    await page.call("Emulation.setDeviceMetricsOverride", { width, height: 800, deviceScaleFactor: 1, mobile: false });
    const scheme = { name: "prefers-color-scheme", value: dark ? "dark" : "light" };
    await page.call("Emulation.setEmulatedMedia", { features: [scheme] });
    await page.call("Page.navigate", { url: pathToFileURL(file).href });
    const timer = setTimeout(() => loaded.reject(new Error(`${file} was not loaded`)), LIMIT);
    await loaded.promise;
    clearTimeout(timer);
    return page;
  }

  #note({ method, params = {} }: Message): void {
    if (method === "Network.requestWillBeSent") this.requests.push((params["request"] as { url: string }).url);
    if (method === "Runtime.exceptionThrown" || method === "Runtime.consoleAPICalled" || method === "Log.entryAdded")
      this.complaints.push(JSON.stringify(params));
  }

  call(method: string, params: Json = {}): Promise<Json> {
    return this.#browser.call(method, params, this.#session);
  }

  /** The value of an expression in the page. */
  async evaluate<T>(expression: string): Promise<T> {
    const answer = await this.call("Runtime.evaluate", { expression, returnByValue: true });
    if (answer["exceptionDetails"] !== undefined) throw new Error(JSON.stringify(answer["exceptionDetails"]));
    return (answer["result"] as { value: T }).value;
  }

  /** A screenshot of a part of the page, as PNG. */
  async shot(clip: { x: number; y: number; width: number; height: number }): Promise<Buffer> {
    const options = { format: "png", captureBeyondViewport: true, clip: { ...clip, scale: 1 } };
    const { data } = await this.call("Page.captureScreenshot", options);
    return Buffer.from(data as string, "base64");
  }
}
