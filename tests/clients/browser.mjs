// Owns what a real browser lets pages do with the gateway: ours, another origin's, a sandboxed frame.
// Never knows how the gateway is made.
//
// CHROMIUM names the browser (default /usr/bin/chromium).

import assert from "node:assert/strict";
import { X509Certificate, createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer as createPlainServer } from "node:http";
import { createServer } from "node:https";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { claim, dev, finish, serve } from "./support/gateway.mjs";

const ours = await dev();
const [alice] = ours.tokens;
const tls = { key: readFileSync(join(ours.dir, "server.key")), cert: readFileSync(join(ours.dir, "server.pem")) };

// The browser trusts this one key, and only this run's.
const spki = new X509Certificate(tls.cert).publicKey.export({ type: "spki", format: "der" });
const options = {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", `--ignore-certificate-errors-spki-list=${createHash("sha256").update(spki).digest("base64")}`],
};
const browser = await chromium.launch(options);

/**
 * A site on this machine: its origin. It must be served for real: Chromium keeps pages from
 * elsewhere (as it takes those that are made up in the browser to be) off local ports by
 * itself, and nothing would be known of the gateway.
 */
function site(scheme, host, headers = {}) {
  const answer = (_, response) => {
    response.writeHead(200, { "Content-Type": "text/html", ...headers });
    response.end("<title>a page</title>");
  };
  const server = scheme === "https" ? createServer(tls, answer) : createPlainServer(answer);
  server.unref();
  return new Promise((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve(`${scheme}://${host}:${server.address().port}`)),
  );
}

/** A page of `origin`; what the gateway itself serves there is a 404, which is a page like any other. */
async function pageOf(origin, context) {
  const page = await context.newPage();
  await page.goto(`${origin}/a-page`);
  assert.equal(await page.evaluate(() => window.origin), origin);
  return page;
}

/** A frame in a page. */
async function frameIn(page, sandbox) {
  const before = page.frames().length;
  await page.evaluate((sandbox) => {
    const frame = document.createElement("iframe");
    frame.setAttribute("sandbox", sandbox);
    frame.srcdoc = "<p>a frame</p>";
    const loaded = new Promise((resolve) => (frame.onload = resolve));
    document.body.append(frame);
    return loaded;
  }, sandbox);
  assert.equal(page.frames().length, before + 1);
  return page.frames().at(-1);
}

/** What happens to a socket that a page or frame opens: "open", or the close code. */
function attempt(frame, url, protocols) {
  return frame.evaluate(
    ([url, protocols]) =>
      new Promise((resolve) => {
        const socket = new WebSocket(url, protocols);
        socket.onopen = () => {
          socket.close();
          resolve("open");
        };
        socket.onclose = (event) => resolve(event.code);
      }),
    [url, protocols],
  );
}

/** Tries to open a socket and expects the gateway, not the browser, to refuse it, for this reason. */
async function refused(gateway, frame, protocols, reason) {
  const before = gateway.reasons().length;
  assert.equal(await attempt(frame, gateway.url("kitchen"), protocols), 1006);
  await gateway.until(reason, () => gateway.reasons().slice(before).includes(reason));
}

async function shows(page, id, text) {
  const element = page.locator(`#${id}`);
  await page
    .waitForFunction(([id, text]) => document.getElementById(id).textContent.includes(text), [id, text], { timeout: 10_000 })
    .catch(async () => assert.fail(`#${id} says "${await element.textContent()}" and not "${text}"`));
  assert.ok(await element.isVisible(), `#${id} cannot be seen`);
}

async function enter(page, user, room) {
  await page.goto(`${ours.origin}/`);
  await page.selectOption("#user", user);
  await page.fill("#room", room);
  await page.click("#connect");
  await shows(page, "state", "Connected");
}

async function say(page, text) {
  await page.fill("#message", text);
  await page.click("#send");
}

/** Gathers what goes wrong in a page. */
function faultsOf(pages) {
  const faults = [];
  for (const page of pages) {
    page.on("pageerror", (fault) => faults.push(String(fault)));
    page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
  }
  return faults;
}

