"""Owns what sslyze must find: everything that Mozilla's "modern" configuration asks for, and nothing else.
Never knows how the gateway is started.
"""

import json
import subprocess
import sys

# A finding that is borne, with the reason. There is none.
ALLOWED = {}

# What must have been looked at, and what must come out.
CHECKS = {
    "ssl_2_0_cipher_suites": lambda result: not result["is_tls_version_supported"],
    "ssl_3_0_cipher_suites": lambda result: not result["is_tls_version_supported"],
    "tls_1_0_cipher_suites": lambda result: not result["is_tls_version_supported"],
    "tls_1_1_cipher_suites": lambda result: not result["is_tls_version_supported"],
    "tls_1_2_cipher_suites": lambda result: not result["is_tls_version_supported"],
    "tls_1_3_cipher_suites": lambda result: result["is_tls_version_supported"],
    "tls_1_3_early_data": lambda result: not result["supports_early_data"],
    "tls_compression": lambda result: not result["supports_compression"],
    "openssl_ccs_injection": lambda result: not result["is_vulnerable_to_ccs_injection"],
    "heartbleed": lambda result: not result["is_vulnerable_to_heartbleed"],
    "robot": lambda result: result["robot_result"].startswith("NOT_VULNERABLE"),
    "session_renegotiation": lambda result: not result["is_vulnerable_to_client_renegotiation_dos"],
    "elliptic_curves": lambda result: {curve["name"] for curve in result["supported_curves"]}
    <= {"X25519", "secp256r1", "secp384r1"},
    "certificate_info": lambda result: any(
        path["was_validation_successful"] and path["trust_store"]["name"] == "Supplied CA file"
        for path in result["certificate_deployments"][0]["path_validation_results"]
    ),
}

FLAGS = [
    "--sslv2", "--sslv3", "--tlsv1", "--tlsv1_1", "--tlsv1_2", "--tlsv1_3", "--early_data", "--compression",
    "--openssl_ccs", "--heartbleed", "--robot", "--reneg", "--elliptic_curves", "--certinfo",
]  # fmt: skip


def scan(gateway, folder):
    """The faults, and what was looked at."""
    output = folder / "sslyze.json"
    place = f"localhost:{gateway.port}" + "{127.0.0.1}"
    base = [sys.executable, "-m", "sslyze", f"--certinfo_ca_file={gateway.ca}"]
    faults = []
    modern = subprocess.run(
        [*base, "--mozilla_config=modern", place], capture_output=True, text=True, timeout=120
    )
    if modern.returncode != 0 or "OK - Compliant." not in modern.stdout:
        faults.append(f"not Mozilla's modern configuration:\n{modern.stdout[-1500:]}{modern.stderr[-500:]}")
    subprocess.run(
        [*base, *FLAGS, "--mozilla_config=disable", f"--json_out={output}", place],
        capture_output=True,
        timeout=120,
    )
    (server,) = json.loads(output.read_text())["server_scan_results"]
    if server["scan_status"] != "COMPLETED":
        return [*faults, f"the scan was not completed: {server['connectivity_error_trace']}"], ""
    for name, is_good in CHECKS.items():
        attempt = server["scan_result"][name]
        if attempt["status"] != "COMPLETED":
            faults.append(f"{name} did not run: {attempt['status']} {attempt['error_reason']}")
        elif not is_good(attempt["result"]) and name not in ALLOWED:
            faults.append(f"{name}: {json.dumps(attempt['result'])[:500]}")
    return faults, f"modern, and {len(CHECKS)} checks"
