#!/usr/bin/env node
// @xmpp/client, the JavaScript client, judges carbons: two sessions of alice's
// and one of bob's. It logs in by SASL2 and Bind 2 where they are offered.
// usage: xmppjs.mjs --port 5222 [--host 127.0.0.1] [--domain localhost]
//        [--account alice:alice --account bob:bob] [--only WORD]
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { parseArgs } from "node:util";
import { pathToFileURL } from "node:url";

// The module is installed under target/live, not beside this file.
const modules = createRequire(`${process.env.XMPPJS ?? process.cwd()}/package.json`);
const { client, xml } = await import(pathToFileURL(modules.resolve("@xmpp/client/index.js")));

const { values: opts } = parseArgs({
  strict: false,
  options: {
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "5222" },
    domain: { type: "string", default: "localhost" },
    account: { type: "string", multiple: true, default: ["alice:alice", "bob:bob"] },
    only: { type: "string" },
  },
});
const WAIT = 8000; // milliseconds for anything that must arrive
const CARBONS = "urn:xmpp:carbons:2";
const NO_COPY = [xml("private", CARBONS), xml("no-copy", "urn:xmpp:hints")];

/** A session; `inbox` holds the messages not yet looked at. */
class Session {
  constructor(account, resource) {
    const [username, password] = account.split(":");
    const service = `xmpp://${opts.host}:${opts.port}`;
    this.xmpp = client({ service, domain: opts.domain, resource, username, password });
    this.xmpp.reconnect.stop();
    this.inbox = [];
    this.seen = [];
    this.waiting = null;
    this.xmpp.on("error", (error) => this.seen.push(`! ${error}`));
    this.xmpp.on("send", (stanza) => this.seen.push(`> ${stanza}`));
    this.xmpp.on("stanza", (stanza) => {
      this.seen.push(`< ${stanza}`);
      if (stanza.is("message")) this.inbox.push(stanza);
      this.waiting?.();
    });
  }

  async enter() {
    this.jid = (await within(this.xmpp.start(), "no session")).toString();
    this.account = this.jid.split("/")[0];
    await this.ask("enable");
    await this.xmpp.send(xml("presence"));
    return this;
  }

  ask(what) {
    return within(this.xmpp.iqCaller.set(xml(what, CARBONS)), `${what} is not answered`);
  }

  say(to, body, children = []) {
    return this.xmpp.send(xml("message", { to, type: "chat", id: body }, xml("body", {}, body), ...children));
  }

  /** The next message, which must be the one with this body. */
  async next(body, direction) {
    const arrived = new Promise((resolve) => {
      this.waiting = () => {
        if (this.inbox.length === 0) return;
        this.waiting = null; // one at a time
        resolve(this.inbox.shift());
      };
      this.waiting();
    });
    const stanza = await within(arrived, `${this.jid} got no ${body}`);
    if (direction === undefined) {
      assert.equal(stanza.getChildText("body"), body);
      return stanza;
    }
    assert.equal(stanza.attrs.from, this.account, "a copy is from the own account");
    const inner = stanza.getChild(direction, CARBONS)?.getChild("forwarded", "urn:xmpp:forward:0")?.getChild("message");
    assert.equal(inner?.getChildText("body"), body, `${stanza}`);
    return inner;
  }
}

function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(what)), WAIT);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

const checks = {
  async "what alice receives reaches her other session as a copy"({ phone, desk, bob }) {
    await bob.say(phone.jid, "one");
    const original = await phone.next("one");
    assert.equal(original.attrs.from, bob.jid);
    const inner = await desk.next("one", "received");
    assert.deepEqual([inner.attrs.from, inner.attrs.to], [bob.jid, phone.jid]);
  },
  async "what alice sends reaches her other session as a copy, and not herself"({ phone, desk, bob }) {
    await phone.say(bob.jid, "two");
    await bob.next("two");
    const inner = await desk.next("two", "sent");
    assert.deepEqual([inner.attrs.from, inner.attrs.to], [phone.jid, bob.jid]);
  },
  async "what is private is not copied"({ phone, desk, bob }) {
    await bob.say(phone.jid, "three", NO_COPY);
    await bob.say(phone.jid, "four");
    await phone.next("three");
    await phone.next("four");
    await desk.next("four", "received"); // and no "three" before it
  },
  async "copies end when they are switched off"({ phone, desk, bob }) {
    await desk.ask("disable");
    await bob.say(phone.jid, "five");
    await phone.next("five");
    await desk.ask("enable");
    await bob.say(phone.jid, "six");
    await phone.next("six");
    await desk.next("six", "received");
  },
};

const [alice, bob] = opts.account.slice(-2);
const parties = {
  phone: new Session(alice, "phone"),
  desk: new Session(alice, "desk"),
  bob: new Session(bob, "laptop"),
};
let failed = 0;
async function prove(sentence, act) {
  try {
    await act();
    console.log(`ok   xmpp.js: ${sentence}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL xmpp.js: ${sentence}\n     ${error.message}`);
    for (const [name, party] of Object.entries(parties)) {
      for (const line of party.seen.slice(-20)) console.log(`     ${name} ${line}`);
    }
  }
}
await prove("three sessions log in and switch carbons on", async () => {
  for (const party of Object.values(parties)) await party.enter();
});
for (const [sentence, act] of failed ? [] : Object.entries(checks)) {
  if (opts.only && !sentence.includes(opts.only)) continue;
  await prove(sentence, () => act(parties));
}
for (const party of Object.values(parties)) await within(party.xmpp.stop(), "no end").catch(() => {});
process.exit(failed ? 1 : 0);
