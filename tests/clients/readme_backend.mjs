// Owns the backends that README and deploy/symfony show, behind the gateway, in their own words.
// Never knows how the gateway is made.
//
// The Node backend and its route are read from README, "In front of a backend", the PHP classes from
// deploy/symfony; here stand only the libraries' names that those classes use.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import WebSocket, { WebSocketServer } from "ws";
import { claim, dev, finish, freePort, serve, withTimeout } from "./support/gateway.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const readmeAt = process.env.README ?? join(here, "../../README.md");
const readme = readFileSync(readmeAt, "utf8");
const symfony = join(dirname(readmeAt), "deploy/symfony");
const NAME = 'Jörg, "root"';

const ours = await dev();
const upstream = await freePort();
const gateway = await serve(ours.dir, config);

/** The first block of a language in the section of README, with the port that is free here. */
function ofReadme(language) {
  const section = readme.slice(readme.indexOf("\n## In front of a backend"));
  const block = section.match(new RegExp("```" + language + "\n([^]*?)\n```"));
  assert.ok(block, `README has no ${language}`);
  assert.equal(block[1].match(/\b8080\b/g)?.length, 1, `${language}: the port of the backend`);
  return block[1].replace("8080", upstream);
}

/** The route of README beside what `dev` made. */
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
${end < 0 ? rest : rest.slice(0, end)}
${ofReadme("toml")}
`;
}

function token() {
  const made = ["token", "--config", join(ours.dir, "portcullis.toml"), "--sub", NAME];
  return execFileSync(process.env.PORTCULLIS, [...made, "--subscribe", "team-*", "--publish", "lobby"], {
    encoding: "utf8",
  }).trim();
}

async function socket() {
  const socket = new WebSocket(`wss://localhost:${gateway.port}/chat`, ["bearer", token()], {
    ca: ours.ca,
    origin: gateway.origin,
  });
  const waiting = [];
  const came = [];
  socket.on("message", (data, isBinary) => {
    const message = isBinary ? data : data.toString();
    waiting.length > 0 ? waiting.shift()(message) : came.push(message);
  });
  socket.read = () => (came.length > 0 ? came.shift() : new Promise((resolve) => waiting.push(resolve)));
  await withTimeout(once(socket, "open"), "the socket");
  return socket;
}

/** Whether somebody listens there. */
function isListening(port) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

await claim("the node backend of the readme echoes behind the gateway and knows who is there", async () => {
  // What README calls `subject` it does not use: here it is told as it is decoded.
  const before = `
    const { WebSocketServer } = require("ws");
    const decode = decodeURIComponent;
    globalThis.decodeURIComponent = (text) => (console.log(decode(text)), decode(text));
  `;
  const backend = spawn(process.execPath, ["-e", before + ofReadme("js")], { stdio: ["ignore", "pipe", "inherit"] });
  process.once("exit", () => backend.kill("SIGKILL"));
  let told = "";
  backend.stdout.on("data", (text) => (told += text));
  while (!(await isListening(upstream))) await new Promise((resolve) => setTimeout(resolve, 20));
  const peer = await socket();
  for (const message of ["grüße", "", "x".repeat(65_536)]) {
    peer.send(message);
    assert.equal(await peer.read(), message);
  }
  peer.send(Buffer.from([0, 255, 128]));
  assert.deepEqual(await peer.read(), Buffer.from([0, 255, 128]));
  peer.send("in ", { fin: false });
  peer.send("fragments");
  assert.equal(await peer.read(), "in fragments");
  await gateway.until("the subject", () => told.endsWith("\n"));
  assert.equal(told, `${NAME}\n`);
  const closed = once(peer, "close");
  const exited = once(backend, "exit");
  backend.kill("SIGKILL");
  const [code, reason] = await closed;
  // Its port is free for the next one.
  await exited;
  assert.deepEqual([code, reason.toString()], [1014, "backend_gone"]);
});

