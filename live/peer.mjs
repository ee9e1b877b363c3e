// Whom a client under test talks with: @xmpp/client over TCP, and a push service, a
// component of the server; and how a dialogue of checks is played.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const modules = createRequire(`${process.env.XMPPJS ?? process.cwd()}/package.json`);
const load = (name) => import(pathToFileURL(modules.resolve(name)));
const { client, xml } = await load("@xmpp/client/index.js");
const { component } = await load("@xmpp/component/index.js");

export { xml };
export const PUSH = "urn:xmpp:push:0";
const PUBSUB = "http://jabber.org/protocol/pubsub";
const DISCO = "http://jabber.org/protocol/disco#info";
const WAIT = 20000; // milliseconds for anything that must arrive

/** What came, and waiting for it. */
class Ear {
  constructor(xmpp) {
    this.xmpp = xmpp;
    this.xmpp.reconnect.stop();
    this.seen = [];
    this.heard = [];
    this.xmpp.on("error", (error) => this.seen.push(`! ${error}`));
    this.xmpp.on("send", (stanza) => this.seen.push(`> ${stanza}`));
    this.xmpp.on("stanza", (stanza) => {
      this.seen.push(`< ${stanza}`);
      this.heard.push(stanza);
    });
  }

  /** Waits for the next stanza for which `is` holds; what came before is gone. */
  async hears(what, is) {
    for (const end = Date.now() + WAIT; Date.now() < end;) {
      const place = this.heard.findIndex(is);
      if (place >= 0) return this.heard.splice(0, place + 1).pop();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`${this.jid} did not hear ${what}`);
  }

  async stop() {
    await this.xmpp.stop().catch(() => {});
  }
}

/** Another client, over TCP; it can be taken for a push service, too. */
export class Peer extends Ear {
  constructor({ host, port, domain }, [username, password], resource) {
    super(client({ service: `xmpp://${host}:${port}`, domain, resource, username, password }));
    this.xmpp.iqCallee.get(DISCO, "query", pushService);
  }

  async enter() {
    this.jid = (await this.xmpp.start()).toString();
    await this.xmpp.send(xml("presence"));
  }

  text(body) {
    return this.hears(body, (stanza) => stanza.getChildText("body") === body);
  }

  say(to, body, type = "chat") {
    return this.xmpp.send(xml("message", { to, type, id: body }, xml("body", {}, body)));
  }

  /** Asks somebody what it is, and waits for the answer. */
  asks(whom) {
    return this.xmpp.iqCaller.get(xml("query", DISCO), whom);
  }

  /** Enters a room; returns once it has told its subject, the last of what it tells. */
  async join(seat) {
    await this.xmpp.send(
      xml("presence", { to: seat }, xml("x", "http://jabber.org/protocol/muc")));
    await this.hears("the subject", (it) => it.is("message") && it.getChild("subject"));
  }
}

/** A push service (XEP-0357), which the server knows as its component. */
export class PushService extends Ear {
  constructor(port, domain, password) {
    super(component({ service: `xmpp://127.0.0.1:${port}`, domain, password }));
    this.jid = domain;
    this.published = [];
    this.xmpp.iqCallee.get(DISCO, "query", pushService);
    this.xmpp.iqCallee.set(PUBSUB, "pubsub", ({ stanza }) => {
      this.published.push(stanza);
      return true;
    });
  }

  start() {
    return this.xmpp.start();
  }

  /** Waits for the next that is published. */
  async next() {
    for (const end = Date.now() + WAIT; Date.now() < end;) {
      if (this.published.length > 0) return this.published.shift();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error("nothing was published");
  }
}

function pushService() {
  return xml("query", DISCO,
    xml("identity", { category: "pubsub", type: "push" }), xml("feature", { var: PUSH }));
}

/** Plays a dialogue of checks, each of which builds on those before; returns how many failed. */
export async function plays(name, checks, only, explain) {
  for (const [sentence, act] of Object.entries(checks)) {
    try {
      await act();
      if (!only || sentence.includes(only)) console.log(`ok   ${name}: ${sentence}`);
    } catch (error) {
      console.log(`FAIL ${name}: ${sentence}\n     ${error.message}`);
      for (const line of explain()) console.log(`     ${line}`);
      return 1;
    }
  }
  return 0;
}
