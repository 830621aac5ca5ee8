"""Owns the gateway that is scanned, and the folder with its certificates.
Never knows a scanner.

PORTCULLIS names the binary under test.
"""

import os
import pathlib
import socket
import subprocess
import time

PATIENCE = 20

# A scanner comes from one address and hurries. Its findings are to be about what the gateway does
# with what it is sent, not about how often it is asked.
LIMITS = """
[limits]
connections_per_ip = 5000
handshakes_per_ip = "5000/s burst 10000"
failed_credentials_per_ip = "5000/s burst 10000"
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Gateway:
    """One process: `dev`, which also serves a page, or `serve` on what `dev` once made."""

    def __init__(self, folder, command):
        self.folder = pathlib.Path(folder)
        self.ca = self.folder / "ca.pem"
        self.config = self.folder / "portcullis.toml"
        if not self.config.exists():
            self._make()
        self.port = int(self.config.read_text().split('listen = ["127.0.0.1:')[1].split('"')[0])
        if command == "dev":
            arguments = ["dev", "--dir", folder, "--listen", f"127.0.0.1:{self.port}"]
        else:
            arguments = ["serve", "--config", str(self.config)]
        self._start(arguments)

    def _make(self):
        arguments = ["dev", "--dir", str(self.folder), "--listen", f"127.0.0.1:{free_port()}"]
        self._start(arguments)
        self.end()
        with self.config.open("a") as text:
            text.write(LIMITS)

    def _start(self, arguments):
        self.log = (self.folder.parent / "gateway.log").open("ab")
        command = [os.environ["PORTCULLIS"], *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=self.log)
        deadline = time.monotonic() + PATIENCE
        while not self._is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the gateway does not start: {' '.join(command)}")
            time.sleep(0.02)

    def _is_ready(self):
        try:
            return self.internal("/readyz").startswith("HTTP/1.1 200")
        except OSError:
            return False

    def internal(self, path):
        """The whole answer of the internal port."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(str(self.folder / "internal.sock"))
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        return answer.decode()

    def metric(self, name):
        """The value of a metric without labels."""
        for line in self.internal("/metrics").splitlines():
            if line.startswith(f"{name} "):
                return float(line.split(" ")[1])
        raise SystemExit(f"there is no metric {name}")

    def end(self):
        self.process.terminate()
        status = self.process.wait(PATIENCE)
        self.log.close()
        if status != 0:
            raise SystemExit(f"the gateway ended with {status}")
