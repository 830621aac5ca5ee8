"""Owns what testssl.sh may find. Never knows how the gateway is started."""

import json
import subprocess

# A finding that is borne, with the reason.
ALLOWED = {
    "cert_revocation": "the certificate is of a CA of this run, which publishes no revocations",
}

# Said of TLS as a matter of information, and a fault here if it is anything else.
MUST = {
    "SSLv2": "not offered",
    "SSLv3": "not offered",
    "TLS1": "not offered",
    "TLS1_1": "not offered",
    "TLS1_2": "not offered",
    "TLS1_3": "offered with final",
    "ALPN": "http/1.1",
    "cipherlist_3DES_IDEA": "not offered",
    "cipherlist_AVERAGE": "not offered",
    "cert_chain_of_trust": "passed.",
    "fallback_SCSV": "only TLS 1.3 supported",
}

# Attacks that must have been tried; a severity of OK means that they failed.
VULNERABILITIES = {
    "heartbleed", "CCS", "ticketbleed", "ROBOT", "secure_renego", "secure_client_renego", "CRIME_TLS", "BREACH",
    "POODLE_SSL", "FREAK", "DROWN", "LOGJAM", "BEAST", "LUCKY13", "RC4",
}  # fmt: skip


def scan(gateway, folder):
    """The faults, and what was looked at."""
    output = folder / "testssl.json"
    output.unlink(missing_ok=True)
    command = ["testssl", "--warnings", "off", "--quiet", "--color", "0", "--nodns", "none"]
    command += ["--add-ca", str(gateway.ca), "-p", "-s", "-f", "-P", "-S", "-U"]
    command += ["--jsonfile", str(output), f"127.0.0.1:{gateway.port}"]
    subprocess.run(command, capture_output=True, timeout=240)
    findings = json.loads(output.read_text())
    by_name = {finding["id"]: finding for finding in findings}
    faults = [
        f"{finding['id']}: {finding['severity']}: {finding['finding']}"
        for finding in findings
        if finding["severity"] not in ("OK", "INFO") and finding["id"] not in ALLOWED
    ]
    for name, wanted in MUST.items():
        found = by_name.get(name, {"finding": "nothing"})["finding"]
        if found != wanted:
            faults.append(f"{name}: {found}, not {wanted}")
    for name in sorted(VULNERABILITIES - {name for name, one in by_name.items() if one["severity"] == "OK"}):
        faults.append(f"{name} was not tried, or is not OK")
    return faults, f"{len(findings)} findings, {len(VULNERABILITIES)} vulnerabilities tried"
