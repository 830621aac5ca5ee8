"""Owns the chat of Python's `websockets` through the gateway, and the reading of its metrics by the
Prometheus client library. Never knows how the gateway is made.

PORTCULLIS names the binary under test.
"""

import asyncio
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import traceback

import websockets
from prometheus_client.parser import text_string_to_metric_families

PATIENCE = 20
JWT = re.compile(r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Gateway:
    """`portcullis dev` with a folder of its own."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.port = free_port()
        command = [os.environ["PORTCULLIS"], "dev", "--dir", folder, "--listen", f"127.0.0.1:{self.port}"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        self.tokens = []
        for line in self.process.stdout:
            self.tokens += [token for token in JWT.findall(line) if token not in self.tokens]
            if len(self.tokens) >= 2:
                break
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        self.origin = f"https://localhost:{self.port}"

    async def open(self, token, room="lobby", path="/chat/", **options):
        context = ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
        options.setdefault("origin", self.origin)
        if "subprotocols" not in options and token is not None:
            options["additional_headers"] = {"Authorization": f"Bearer {token}"}
        for attempt in range(200):
            try:
                return await websockets.connect(
                    f"wss://localhost:{self.port}{path}{room}", ssl=context, open_timeout=PATIENCE, **options
                )
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)
        raise TimeoutError("the gateway does not listen")

    def compress(self):
        """Lets the route serve permessage-deflate from the next start on."""
        config = self.folder / "portcullis.toml"
        config.write_text(config.read_text().replace("[[route]]\n", '[[route]]\ncompression = "permessage-deflate"\n'))

    def internal(self, method, path, body=""):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(str(self.folder / "internal.sock"))
            head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
            connection.sendall(head.encode())
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        head, _, body = answer.partition(b"\r\n\r\n")
        return head.decode(), body.decode()


async def refused(gateway, token, **options):
    try:
        await gateway.open(token, **options)
    except websockets.InvalidStatus as fault:
        return fault.response.status_code
    raise AssertionError("admitted")


async def two_clients_chat_in_text_and_binary(gateway):
    alice, bob = gateway.tokens
    async with await gateway.open(alice) as one, await gateway.open(bob) as two:
        await one.send("grüße")
        assert await two.recv() == "grüße"
        await two.send(b"\x00\xff\x80")
        assert await one.recv() == b"\x00\xff\x80"
    assert one.close_code == 1000 and two.close_code == 1000, (one.close_code, two.close_code)


async def rooms_are_apart(gateway):
    alice, bob = gateway.tokens
    async with await gateway.open(alice, "lobby") as one, await gateway.open(bob, "kitchen") as two:
        await one.send("to the lobby")
        await (await two.ping())
        try:
            raise AssertionError(await asyncio.wait_for(two.recv(), 0.1))
        except TimeoutError:
            pass


async def compression_is_declined_and_subprotocol_tokens_are_not_answered(gateway):
    alice, _ = gateway.tokens
    async with await gateway.open(alice, subprotocols=["bearer", alice], compression="deflate") as one:
        assert one.subprotocol == "bearer"
        assert one.protocol.extensions == []


async def compression_is_agreed_on_where_a_route_serves_it(gateway):
    alice, bob = gateway.tokens
    words = "the same words again and again, " * 100
    async with await gateway.open(alice) as one, await gateway.open(bob) as two:
        async with await gateway.open(bob, compression=None) as three:
            assert [extension.name for extension in one.protocol.extensions] == ["permessage-deflate"]
            assert three.protocol.extensions == []
            for text in [words, "short", "", words, "x" * 65536]:
                await one.send(text)
                assert await two.recv() == text
                assert await three.recv() == text
            await three.send([words, words])
            assert await one.recv() == words * 2
            await one.send(b"\0" * (1 << 20))
            try:
                await one.recv()
            except websockets.ConnectionClosedError as fault:
                assert (fault.rcvd.code, fault.rcvd.reason) == (1009, "message_too_big"), fault
            else:
                raise AssertionError("too big a message")


async def a_fragmented_and_a_largest_message_arrive_whole(gateway):
    alice, bob = gateway.tokens
    async with await gateway.open(alice) as one, await gateway.open(bob) as two:
        await one.send(["one ", "mess", "age"])
        assert await two.recv() == "one message"
        await one.send(b"x" * 65536)
        assert await two.recv() == b"x" * 65536
        await one.send(b"x" * 65537)
        try:
            await one.recv()
        except websockets.ConnectionClosedError as fault:
            assert (fault.rcvd.code, fault.rcvd.reason) == (1009, "message_too_big"), fault
        else:
            raise AssertionError("too big a message")


async def everyone_sees_one_order(gateway):
    alice, bob = gateway.tokens
    readers = [await gateway.open(bob, "order") for _ in range(4)]
    writers = [await gateway.open(alice, "order") for _ in range(3)]
    for one in readers + writers:
        await (await one.ping())

    async def write(name, one):
        for index in range(20):
            await one.send(f"{name} {index}")

    await asyncio.gather(*(write(name, one) for name, one in enumerate(writers)))
    heard = [[await one.recv() for _ in range(60)] for one in readers]
    # Nobody hears himself, but the others in the same order as everybody.
    for name, one in enumerate(writers):
        assert [await one.recv() for _ in range(40)] == [text for text in heard[0] if not text.startswith(f"{name} ")]
    assert all(one == heard[0] for one in heard)
    for name in range(3):
        assert [text for text in heard[0] if text.startswith(f"{name} ")] == [f"{name} {index}" for index in range(20)]
    for one in readers + writers:
        await one.close()


async def strangers_are_refused(gateway):
    alice, _ = gateway.tokens
    assert await refused(gateway, None) == 401
    assert await refused(gateway, "a.b.c") == 401
    assert await refused(gateway, alice, origin="https://evil.example") == 403
    assert await refused(gateway, alice, origin=None) == 403
    assert await refused(gateway, alice, room="no/such/room") == 404


async def the_metrics_are_read_by_the_prometheus_library(gateway):
    head, text = gateway.internal("GET", "/metrics")
    assert head.startswith("HTTP/1.1 200 "), head
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families, text
    refusals = families.get("portcullis_refusals") or families["portcullis_refusals_total"]
    reasons = {sample.labels["reason"]: sample.value for sample in refusals.samples}
    assert reasons["origin_not_allowed"] >= 1, reasons
    for name in ["portcullis_connections", "portcullis_sessions"]:
        assert families[name].type == "gauge", families[name]


async def what_is_published_arrives(gateway):
    alice, _ = gateway.tokens
    async with await gateway.open(alice) as one:
        await (await one.ping())
        head, body = gateway.internal("POST", "/publish", '{"room":"lobby","data":"news"}')
        assert head.startswith("HTTP/1.1 200 ") and '"delivered":1' in body.replace(" ", ""), (head, body)
        assert await one.recv() == "news"


async def a_drain_says_going_away(gateway):
    alice, _ = gateway.tokens
    one = await gateway.open(alice)
    gateway.process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(one.recv(), PATIENCE)
    except (websockets.ConnectionClosedOK, websockets.ConnectionClosedError) as fault:
        assert (fault.rcvd.code, fault.rcvd.reason) == (1001, "drain"), fault
    assert gateway.process.wait(PATIENCE) == 0


CLAIMS = [
    two_clients_chat_in_text_and_binary,
    rooms_are_apart,
    compression_is_declined_and_subprotocol_tokens_are_not_answered,
    a_fragmented_and_a_largest_message_arrive_whole,
    everyone_sees_one_order,
    strangers_are_refused,
    the_metrics_are_read_by_the_prometheus_library,
    what_is_published_arrives,
    a_drain_says_going_away,
]

CLAIMS_WITH_COMPRESSION = [compression_is_agreed_on_where_a_route_serves_it, a_drain_says_going_away]


def main():
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="pc-") as folder:
        for claims in [CLAIMS, CLAIMS_WITH_COMPRESSION]:
            gateway = Gateway(folder)
            try:
                for claim in claims:
                    name = claim.__name__.replace("_", " ")
                    try:
                        asyncio.run(asyncio.wait_for(claim(gateway), PATIENCE))
                        passed += 1
                        print(f"ok   {name}")
                    except Exception:
                        failed += 1
                        print(f"FAIL {name}\n{traceback.format_exc()}")
            finally:
                gateway.process.kill()
            gateway.compress()
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
