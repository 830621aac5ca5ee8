"""Owns what 100 slow peers may do to the gateway: nothing that another notices, and not for long.
Never knows how the gateway is started.
"""

import re
import subprocess
import time

CONNECTIONS = 100
ESCAPES = re.compile(r"\x1b\[[0-9;]*[a-zA-Z]")

# How each test is slow, and how long the gateway may hold its peers: 5 seconds for a head, or 1
# second for an answer that nobody reads, and some more for a loaded machine.
TESTS = {
    "heads": (["-H", "-i", "2", "-x", "10"], 10),
    "bodies": (["-B", "-i", "2", "-x", "10"], 6),
    "reads": (["-X", "-w", "1", "-y", "2", "-n", "1", "-z", "1"], 8),
}


def scan(gateway, _folder):
    """The faults, and what was looked at."""
    faults, seen = [], []
    for name, options in TESTS.items():
        fault, said = one(gateway, name, *options)
        faults += fault
        seen.append(said)
    return faults, "; ".join(seen)


def one(gateway, name, options, patience):
    accepted = handshakes(gateway)
    url = f"https://127.0.0.1:{gateway.port}/chat/lobby"
    command = ["slowhttptest", "-c", str(CONNECTIONS), *options, "-r", "50", "-l", "12", "-p", "2", "-u", url]
    begun = time.monotonic()
    scanner = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    most, last = 0, 0.0
    while scanner.poll() is None:
        held = gateway.metric("portcullis_connections")
        most = max(most, held)
        # One is the scanner's own probe.
        if held > 1:
            last = time.monotonic() - begun
        time.sleep(0.1)
    said = ESCAPES.sub("", scanner.stdout.read())
    arrived = handshakes(gateway) - accepted
    faults = []
    if arrived < CONNECTIONS:
        faults.append(f"slow {name}: only {arrived:.0f} connections arrived:\n{said[-800:]}")
    if "service available:   YES" not in said or re.search(r"service available:\s+NO", said):
        faults.append(f"slow {name}: others were not served:\n{said[-800:]}")
    # The last of them comes two seconds after the first.
    if last > patience + CONNECTIONS / 50:
        faults.append(f"slow {name}: still held after {last:.1f} s")
    return faults, f"slow {name} are gone after {last:.1f} s"


def handshakes(gateway):
    """Connections whose outcome is known: refused, dropped or closed."""
    return sum(
        float(line.rsplit(" ", 1)[1])
        for line in gateway.internal("/metrics").splitlines()
        if line.startswith(("portcullis_refusals_total{", "portcullis_closes_total{"))
    )