await claim("the chat page works between two pages", async () => {
  const context = await browser.newContext();
  const [one, two] = [await context.newPage(), await context.newPage()];
  const faults = faultsOf([one, two]);
  await one.goto(`${ours.origin}/`);
  await shows(one, "state", "Not connected");
  assert.ok(await one.isDisabled("#send"), "nothing can be sent before there is a socket");
  await enter(one, "alice", "kitchen");
  await shows(one, "why", "You are in kitchen as alice.");
  await shows(one, "answer", "subprotocol bearer");
  await enter(two, "bob", "kitchen");
  await say(one, "hello from alice");
  await shows(two, "log", "hello from alice");
  await two.fill("#message", "hello from bob");
  await two.press("#message", "Enter");
  await shows(one, "log", "hello from bob");
  assert.equal(await one.locator("#log .own").count(), 1, "the own message is shown once");
  assert.deepEqual(faults, []);
  await context.close();
});

await claim("a message is shown as text, never as a page", async () => {
  const context = await browser.newContext();
  const [one, two] = [await context.newPage(), await context.newPage()];
  await enter(one, "alice", "kitchen");
  await enter(two, "bob", "kitchen");
  await say(one, "<img src=x onerror=alert(1)><b>bold</b>");
  await shows(two, "log", "<b>bold</b>");
  for (const page of [one, two]) assert.equal(await page.locator("#log img, #log b").count(), 0);
  await context.close();
});

await claim("the page says why it was refused, and the log has the finer reason", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`${ours.origin}/`);
  await page.fill("#room", "kitchen");
  for (const [credential, answer, reason] of [
    ["none", "401 credential_missing", "credential_missing"],
    ["expired", "401 credential_invalid", "token_expired"],
    ["forged", "401 credential_invalid", "token_signature"],
    ["other_room", "403 room_not_granted", "room_not_granted"],
    ["query", "400 token_in_query", "token_in_query"],
  ]) {
    const before = ours.reasons().length;
    await page.selectOption("#credential", credential);
    await page.click("#connect");
    await shows(page, "state", "Refused");
    await shows(page, "answer", answer);
    await ours.until(reason, () => ours.reasons().slice(before).includes(reason));
  }
  await page.selectOption("#credential", "every_room");
  await page.click("#connect");
  await shows(page, "state", "Connected");
  await context.close();
});

await claim("the page says that it was opened at another address, which may not connect", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`https://127.0.0.1:${ours.port}/`);
  await shows(page, "elsewhere", `https://127.0.0.1:${ours.port}`);
  await page.click("#connect");
  await shows(page, "answer", "403 origin_not_allowed");
  await page.click("#home");
  await page.click("#connect");
  await shows(page, "state", "Connected");
  await context.close();
});

await claim("the page says when it was closed and why", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await enter(page, "alice", "kitchen");
  await page.click("#disconnect");
  await shows(page, "state", "Closed");
  await shows(page, "answer", "1000 normal closure");
  await shows(page, "why", "You left the room.");
  await page.click("#connect");
  await shows(page, "state", "Connected");
  await say(page, "x".repeat(65_537));
  await shows(page, "state", "Closed");
  await shows(page, "answer", "1009 message too big");
  await shows(page, "why", "The gateway's reason: message_too_big.");
  await context.close();
});

await claim("a page of another origin cannot open the socket, even with a good token", async () => {
  const context = await browser.newContext();
  for (const origin of [await site("https", "localhost"), await site("http", "127.0.0.1"), await site("http", "localhost")]) {
    const evil = await pageOf(origin, context);
    await refused(ours, evil, ["bearer", alice], "origin_not_allowed");
    await refused(ours, evil, [], "origin_not_allowed");
  }
  const honest = await pageOf(ours.origin, context);
  assert.equal(await attempt(honest, ours.url("kitchen"), ["bearer", alice]), "open");
  await context.close();
});

await claim("a sandboxed frame cannot open the socket, the same frame without a sandbox can", async () => {
  const context = await browser.newContext();
  const page = await pageOf(ours.origin, context);
  await refused(ours, await frameIn(page, "allow-scripts"), ["bearer", alice], "origin_null");
  const free = await frameIn(page, "allow-scripts allow-same-origin");
  assert.equal(await attempt(free, ours.url("kitchen"), ["bearer", alice]), "open");
  await context.close();
});

