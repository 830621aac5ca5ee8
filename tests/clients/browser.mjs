// Owns what a real browser lets pages do with the gateway: ours, another origin's, a sandboxed frame.
// Never knows how the gateway is made.
//
// CHROMIUM names the browser (default /usr/bin/chromium).

import assert from "node:assert/strict";
import { X509Certificate, createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { claim, dev, finish, freePort, serve } from "./gateway.mjs";

const ours = await dev();
const [alice] = ours.tokens;

// The browser trusts this one key, and only this run's.
const certificate = new X509Certificate(readFileSync(join(ours.dir, "server.pem")));
const spki = certificate.publicKey.export({ type: "spki", format: "der" });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", `--ignore-certificate-errors-spki-list=${createHash("sha256").update(spki).digest("base64")}`],
});

/** A page of `origin`, whatever is served there. */
async function pageOf(origin, context) {
  const page = await context.newPage();
  const url = `${origin}/a-page-of-its-own`;
  await page.route(url, (route) => route.fulfill({ contentType: "text/html", body: "<title>a page</title>" }));
  await page.goto(url);
  assert.equal(await page.evaluate(() => window.origin), origin);
  return page;
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

async function choose(page, user) {
  const control = page.locator("#user");
  const tag = await control.evaluate((element) => element.tagName);
  if (tag === "SELECT") await control.selectOption(user);
  else await control.fill(user);
}

async function statusSays(page, word) {
  await page.waitForFunction((word) => document.querySelector("#status").textContent.toLowerCase().includes(word), word);
}

async function enter(page, user, room) {
  await page.goto(`${ours.origin}/`);
  await choose(page, user);
  await page.fill("#room", room);
  await page.click("#connect");
  await statusSays(page, "connected");
}

async function logSays(page, text) {
  await page.waitForFunction((text) => document.querySelector("#log").textContent.includes(text), text);
}

await claim("the chat page works between two pages", async () => {
  const context = await browser.newContext();
  const [one, two] = [await context.newPage(), await context.newPage()];
  const faults = [];
  for (const page of [one, two]) {
    page.on("pageerror", (fault) => faults.push(String(fault)));
    page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
  }
  await enter(one, "alice", "kitchen");
  await enter(two, "bob", "kitchen");
  await one.fill("#message", "hello from alice");
  await one.click("#send");
  await logSays(two, "hello from alice");
  await two.fill("#message", "hello from bob");
  await two.press("#message", "Enter");
  await logSays(one, "hello from bob");
  assert.deepEqual(faults.filter((fault) => !fault.includes("favicon")), []);
  await context.close();
});

await claim("a message is shown as text, never as a page", async () => {
  const context = await browser.newContext();
  const [one, two] = [await context.newPage(), await context.newPage()];
  await enter(one, "alice", "kitchen");
  await enter(two, "bob", "kitchen");
  await one.fill("#message", "<img src=x onerror=alert(1)><b>bold</b>");
  await one.click("#send");
  await logSays(two, "<b>bold</b>");
  assert.equal(await two.locator("#log img, #log b").count(), 0);
  await context.close();
});

await claim("the page says when it was closed and why it was refused", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await enter(page, "alice", "kitchen");
  await page.click("#disconnect");
  await statusSays(page, "closed");
  await page.fill("#room", "no such room/at all");
  await page.click("#connect");
  await statusSays(page, "refused");
  await context.close();
});

await claim("a page of another origin cannot open the socket, even with a good token", async () => {
  const context = await browser.newContext();
  const before = ours.reasons().length;
  const evil = await pageOf(`https://localhost:${await freePort()}`, context);
  assert.equal(await attempt(evil, ours.url("kitchen"), ["bearer", alice]), 1006);
  await ours.until("the refusal", () => ours.reasons().slice(before).includes("origin_not_allowed"));
  const plain = await pageOf(`http://127.0.0.1:${await freePort()}`, context);
  assert.equal(await attempt(plain, ours.url("kitchen"), ["bearer", alice]), 1006);
  const honest = await pageOf(ours.origin, context);
  assert.equal(await attempt(honest, ours.url("kitchen"), ["bearer", alice]), "open");
  await context.close();
});

await claim("a sandboxed frame cannot open the socket, the same frame without a sandbox can", async () => {
  const context = await browser.newContext();
  const page = await pageOf(ours.origin, context);
  const frame = async (sandbox) => {
    const before = page.frames().length;
    await page.evaluate((sandbox) => {
      const frame = document.createElement("iframe");
      frame.setAttribute("sandbox", sandbox);
      frame.srcdoc = "<p>a frame</p>";
      document.body.append(frame);
      return new Promise((resolve) => (frame.onload = resolve));
    }, sandbox);
    assert.equal(page.frames().length, before + 1);
    return page.frames().at(-1);
  };
  const before = ours.reasons().length;
  assert.equal(await attempt(await frame("allow-scripts"), ours.url("kitchen"), ["bearer", alice]), 1006);
  await ours.until("the refusal", () => ours.reasons().slice(before).includes("origin_null"));
  const free = await frame("allow-scripts allow-same-origin");
  assert.equal(await attempt(free, ours.url("kitchen"), ["bearer", alice]), "open");
  await context.close();
});

await claim("a page of another origin cannot ride on the cookie", async () => {
  const listed = `https://localhost:${await freePort()}`;
  const config = (port) => `
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
  const gateway = await serve(ours.dir, config);
  const context = await browser.newContext();
  const cookie = { name: "__Host-portcullis", value: alice, url: gateway.origin, secure: true, httpOnly: true, sameSite: "None" };
  const honest = await pageOf(gateway.origin, context);
  assert.equal(await attempt(honest, gateway.url("kitchen"), []), 1006, "without the cookie");
  await context.addCookies([cookie]);
  assert.equal(await attempt(honest, gateway.url("kitchen"), []), "open");
  // Cookies know no ports: the browser sends ours from any page, so only Origin tells them apart.
  const sibling = await pageOf(listed, context);
  assert.equal(await attempt(sibling, gateway.url("kitchen"), []), "open", "a listed origin shows that the cookie is ambient");
  const evil = await pageOf(`https://localhost:${await freePort()}`, context);
  const before = gateway.reasons().length;
  assert.equal(await attempt(evil, gateway.url("kitchen"), []), 1006);
  await gateway.until("the refusal", () => gateway.reasons().slice(before).includes("origin_not_allowed"));
  await context.close();
  await gateway.stop();
});

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
await ours.stop();
finish();