/** What Ratchet and PSR-7 call the things that the classes of deploy/symfony use. */
const LIBRARIES = `
namespace Psr\\Http\\Message { interface RequestInterface { public function getHeaderLine(string $name): string; } }
namespace Ratchet {
  interface ConnectionInterface { public function send($data); public function close(); }
  interface MessageComponentInterface {
    public function onOpen(ConnectionInterface $c); public function onClose(ConnectionInterface $c);
    public function onError(ConnectionInterface $c, \\Exception $e); public function onMessage(ConnectionInterface $c, $m);
  }
}
namespace {
  final class Request implements Psr\\Http\\Message\\RequestInterface {
    public function __construct(private array $fields) {}
    public function getHeaderLine(string $name): string { return $this->fields[strtolower($name)] ?? ''; }
  }
  final class Connection implements Ratchet\\ConnectionInterface {
    public array $got = [];
    public function __construct(public $httpRequest) {}
    public function send($data) { $this->got[] = $data; }
    public function close() { $this->got[] = null; }
  }
  require $argv[1] . '/Visitor.php';
  require $argv[1] . '/ChatServer.php';
  $requests = array_map(fn ($fields) => new Request($fields), json_decode(stream_get_contents(STDIN), true));
  [$one, $two] = array_map(fn ($request) => new Connection($request), $requests);
  $server = new App\\Chat\\ChatServer();
  $server->onOpen($one);
  $server->onOpen($two);
  $server->onMessage($one, 'hello');
  $server->onMessage($one, "\\xff");
  $server->onClose($two);
  $server->onMessage($one, 'nobody is there');
  echo json_encode([
    'visitor' => App\\Chat\\Visitor::fromRequest($requests[0]), 'one' => $one->got, 'two' => array_map('json_decode', $two->got),
  ]);
}
`;

await claim("the ratchet example of deploy reads the fields that the gateway writes", async () => {
  const server = new WebSocketServer({ host: "127.0.0.1", port: upstream });
  const heads = [];
  server.on("connection", (_, request) => heads.push(request.headers));
  await once(server, "listening");
  const peers = [await socket(), await socket()];
  await gateway.until("both", () => heads.length === 2);
  const example = join(ours.dir, "example.php");
  writeFileSync(example, `<?php\n${LIBRARIES}`);
  const run = { input: JSON.stringify(heads), encoding: "utf8" };
  const said = JSON.parse(execFileSync("php", ["-d", "display_errors=stderr", example, symfony], run));
  assert.deepEqual(said.visitor, {
    subject: NAME,
    subscribe: ["team-*"],
    publish: ["lobby"],
    connectionId: heads[0]["portcullis-connection-id"],
  });
  assert.deepEqual(said.one, [], "nobody hears what he says himself");
  assert.deepEqual(said.two, [{ from: NAME, text: "hello" }, { from: NAME, text: "\ufffd" }]);
  // Every field of the example's table is there.
  const table = readFileSync(join(symfony, "README.md"), "utf8").matchAll(/^\| `([A-Z][A-Za-z-]+)` \|/gm);
  const fields = [...table].map(([, name]) => name.toLowerCase());
  assert.equal(fields.length, 5);
  for (const name of fields) assert.ok(heads[0][name], name);
  // It listens where its configuration, which is that of README, looks for it.
  const routes = readFileSync(join(symfony, "portcullis.toml"), "utf8");
  const keys = (text) => text.match(/^(path|kind|upstream) = [^#\n]*/gm).map((line) => line.trim());
  assert.deepEqual(keys(routes), keys(ofReadme("toml").replace(upstream, "8080")));
  assert.match(readFileSync(join(symfony, "chat-server.php"), "utf8"), /, 8080, '127\.0\.0\.1'\)->run\(\);/);
  for (const peer of peers) peer.terminate();
  server.close();
});

await gateway.stop();
await ours.stop();
finish();
