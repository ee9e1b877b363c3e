#!/usr/bin/env node
// Converse.js, with `enable_muc_push`, is alice's client at a server whose rooms are
// ours: they have her push service told while her page is closed, and what was said
// is on her screen when it is open again. bob is @xmpp/client, the push service is
// @xmpp/component.
// usage: converse_push.mjs --port 5222 --websocket ws://127.0.0.1:5280/xmpp-websocket
//        --component-port 5347 [--screenshot FILE] [--only WORD]
import assert from "node:assert/strict";
import { parseArgs } from "node:util";
import { Converse } from "./converse_page.mjs";
import { PUSH, Peer, PushService, plays } from "./peer.mjs";

const { values: opts } = parseArgs({
  strict: false,
  options: {
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string" },
    websocket: { type: "string" },
    domain: { type: "string", default: "localhost" },
    "component-port": { type: "string" },
    screenshot: { type: "string" },
    only: { type: "string" },
  },
});
const ROOMS = `rooms.${opts.domain}`;
const ROOM = `tea@${ROOMS}`;

const bob = new Peer(opts, ["bob", "bob"], "laptop");
const service = new PushService(opts["component-port"], `push.${opts.domain}`, "secret");
let converse;

/** Alice's page is open, and she is in the room. */
async function alice() {
  converse = await Converse.open({
    jid: `alice@${opts.domain}`,
    password: "alice",
    websocket_url: opts.websocket,
    enable_muc_push: true,
    push_app_servers: [{ jid: service.jid, node: "alices-phone", secret: "s3cret" }],
  });
  await converse.until("a session", () => window.probe?.api.connection.connected());
  await converse.inside(
    (room) => window.probe.api.rooms.open(room, { nick: "Alice" }, true), ROOM);
  await converse.until("the room entered", (room) =>
    window.probe.state.chatboxes.get(room)?.isEntered(), ROOM);
}

async function says(body) {
  await bob.say(ROOM, body, "groupchat");
  await bob.text(body);
}

/** Nothing was published, and nothing is on its way: the room has come to what is
 *  asked after the message, and the push service to what is asked after that. */
async function nobodyIsTold() {
  await bob.asks(ROOM);
  await bob.asks(service.jid);
  assert.deepEqual(service.published.map(String), []);
}

const checks = {
  async "it enters a room, and has the service of all rooms told of its push service"() {
    await service.start();
    await bob.enter();
    await alice();
    await converse.tells("<enable", PUSH, `to="${ROOMS}"`, "alices-phone", "s3cret");
    await converse.tells(`type="result"`, `from="${ROOMS}"`);
    await bob.join(`${ROOM}/Bob`);
  },
  async "while its page is open nobody is told but who is there"() {
    await says("tea?");
    await converse.sees("tea?");
    await nobodyIsTold();
  },
  async "when its page is closed the first message is told to its push service, with its secret and nothing private"() {
    await converse.close();
    await bob.hears("Alice gone", (it) =>
      it.is("presence") && it.attrs.type === "unavailable" && it.attrs.from === `${ROOM}/Alice`);
    await says("the kettle is on");
    const told = await service.next();
    assert.equal(told.attrs.from, ROOM);
    const publish = told.getChild("pubsub").getChild("publish");
    assert.equal(publish.attrs.node, "alices-phone");
    const xml = told.toString();
    assert.match(xml, /<field var="message-count"><value>1</);
    assert.match(xml, /s3cret/);
    assert.doesNotMatch(xml, /kettle|Bob|last-message/);
  },
  async "once it has been told, it is left alone until she has been back"() {
    await says("and the milk");
    await says("is warm");
    await nobodyIsTold();
  },
  async "she opens it again, and sees what was said"() {
    await alice();
    for (const body of ["the kettle is on", "and the milk", "is warm"]) await converse.sees(body);
    await converse.types("coming!");
    await bob.text("coming!");
    if (opts.screenshot) await converse.screenshot(opts.screenshot);
    assert.deepEqual(converse.errors, []);
  },
  async "and when she has left once more, she is told once more"() {
    await converse.close();
    await bob.hears("Alice gone", (it) =>
      it.is("presence") && it.attrs.type === "unavailable" && it.attrs.from === `${ROOM}/Alice`);
    await says("more tea?");
    await service.next();
    await nobodyIsTold();
  },
};

const failed = await plays("Converse and push", checks, opts.only, () => [
  ...(converse?.said ?? []).slice(-60).map((line) => `page ${line}`),
  ...service.seen.slice(-20).map((line) => `push ${line}`),
  ...bob.seen.slice(-20).map((line) => `bob ${line}`),
]);
await converse?.close();
for (const one of [bob, service]) await one.stop();
process.exit(failed);