await claim("a page of another origin and a sandboxed frame cannot ride on the cookie", async () => {
  const listed = await site("https", "localhost");
  const gateway = await serve(ours.dir, (port) => cookieConfig(port, listed));
  const context = await browser.newContext();
  const honest = await pageOf(gateway.origin, context);
  await refused(gateway, honest, [], "credential_missing");

  // A server of the same host logs the person in: cookies know no ports.
  const login = await site("https", "localhost", {
    "Set-Cookie": `__Host-portcullis=${alice}; Secure; HttpOnly; Path=/; SameSite=Strict`,
  });
  await pageOf(login, context);
  const [cookie] = await context.cookies(gateway.origin);
  assert.deepEqual([cookie.name, cookie.secure, cookie.sameSite], ["__Host-portcullis", true, "Strict"]);

  assert.equal(await attempt(honest, gateway.url("kitchen"), []), "open");
  // The browser sends the cookie from any page of the site, whatever SameSite says: Origin alone tells them apart.
  const sibling = await pageOf(listed, context);
  assert.equal(await attempt(sibling, gateway.url("kitchen"), []), "open", "a listed origin shows that the cookie is ambient");
  const evil = await pageOf(await site("https", "localhost"), context);
  await refused(gateway, evil, [], "origin_not_allowed");
  await refused(gateway, await frameIn(honest, "allow-scripts"), [], "origin_null");
  assert.equal(await attempt(honest, gateway.url("kitchen"), []), "open");
  await context.close();
  await gateway.stop();
});

await claim("a page of another site cannot ride on a cookie that is sent across sites", async () => {
  const listed = await site("http", "127.0.0.1");
  const gateway = await serve(ours.dir, (port) => cookieConfig(port, listed));
  // The windows of the other claims are private ones, which keep cookies from other sites by themselves.
  const context = await chromium.launchPersistentContext(profile(), options);
  const login = await site("https", "localhost", {
    "Set-Cookie": `__Host-portcullis=${alice}; Secure; HttpOnly; Path=/; SameSite=None`,
  });
  await pageOf(login, context);
  const friend = await pageOf(listed, context);
  assert.equal(await attempt(friend, gateway.url("kitchen"), []), "open", "a listed origin shows that the cookie is sent");
  const evil = await pageOf(await site("http", "127.0.0.1"), context);
  await refused(gateway, evil, [], "origin_not_allowed");
  await context.close();
  await gateway.stop();
});

await claim("the page says that the gateway shut down, and that nothing answers after that", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await enter(page, "bob", "kitchen");
  await ours.stop();
  await shows(page, "state", "Closed");
  await shows(page, "answer", "1001 going away");
  await shows(page, "why", "The gateway's reason: drain.");
  await page.click("#connect");
  await shows(page, "state", "Not reached");
  await context.close();
});

/** A gateway that takes the token from the cookie alone, and one more origin than its own. */
function cookieConfig(port, listed) {
  return `
[server]
listen = ["127.0.0.1:${port}"]
hosts = ["localhost"]
[tls]
certificate = "server.pem"
private_key = "server.key"
[origins]
allow = ["https://localhost:${port}", "${listed}"]
[auth]
credentials = ["cookie"]
${issuer(ours.dir)}
[[route]]
path = "/chat/{room}"
kind = "broadcast"
`;
}

/** A profile whose windows send cookies to other sites, as browsers do that are not told otherwise. */
function profile() {
  const dir = join(ours.dir, "profile");
  mkdirSync(join(dir, "Default"), { recursive: true });
  writeFileSync(join(dir, "Default", "Preferences"), JSON.stringify({ profile: { cookie_controls_mode: 0, block_third_party_cookies: false } }));
  return dir;
}

/** The issuer that `dev` wrote, as it stands in its configuration. */
function issuer(dir) {
  const config = readFileSync(join(dir, "portcullis.toml"), "utf8");
  const begin = config.search(/^\s*\[\[auth\.issuer\]\]/m);
  assert.ok(begin >= 0, config);
  const rest = config.slice(begin);
  const end = rest.search(/^\s*\[(?!\[?auth\.issuer)/m);
  return end < 0 ? rest : rest.slice(0, end);
}

await browser.close();
finish();
