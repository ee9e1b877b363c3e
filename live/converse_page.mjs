// Converse.js in a headless Chromium: serves its files, opens the page, and
// tells what a person would see on it.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, extname, join, normalize } from "node:path";
import { pathToFileURL } from "node:url";

const modules = createRequire(`${process.env.CONVERSE ?? process.cwd()}/package.json`);
const { default: puppeteer } = await import(pathToFileURL(modules.resolve("puppeteer-core")));
const dist = join(dirname(modules.resolve("converse.js/dist/converse.min.js")));

const TYPES = {
  ".js": "text/javascript",
  ".css": "text/css",
  ".json": "application/json",
  ".wasm": "application/wasm",
  ".svg": "image/svg+xml",
};

/** What every page here has. */
const ALWAYS = {
  authentication: "login",
  auto_login: true,
  discover_connection_methods: false,
  view_mode: "fullscreen",
  assets_path: "/",
  allow_non_roster_messaging: true,
  // Its library is a file that npm does not bring.
  blacklisted_plugins: ["converse-omemo", "converse-omemo-views"],
  whitelisted_plugins: ["probe"],
  persistent_store: "none",
  clear_messages_on_reconnection: false,
  play_sounds: false,
  show_desktop_notifications: false,
  loglevel: "debug",
};

/** The page: Converse with these settings, and with its inside in `probe`. */
function page(settings) {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Converse</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="/converse.min.css"></head><body>
<script type="module">
import "/converse.min.js";
window.converse.plugins.add("probe", { initialize() { window.probe = this._converse; } });
window.converse.initialize(${JSON.stringify({ ...ALWAYS, ...settings })});
</script></body></html>`;
}

/** Serves the page and Converse's own files on a free loopback port. */
function serve(settings) {
  const server = createServer(async (request, response) => {
    const path = normalize(new URL(request.url, "http://localhost").pathname);
    if (path === "/") {
      response.setHeader("Content-Type", "text/html");
      return response.end(page(settings));
    }
    try {
      const body = await readFile(join(dist, path));
      response.setHeader("Content-Type", TYPES[extname(path)] ?? "application/octet-stream");
      response.end(body);
    } catch {
      response.statusCode = 404;
      response.end();
    }
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

/** A browser with Converse in it. */
export class Converse {
  static async open(settings) {
    const self = new Converse();
    self.server = await serve(settings);
    self.browser = await puppeteer.launch({
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
    });
    self.page = await self.browser.newPage();
    await self.page.setViewport({ width: 1280, height: 800 });
    self.errors = [];
    self.said = [];
    self.page.on("pageerror", (error) => self.errors.push(`${error}`));
    self.page.on("console", (message) => self.said.push(message.text().slice(0, 2000)));
    await self.page.goto(`http://127.0.0.1:${self.server.address().port}/`);
    return self;
  }

  /** What a function of Converse's inside returns, run in the page. */
  inside(act, ...args) {
    return this.page.evaluate(act, ...args);
  }

  /** Waits until a function that runs in the page returns something. */
  until(what, act, ...args) {
    const waited = this.page.waitForFunction(act, { timeout: 20000, polling: 100 }, ...args);
    return waited.catch(() => {
      throw new Error(`not seen: ${what}`);
    });
  }

  /** Waits until Converse logs a line with all these words; it logs every stanza. */
  async tells(...words) {
    const is = (line) => words.every((word) => line.includes(word));
    for (const end = Date.now() + 20000; !this.said.some(is);) {
      if (Date.now() > end) throw new Error(`not told: ${words.join(" ")}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** The texts of all messages on the screen, in their order. */
  texts() {
    return this.page.$$eval(".chat-msg__text", (all) =>
      all.filter((one) => one.offsetParent !== null).map((one) => one.textContent.trim()));
  }

  /** Waits until this text stands on the screen. */
  sees(text) {
    return this.until(text, (text) => {
      const all = [...document.querySelectorAll(".chat-msg__text")];
      return all.some((one) => one.offsetParent !== null && one.textContent.trim() === text);
    }, text);
  }

  /** Types a line into the box of the chat that is shown, and sends it. */
  async types(text) {
    await this.until("where to type", () =>
      [...document.querySelectorAll(".chat-textarea")].some((one) => one.offsetParent !== null));
    for (const box of await this.page.$$(".chat-textarea")) {
      if (!(await box.isVisible())) continue;
      await box.type(text);
      await box.press("Enter");
      return;
    }
  }

  screenshot(path) {
    return this.page.screenshot({ path });
  }

  async close() {
    await this.browser?.close();
    this.server?.close();
  }
}
