// Owns the chat of Node's `ws` and of `wscat` through the gateway.
// Never knows how the gateway is made.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import WebSocket from "ws";
import { claim, dev, finish, withTimeout } from "./support/gateway.mjs";

const gateway = await dev();
const [alice, bob] = gateway.tokens;

/** An open socket whose messages can be awaited one by one. */
async function open(token, room = "lobby", options = {}) {
  const { protocols = [], ...rest } = options;
  const headers = protocols.length > 0 ? {} : { Authorization: `Bearer ${token}` };
  const socket = new WebSocket(gateway.url(room), protocols, { ca: gateway.ca, origin: gateway.origin, headers, ...rest });
  const messages = [];
  const waiting = [];
  socket.on("message", (data, isBinary) => {
    const message = isBinary ? data : data.toString();
    const next = waiting.shift();
    if (next) next(message);
    else messages.push(message);
  });
  socket.next = () =>
    withTimeout(messages.length > 0 ? Promise.resolve(messages.shift()) : new Promise((resolve) => waiting.push(resolve)), "a message");
  await new Promise((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("error", reject);
    socket.once("unexpected-response", (_, response) => reject(Object.assign(new Error("refused"), { response })));
  });
  return socket;
}

function closed(socket) {
  return new Promise((resolve) => socket.once("close", (code, reason) => resolve([code, reason.toString()])));
}

async function refusal(token, options) {
  const fault = await open(token, "lobby", options).then(() => assert.fail("admitted"), (fault) => fault);
  assert.ok(fault.response, String(fault));
  return fault.response.statusCode;
}

await claim("ws: two clients chat in text and binary", async () => {
  const [one, two] = await Promise.all([open(alice), open(bob)]);
  one.send("gr\u00fc\u00dfe");
  assert.equal(await two.next(), "gr\u00fc\u00dfe");
  two.send(Buffer.from([0, 255, 128]));
  assert.deepEqual(await one.next(), Buffer.from([0, 255, 128]));
  one.close(1000);
  two.close(1000);
  assert.deepEqual(await Promise.all([closed(one), closed(two)]), [[1000, ""], [1000, ""]]);
});

await claim("ws: the token may travel as a subprotocol and is not answered", async () => {
  const one = await open(alice, "lobby", { protocols: ["bearer", alice] });
  assert.equal(one.protocol, "bearer");
  one.close();
  await closed(one);
});

await claim("ws: an offer of compression is declined", async () => {
  const one = await open(alice, "lobby", { perMessageDeflate: true });
  assert.equal(one.extensions, "");
  one.close();
  await closed(one);
});

await claim("ws: fragments and the largest message arrive whole", async () => {
  const [one, two] = await Promise.all([open(alice), open(bob)]);
  one.send("one ", { fin: false });
  one.send("message", { fin: true });
  assert.equal(await two.next(), "one message");
  const largest = Buffer.alloc(64 * 1024, 7);
  one.send(largest);
  assert.deepEqual(await two.next(), largest);
  one.send(Buffer.alloc(64 * 1024 + 1));
  assert.deepEqual(await closed(one), [1009, "message_too_big"]);
  two.close();
  await closed(two);
});

await claim("ws: a ping is answered", async () => {
  const one = await open(alice);
  const pong = new Promise((resolve) => one.once("pong", (data) => resolve(data.toString())));
  one.ping("are you there");
  assert.equal(await pong, "are you there");
  one.close();
  await closed(one);
});

await claim("ws: no token, a bad token and a foreign origin are refused", async () => {
  assert.equal(await refusal("", { headers: {} }), 401);
  assert.equal(await refusal("a.b.c"), 401);
  assert.equal(await refusal(alice, { origin: "https://evil.example" }), 403);
  assert.equal(await refusal(alice, { origin: undefined }), 403);
});

await claim("wscat: a person at a terminal says hello", async () => {
  const two = await open(bob);
  const wscat = join(dirname(createRequire(import.meta.url).resolve("wscat/package.json")), "bin", "wscat");
  const child = spawn(process.execPath, [
    wscat, "--connect", gateway.url("lobby"), "--origin", gateway.origin, "--ca", join(gateway.dir, "ca.pem"),
    "--header", `Authorization: Bearer ${alice}`, "--execute", "hello from wscat", "--wait", "1",
  ]);
  let told = "";
  child.stderr.on("data", (text) => (told += text));
  child.stdout.on("data", (text) => (told += text));
  const exited = new Promise((resolve) => child.once("exit", resolve));
  const said = await Promise.race([two.next(), exited.then((status) => assert.fail(`wscat ended with ${status}: ${told}`))]);
  assert.equal(said, "hello from wscat");
  child.kill();
  await exited;
  two.close();
  await closed(two);
});

await claim("ws: a drain says going away", async () => {
  const one = await open(alice);
  const end = closed(one);
  await gateway.stop();
  assert.deepEqual(await end, [1001, "drain"]);
});

finish();
