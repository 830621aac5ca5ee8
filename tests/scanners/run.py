"""Owns the order of the scanners and their verdict: a finding that nobody allowed is a fault, and so is a
scanner that did not do its work. Never knows what a scanner looks for.

PORTCULLIS names the binary under test; the argument is a folder for what is made on the way.
"""

import pathlib
import shutil
import sys
import tempfile
import time
import traceback

import slowhttptest
import sslyze_modern
import testssl
import wapiti
from gateway import Gateway

# The page is only served by `dev`; everything else is held against what an operator runs.
SCANNERS = [("dev", wapiti), ("serve", sslyze_modern), ("serve", testssl), ("serve", slowhttptest)]


def verdict(command, scanner, made, output):
    begun = time.monotonic()
    gateway = Gateway(made, command)
    try:
        faults, seen = scanner.scan(gateway, output)
    except Exception:
        faults, seen = [traceback.format_exc()], "nothing"
    try:
        gateway.end()
    except SystemExit as fault:
        faults.append(str(fault))
    name = scanner.__name__
    print(f"{name}: {seen}, {len(faults)} faults, {time.monotonic() - begun:.0f} s", flush=True)
    for fault in faults:
        print(f"  {fault}", flush=True)
    return len(faults)


def main():
    output = pathlib.Path(sys.argv[1])
    output.mkdir(parents=True, exist_ok=True)
    made = tempfile.mkdtemp(prefix="scanned-", dir=output)
    try:
        faults = sum(verdict(command, scanner, made, output) for command, scanner in SCANNERS)
    finally:
        shutil.rmtree(made)
    sys.exit(1 if faults else 0)


main()
