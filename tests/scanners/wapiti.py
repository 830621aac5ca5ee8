"""Owns what wapiti may find on the one page there is, that of `dev`.
Never knows how the gateway is started.
"""

import json
import subprocess

# A finding that is borne, with the reason.
ALLOWED = {
    "X-XSS-Protection is not set": "browsers have removed the filter that it once steered; the page has a policy",
    "Strict-Transport-Security is not set": "`dev` serves localhost, where it would bind every other program "
    "of the developer too; `serve` sends it",
}

MODULES = "http_headers,cookieflags,crlf,csp,backup,htaccess,methods,redirect,xss,file,exec,sql,ssrf"


def scan(gateway, folder):
    """The faults, and what was looked at."""
    output = folder / "wapiti.json"
    output.unlink(missing_ok=True)
    command = ["wapiti", "-u", f"https://127.0.0.1:{gateway.port}/", "--verify-ssl", "0", "--scope", "url"]
    command += ["-m", MODULES, "--flush-session", "-f", "json", "-o", str(output), "--store-session"]
    command += [str(folder / "wapiti"), "--max-scan-time", "1", "--no-bugreport"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    report = json.loads(output.read_text())
    faults, borne = [], 0
    for kind in ("vulnerabilities", "anomalies"):
        for category, findings in report[kind].items():
            for finding in findings:
                if finding["info"] in ALLOWED:
                    borne += 1
                else:
                    faults.append(f"{category}: {finding['info']}")
    pages = report["infos"].get("crawled_pages_nbr")
    launched = ran.stdout.count("Launching module")
    if launched < len(MODULES.split(",")):
        faults.append(f"only {launched} modules ran:\n{ran.stdout[-1500:]}{ran.stderr[-500:]}")
    return faults, f"{launched} modules, {pages or 'some'} pages, {borne} findings borne"
