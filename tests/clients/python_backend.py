"""Owns the backends that nobody here wrote, behind the gateway: Python's `websockets` and Node's `ws`.
Never knows how the gateway is made.

PORTCULLIS names the binary under test, NODE_PATH where Node finds `ws`.
"""

import asyncio
import os
import pathlib
import subprocess
import sys
import tempfile
import traceback
import urllib.parse

import websockets
from python_chat import PATIENCE, Gateway, free_port

NODE = """
const { WebSocketServer } = require("ws");
const server = new WebSocketServer({ host: "127.0.0.1", port: 0, maxPayload: 1 << 20 });
server.on("listening", () => console.log(server.address().port));
server.on("connection", (socket, request) => {
  const subject = decodeURIComponent(request.headers["portcullis-subject"]);
  socket.on("message", (data, isBinary) => {
    if (data.toString() === "who") socket.send(subject);
    else if (data.toString() === "close") socket.close(4321, "as you say");
    else socket.send(data, { binary: isBinary });
  });
});
"""


async def python_echo(connection):
    subject = urllib.parse.unquote(connection.request.headers["Portcullis-Subject"])
    async for message in connection:
        if message == "who":
            await connection.send(subject)
        elif message == "close":
            await connection.close(4321, "as you say")
            return
        else:
            await connection.send(message)


async def talk(gateway):
    alice, _ = gateway.tokens
    async with await gateway.open(alice, "backend", path="/") as one:
        await one.send("who")
        assert await one.recv() == "alice"
        for message in ["grüße", b"\x00\xff", "", "x" * 65536, b"x" * 65536]:
            await one.send(message)
            assert await one.recv() == message
        await one.send(["in ", "many ", "fragments"])
        assert await one.recv() == "in many fragments"
        await (await one.ping())
        await one.send("close")
        try:
            await one.recv()
        except websockets.ConnectionClosedError as fault:
            assert (fault.rcvd.code, fault.rcvd.reason) == (4321, "as you say"), fault
        else:
            raise AssertionError("not closed")


async def a_backend_of_python_websockets_is_relayed(gateway):
    async with websockets.serve(python_echo, "127.0.0.1", gateway.backend_port, compression="deflate"):
        await talk(gateway)


async def a_backend_of_node_ws_is_relayed(gateway):
    node = subprocess.Popen(
        ["node", "-e", NODE.replace("port: 0", f"port: {gateway.backend_port}")], stdout=subprocess.PIPE, text=True
    )
    try:
        node.stdout.readline()
        await talk(gateway)
    finally:
        node.kill()
        node.wait()


async def a_backend_that_is_down_is_told(gateway):
    alice, _ = gateway.tokens
    try:
        await gateway.open(alice, "backend", path="/")
    except websockets.InvalidStatus as fault:
        assert fault.response.status_code == 502, fault
    else:
        raise AssertionError("admitted")


CLAIMS = [
    a_backend_of_python_websockets_is_relayed,
    a_backend_of_node_ws_is_relayed,
    a_backend_that_is_down_is_told,
]


def with_backend(folder):
    """`portcullis dev` with one more route."""
    first = Gateway(folder)
    first.process.kill()
    first.process.wait()
    port = free_port()
    config = pathlib.Path(folder) / "portcullis.toml"
    route = f'[[route]]\npath = "/backend"\nkind = "proxy"\nupstream = ["ws://127.0.0.1:{port}/"]\n'
    config.write_text(config.read_text().replace("[[route]]\n", f"{route}[[route]]\n", 1))
    gateway = Gateway(folder)
    gateway.backend_port = port
    return gateway


def main():
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="pc-") as folder:
        gateway = with_backend(folder)
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
            gateway.process.kill()
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
