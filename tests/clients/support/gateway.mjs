// Owns starting `portcullis` for the scripts here, and counting what passed.
// Never knows a client library.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PATIENCE_MS = 20_000;
const JWT = /eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+/g;

const binary = process.env.PORTCULLIS;
if (!binary) throw new Error("PORTCULLIS must name the binary under test");

export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

export function withTimeout(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come`)), PATIENCE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

class Gateway {
  constructor(child, dir, port) {
    this.child = child;
    this.dir = dir;
    this.port = port;
    this.out = "";
    this.err = "";
    child.stdout.on("data", (text) => (this.out += text));
    child.stderr.on("data", (text) => (this.err += text));
    this.exited = new Promise((resolve) => child.once("exit", resolve));
  }

  get origin() {
    return `https://localhost:${this.port}`;
  }

  url(room) {
    return `wss://localhost:${this.port}/chat/${room}`;
  }

  get ca() {
    return readFileSync(join(this.dir, "ca.pem"));
  }

  /** The reasons of all outcomes so far. */
  reasons() {
    return this.err.split("\n").flatMap((line) => {
      try {
        const { reason } = JSON.parse(line);
        return reason ? [reason] : [];
      } catch {
        return [];
      }
    });
  }

  async until(what, isSo) {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const found = isSo();
      if (found) return found;
      if (Date.now() > deadline || this.child.exitCode !== null) {
        throw new Error(`${what} did not come:\n${this.out}\n${this.err}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async stop() {
    this.child.kill("SIGTERM");
    await this.exited;
  }
}

/** `portcullis dev` with a folder of its own; `tokens` are alice's and bob's. */
export async function dev() {
  const dir = mkdtempSync(join(tmpdir(), "pc-"));
  process.once("exit", () => rmSync(dir, { recursive: true, force: true }));
  const port = await freePort();
  const child = spawn(binary, ["dev", "--dir", dir, "--listen", `127.0.0.1:${port}`]);
  const gateway = new Gateway(child, dir, port);
  process.once("exit", () => child.kill("SIGKILL"));
  gateway.tokens = await gateway.until("two tokens", () => {
    const tokens = [...new Set(gateway.out.match(JWT) ?? [])];
    return tokens.length >= 2 && gateway.out.endsWith("\n") ? tokens : null;
  });
  await gateway.until("the port", () => isOpen(gateway));
  return gateway;
}

let probing = false;
function isOpen(gateway) {
  if (!probing) {
    probing = true;
    import("node:net").then(({ connect }) => {
      const socket = connect(gateway.port, "127.0.0.1", () => {
        gateway.accepts = true;
        socket.destroy();
      });
      socket.once("error", () => {});
      socket.once("close", () => (probing = false));
    });
  }
  return gateway.accepts;
}

/** `portcullis serve` over the keys that a `dev` made, with a configuration of its own. */
export async function serve(dir, toml) {
  const port = await freePort();
  const config = join(dir, `serve-${port}.toml`);
  writeFileSync(config, toml(port), { mode: 0o600 });
  const child = spawn(binary, ["serve", "--config", config]);
  const gateway = new Gateway(child, dir, port);
  process.once("exit", () => child.kill("SIGKILL"));
  await gateway.until("the port", () => isOpen(gateway));
  return gateway;
}

let passed = 0;
let failed = 0;

/** Runs one claim. */
export async function claim(name, body) {
  try {
    await withTimeout(body(), name);
    passed += 1;
    console.log(`ok   ${name}`);
  } catch (fault) {
    failed += 1;
    console.log(`FAIL ${name}\n     ${String(fault.stack ?? fault).replaceAll("\n", "\n     ")}`);
  }
}

/** Says how it went and ends. */
export function finish() {
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 && passed > 0 ? 0 : 1);
}
