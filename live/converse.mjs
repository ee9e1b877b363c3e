#!/usr/bin/env node
// Converse.js, a client in a browser, judges the server over WebSocket; bob is
// @xmpp/client over TCP. What counts is what stands on Converse's screen.
// usage: converse.mjs --port 5222 --websocket ws://127.0.0.1:5280/xmpp-websocket
//        [--screenshot FILE] [--account alice:alice --account bob:bob] [--only WORD]
import assert from "node:assert/strict";
import { parseArgs } from "node:util";
import { Converse } from "./converse_page.mjs";
import { PUSH, Peer, plays } from "./peer.mjs";

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

const peer = new Peer(opts, bob, "laptop");
const desk = new Peer(opts, alice, "desk");
let converse;

const checks = {
  async "it logs in, and its contact sees it"() {
    await peer.enter();
    await desk.enter();
    converse = await Converse.open({
      jid: ALICE,
      password: alice[1],
      websocket_url: opts.websocket,
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
    await peer.join(`${ROOM}/Bob`);
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

const failed = await plays("Converse", checks, opts.only, () => [
  ...(converse?.said ?? []).slice(-40).map((line) => `page ${line}`),
  ...peer.seen.slice(-20).map((line) => `bob ${line}`),
]);
if (opts.screenshot && converse) await converse.screenshot(opts.screenshot);
await converse?.close();
for (const one of [peer, desk]) await one.stop();
process.exit(failed);
