// Owns what Symfony's Mercure component and a browser's EventSource do with the hub and with rooms.
// Never knows how the gateway is made.
//
// The set-up is the one of README, "Symfony with Mercure": its configuration and its PHP script are read from
// there. CHROMIUM names the browser (default /usr/bin/chromium).

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { X509Certificate, createHash, createHmac } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { chromium } from "playwright-core";
import WebSocket from "ws";
import { claim, dev, finish, serve, withTimeout } from "./support/gateway.mjs";

const run = promisify(execFile);
const here = dirname(fileURLToPath(import.meta.url));
const readme = readFileSync(process.env.README ?? join(here, "../../README.md"), "utf8");
const TOPIC = "https://example.com/rooms/lobby";
const SECRET = "0123456789abcdef0123456789abcdef";

const ours = await dev();
const [alice] = ours.tokens;
writeFileSync(join(ours.dir, "mercure.secret"), SECRET + "\n", { mode: 0o600 });
const script = join(ours.dir, "publish.php");
writeFileSync(script, ofReadme("php"));

const foreign = await site();
const gateway = await serve(ours.dir, config);
const hub = `${gateway.origin}/.well-known/mercure`;

const tls = new X509Certificate(readFileSync(join(ours.dir, "server.pem")));
const spki = createHash("sha256").update(tls.publicKey.export({ type: "spki", format: "der" })).digest("base64");
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", `--ignore-certificate-errors-spki-list=${spki}`],
});

/** The first block of a language in the section of README. */
function ofReadme(language) {
  const section = readme.slice(readme.indexOf("\n### Symfony with Mercure"));
  const block = section.match(new RegExp("```" + language + "\n([^]*?)\n```"));
  assert.ok(block, `README has no ${language}`);
  return block[1];
}

