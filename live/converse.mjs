#!/usr/bin/env node
// Converse.js, a client in a browser, judges the server over WebSocket; bob is
// @xmpp/client over TCP. What counts is what stands on Converse's screen.
// usage: converse.mjs --port 5222 --websocket ws://127.0.0.1:5280/xmpp-websocket
//        [--screenshot FILE] [--account alice:alice --account bob:bob] [--only WORD]
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { parseArgs } from "node:util";
import { pathToFileURL } from "node:url";
import { Converse } from "./converse_page.mjs";

const modules = createRequire(`${process.env.XMPPJS ?? process.cwd()}/package.json`);
const { client, xml } = await import(pathToFileURL(modules.resolve("@xmpp/client/index.js")));

const { values: opts } = parseArgs({
  strict: false,
  options: {
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "5222" },
    websocket: { type: "string" },
    domain: { type: "string", default: "localhost" },
    account: { type: "string", multiple: true, default: ["alice:alice", "bob:bob"] },
    screenshot: { type: "string" },
    only: { type: "string" },
  },
});
const [alice, bob] = opts.account.slice(-2).map((account) => account.split(":"));
const ALICE = `${alice[0]}@${opts.domain}`;
const BOB = `${bob[0]}@${opts.domain}`;
const ROOMS = `rooms.${opts.domain}`;
const ROOM = `tea@${ROOMS}`;
const PUSH = "urn:xmpp:push:0";

/** Another client, over TCP; it can be taken for a push service, too. */
class Peer {
  constructor([username, password], resource) {
    const service = `xmpp://${opts.host}:${opts.port}`;
    this.xmpp = client({ service, domain: opts.domain, resource, username, password });
    this.xmpp.reconnect.stop();
    this.seen = [];
    this.heard = [];
    this.xmpp.on("error", (error) => this.seen.push(`! ${error}`));
    this.xmpp.on("send", (stanza) => this.seen.push(`> ${stanza}`));
    this.xmpp.on("stanza", (stanza) => {
      this.seen.push(`< ${stanza}`);
      this.heard.push(stanza);
    });
    this.xmpp.iqCallee.get("http://jabber.org/protocol/disco#info", "query", () =>
      xml("query", "http://jabber.org/protocol/disco#info",
        xml("identity", { category: "pubsub", type: "push" }),
        xml("feature", { var: PUSH })));
  }

  async enter() {
    this.jid = (await this.xmpp.start()).toString();
    await this.xmpp.send(xml("presence"));
  }

  /** Waits for the next stanza for which `is` holds; what came before is gone. */
  async hears(what, is) {
    for (const end = Date.now() + 20000; Date.now() < end;) {
      const place = this.heard.findIndex(is);
      if (place >= 0) return this.heard.splice(0, place + 1).pop();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`${this.jid} did not hear ${what}`);
  }

  text(body) {
    return this.hears(body, (stanza) => stanza.getChildText("body") === body);
  }

  say(to, body, type = "chat") {
    return this.xmpp.send(xml("message", { to, type, id: body }, xml("body", {}, body)));
  }
}

const peer = new Peer(bob, "laptop");
const desk = new Peer(alice, "desk");
let converse;

const checks = {
  async "it logs in, and its contact sees it"() {
    await peer.enter();
    await desk.enter();
    converse = await Converse.open({
      authentication: "login",
      auto_login: true,
      jid: ALICE,
      password: alice[1],
      websocket_url: opts.websocket,
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
      enable_muc_push: true,
      push_app_servers: [{ jid: peer.jid, node: "n" }],
    });
    await converse.until("a session", () => window.probe?.api.connection.connected());
    const jid = await converse.inside(() => window.probe.session.get("jid"));
    assert.equal(jid.split("/")[0], ALICE);
    await desk.hears("Converse is there", (it) => it.is("presence") && it.attrs.from === jid);
  },
  async "it finds carbons and the archive of its account"() {
    await converse.tells("Message carbons have been enabled");
    const archive = await converse.inside(
      (account) => window.probe.api.disco.supports("urn:xmpp:mam:2", account), ALICE);
    assert.ok(archive);
  },
  async "a chat goes both ways"() {
    await converse.inside((jid) => window.probe.api.chats.open(jid, {}, true), BOB);
    await converse.types("hello from a browser");
    const heard = await peer.text("hello from a browser");
    assert.equal(heard.attrs.from.split("/")[0], ALICE);
    await peer.say(ALICE, "hello to a browser");
    await converse.sees("hello to a browser");
  },
  async "what another client of the account sends stands in the same chat"() {
    await desk.say(BOB, "from the desk");
    await converse.sees("from the desk");
    const expected = ["hello from a browser", "hello to a browser", "from the desk"];
    assert.deepEqual(await converse.texts(), expected);
  },
  async "it enters a room that it creates, and is not held up by push, for which it asks the service"() {
    await converse.inside((room) => window.probe.api.rooms.open(room, { nick: "Alice" }, true), ROOM);
    await converse.until("the room entered", (room) =>
      window.probe.state.chatboxes.get(room)?.isEntered(), ROOM);
    await converse.until("Alice among the occupants", () =>
      [...document.querySelectorAll(".occupant-nick")].some((one) => one.textContent.trim() === "Alice"));
    await converse.tells("<enable", PUSH, `to="${ROOMS}"`);
  },
  async "a room is talked in, both ways, and each message stands there once"() {
    await peer.xmpp.send(xml("presence", { to: `${ROOM}/Bob` }, xml("x", "http://jabber.org/protocol/muc")));
    await peer.hears("the subject", (it) => it.is("message") && it.getChild("subject"));
    await converse.until("Bob among the occupants", () =>
      [...document.querySelectorAll(".occupant-nick")].some((one) => one.textContent.trim() === "Bob"));
    await converse.types("tea from a browser");
    const heard = await peer.text("tea from a browser");
    assert.equal(heard.attrs.from, `${ROOM}/Alice`);
    await peer.say(ROOM, "tea to a browser", "groupchat");
    await converse.sees("tea to a browser");
    assert.deepEqual(await converse.texts(), ["tea from a browser", "tea to a browser"]);
  },
  async "after the page is loaded anew the archive shows what was said, each once"() {
    await converse.page.reload();
    await converse.until("a session", () => window.probe?.api.connection.connected());
    await converse.inside((jid) => window.probe.api.chats.open(jid, {}, true), BOB);
    await converse.sees("from the desk");
    await converse.sees("hello from a browser");
    const expected = ["hello from a browser", "hello to a browser", "from the desk"];
    assert.deepEqual(await converse.texts(), expected);
  },
  async "nothing on the page has failed"() {
    assert.deepEqual(converse.errors, []);
  },
};

let failed = 0;
for (const [sentence, act] of Object.entries(checks)) {
  if (failed) break; // each builds on those before
  try {
    await act();
    if (!opts.only || sentence.includes(opts.only)) console.log(`ok   Converse: ${sentence}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL Converse: ${sentence}\n     ${error.message}`);
    for (const line of (converse?.said ?? []).slice(-40)) console.log(`     page ${line}`);
    for (const line of peer.seen.slice(-20)) console.log(`     bob ${line}`);
  }
}
if (opts.screenshot && converse) await converse.screenshot(opts.screenshot);
await converse?.close();
for (const one of [peer, desk]) await one.xmpp.stop().catch(() => {});
process.exit(failed ? 1 : 0);
