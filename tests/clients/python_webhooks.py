"""Owns the reading of the gateway's webhooks by the `standardwebhooks` library of their specification's
authors. Never knows how the gateway is made.

PORTCULLIS names the binary under test.
"""

import asyncio
import base64
import http.server
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import websockets
from standardwebhooks import Webhook, WebhookVerificationError

PATIENCE = 20


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def new_secret():
    return "whsec_" + base64.b64encode(os.urandom(32)).decode()


class Receiver:
    """A backend that keeps what it gets."""

    def __init__(self):
        self.came = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.came.append((dict(self.headers), body))
                self.send_response(500 if len(receiver.came) == 1 else 204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.port = self.server.server_port

    def events(self):
        bodies = {headers["webhook-id"]: json.loads(body) for headers, body in self.came}
        return [event for body in bodies.values() for event in body["data"]["events"]]

    def wait(self, count):
        deadline = time.monotonic() + PATIENCE
        while len(self.events()) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{count} events: {self.came}")
            time.sleep(0.02)
        return self.events()


class Gateway:
    """The configuration of `portcullis dev`, with a backend that is told."""

    def __init__(self, folder, receiver, secrets):
        self.folder = pathlib.Path(folder)
        self.port = free_port()
        self.receiver = receiver
        binary = os.environ["PORTCULLIS"]
        command = [binary, "dev", "--dir", folder, "--listen", f"127.0.0.1:{self.port}"]
        made = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        threading.Thread(target=made.stdout.read, daemon=True).start()
        self.config = self.folder / "portcullis.toml"
        self.wait_until(lambda: self.config.exists() and self.listens())
        made.send_signal(signal.SIGTERM)
        made.wait(PATIENCE)
        more = f'\n[events]\nurl = "http://127.0.0.1:{receiver.port}/hook"\nlinger = "10ms"\nretry_first = "20ms"\n'
        more += 'types = ["connected", "joined", "message", "left", "disconnected"]\npayload = true\n'
        for key, secret in zip(["secret_file", "previous_secret_file"], secrets):
            path = self.folder / f"{key}.secret"
            path.touch(mode=0o600)
            path.write_text(secret + "\n")
            more += f'{key} = "{path.name}"\n'
        with self.config.open("a") as config:
            config.write(more)
        self.process = subprocess.Popen(
            [binary, "serve", "--config", str(self.config)], stderr=subprocess.PIPE, text=True
        )
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        self.wait_until(self.listens)

    def listens(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def wait_until(self, is_so):
        deadline = time.monotonic() + PATIENCE
        while not is_so():
            if time.monotonic() > deadline:
                raise TimeoutError("the gateway is not there")
            time.sleep(0.02)

    async def open(self, subject):
        command = [os.environ["PORTCULLIS"], "token", "--config", str(self.config), "--sub", subject]
        token = subprocess.check_output([*command, "--subscribe", "*", "--publish", "*"], text=True).strip()
        return await websockets.connect(
            f"wss://localhost:{self.port}/chat/lobby",
            ssl=ssl.create_default_context(cafile=str(self.folder / "ca.pem")),
            origin=f"https://localhost:{self.port}",
            additional_headers={"Authorization": f"Bearer {token}"},
        )

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)


OLD, NEW = new_secret(), new_secret()


async def webhooks_of_the_gateway_are_verified_by_the_library_of_their_specification(gateway):
    async with await gateway.open("alice") as alice:
        await alice.send("hello \u00fc")
        gateway.receiver.wait(3)
    events = gateway.receiver.wait(5)
    kinds = [event["type"] for event in events]
    assert kinds == ["connected", "joined", "message", "left", "disconnected"], kinds
    assert events[2]["data"] == "hello \u00fc", events[2]
    for headers, body in gateway.receiver.came:
        for secret in (NEW, OLD):
            assert Webhook(secret).verify(body, headers)["type"] == "portcullis.events"
    first, again = gateway.receiver.came[:2]
    assert first[0]["webhook-id"] == again[0]["webhook-id"] and first[1] == again[1], "sent again as it was"


async def a_webhook_that_was_changed_or_is_of_another_secret_is_not_verified(gateway):
    headers, body = gateway.receiver.came[0]
    changed = {**headers, "webhook-id": headers["webhook-id"] + "0"}
    old = {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 1)}
    for secret, fields, octets in (
        (new_secret(), headers, body),
        (NEW, changed, body),
        (NEW, old, body),
        (NEW, headers, body + b" "),
    ):
        try:
            Webhook(secret).verify(octets, fields)
        except WebhookVerificationError:
            continue
        raise AssertionError("it was verified")


CLAIMS = [
    webhooks_of_the_gateway_are_verified_by_the_library_of_their_specification,
    a_webhook_that_was_changed_or_is_of_another_secret_is_not_verified,
]


def main():
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="pc-") as folder:
        gateway = Gateway(folder, Receiver(), [NEW, OLD])
        try:
            for claim in CLAIMS:
                name = claim.__name__.replace("_", " ")
                try:
                    asyncio.run(asyncio.wait_for(claim(gateway), PATIENCE))
                    passed += 1
                    print(f"ok   {name}")
                except Exception:
                    failed += 1
                    print(f"FAIL {name}\n{traceback.format_exc()}")
        finally:
            gateway.stop()
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