/** The configuration of README beside what `dev` made, for a page of the gateway's own host. */
function config(port) {
  const made = readFileSync(join(ours.dir, "portcullis.toml"), "utf8");
  const begin = made.search(/^\s*\[\[auth\.issuer\]\]/m);
  const rest = made.slice(begin);
  const end = rest.search(/^\s*\[(?!\[?auth\.issuer)/m);
  return `
[server]
listen = ["127.0.0.1:${port}"]
hosts = ["localhost"]
[tls]
certificate = "server.pem"
private_key = "server.key"
[origins]
allow = ["https://localhost:${port}"]
[auth]
credentials = ["header", "subprotocol", "cookie"]
${end < 0 ? rest : rest.slice(0, end)}
${ofReadme("toml")}
limits.max_session = "4s"
[[route]]
path = "/chat/{room}"
sse = true
`;
}

/** A site of another origin on this machine. */
function site() {
  const options = { key: readFileSync(join(ours.dir, "server.key")), cert: readFileSync(join(ours.dir, "server.pem")) };
  const server = createServer(options, (_, response) => {
    response.writeHead(200, { "Content-Type": "text/html" });
    response.end("<title>a page</title>");
  });
  server.unref();
  return new Promise((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve(`https://localhost:${server.address().port}`)),
  );
}

/** A token as Symfony's Authorization makes it, with a subject. */
function token(claims) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const exp = Math.floor(Date.now() / 1000) + 600;
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ exp, ...claims })}`;
  return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
}

/** Runs README's script; the id of the update. */
async function publish(data, visibility = "public") {
  const env = { ...process.env, MERCURE_URL: hub, MERCURE_JWT_SECRET: SECRET, CA_FILE: join(ours.dir, "ca.pem") };
  const { stdout } = await run("php", [script, data, visibility], { env });
  return stdout.trim();
}

/** A page of an origin, in a window that has these cookies of the gateway's host. */
async function pageOf(origin, cookies) {
  const context = await browser.newContext();
  await context.addCookies(
    Object.entries(cookies).map(([name, value]) => ({ name, value, url: gateway.origin, secure: true, sameSite: "Strict" })),
  );
  const page = await context.newPage();
  await page.goto(`${origin}/a-page`);
  return page;
}

/** Opens an EventSource in a page; what it brings is gathered there. */
async function listen(page, url) {
  await page.evaluate((url) => {
    window.got = [];
    window.opened = 0;
    window.failed = 0;
    window.source = new EventSource(url, { withCredentials: true });
    window.source.onopen = () => (window.opened += 1);
    window.source.onerror = () => (window.failed += 1);
    window.source.onmessage = (event) => window.got.push([event.data, event.lastEventId]);
    window.source.addEventListener("close", (event) => window.got.push(["close", event.data]));
  }, url);
  await page.waitForFunction(() => window.opened + window.failed > 0);
}

const gets = (page, text) =>
  page.waitForFunction((text) => window.got.some(([data]) => data === text), text, { timeout: 15_000 });

const ofTopic = `/.well-known/mercure?topic=${encodeURIComponent("https://example.com/rooms/{id}")}`;
const reader = (granted) => ({ mercureAuthorization: token({ sub: "alice", mercure: { subscribe: granted } }) });

function socket(room) {
  const socket = new WebSocket(gateway.url(room), ["bearer", alice], { ca: ours.ca, origin: gateway.origin });
  socket.got = [];
  socket.on("message", (data) => socket.got.push(data.toString()));
  return withTimeout(new Promise((resolve, reject) => {
    socket.once("open", () => resolve(socket));
    socket.once("error", reject);
  }), "the socket");
}

await claim("a PHP script publishes by Symfony to an EventSource and to the WebSockets of the room", async () => {
  const page = await pageOf(gateway.origin, reader([TOPIC]));
  await listen(page, ofTopic);
  const peer = await socket("lobby");
  const id = await publish("The kettle is on.\nHurry.");
  assert.match(id, /^urn:uuid:/);
  await gets(page, "The kettle is on.\nHurry.");
  assert.deepEqual(await page.evaluate(() => window.got), [["The kettle is on.\nHurry.", id]]);
  await gateway.until("the message", () => peer.got.length > 0);
  assert.deepEqual(peer.got, ["The kettle is on.\nHurry."]);
  peer.close();
  await page.context().close();
});

await claim("a private update of a backend reaches only the page whose cookie grants its topic", async () => {
  const granted = await pageOf(gateway.origin, reader(["https://example.com/rooms/{id}"]));
  const not = await pageOf(gateway.origin, reader(["https://example.com/other"]));
  await listen(granted, ofTopic);
  await listen(not, ofTopic);
  await publish("secret", "private");
  await publish("open");
  for (const page of [granted, not]) await gets(page, "open");
  assert.deepEqual(await granted.evaluate(() => window.got.map(([data]) => data)), ["secret", "open"]);
  assert.deepEqual(await not.evaluate(() => window.got.map(([data]) => data)), ["open"]);
  await granted.context().close();
  await not.context().close();
});

await claim("an event source that comes back by itself gets what it missed, once", async () => {
  const page = await pageOf(gateway.origin, reader([TOPIC]));
  await listen(page, ofTopic);
  await publish("before");
  await gets(page, "before");
  // The route ends every stream after four seconds; Chromium comes back three seconds later.
  await page.waitForFunction(() => window.failed > 0, null, { timeout: 15_000 });
  await publish("while it was away");
  await gets(page, "while it was away");
  await publish("after");
  await gets(page, "after");
  assert.deepEqual(await page.evaluate(() => window.got.map(([data]) => data)), ["before", "while it was away", "after"]);
  await page.context().close();
});

await claim("an event source without the cookie or of another origin gets nothing", async () => {
  for (const [origin, cookies, reason] of [
    [gateway.origin, {}, "credential_missing"],
    [gateway.origin, { mercureAuthorization: "a.b.c" }, "token_malformed"],
    [foreign, reader(["*"]), "origin_not_allowed"],
  ]) {
    const before = gateway.reasons().length;
    const page = await pageOf(origin, cookies);
    await listen(page, `${gateway.origin}${ofTopic}`);
    await gateway.until(reason, () => gateway.reasons().slice(before).includes(reason));
    assert.equal(await page.evaluate(() => window.opened), 0);
    await page.context().close();
  }
});

await claim("an event source reads a room of WebSockets and a page sends into it by fetch", async () => {
  const page = await pageOf(gateway.origin, { "__Host-portcullis": alice });
  await listen(page, "/chat/kitchen");
  const peer = await socket("kitchen");
  peer.send("from a socket");
  await gets(page, "from a socket");
  const status = await page.evaluate(() => fetch("/chat/kitchen", { method: "POST", body: "from a page" }).then((a) => a.status));
  assert.equal(status, 204);
  await gets(page, "from a page");
  await gateway.until("the message", () => peer.got.includes("from a page"));
  peer.close();
  await gateway.stop();
  await page.waitForFunction(() => window.got.some(([kind]) => kind === "close"));
  const [, why] = await page.evaluate(() => window.got.find(([kind]) => kind === "close"));
  assert.deepEqual(JSON.parse(why), { code: 1001, reason: "drain" });
  await page.context().close();
});

await browser.close();
await ours.stop();
finish();
