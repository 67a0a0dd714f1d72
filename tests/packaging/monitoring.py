"""The alert rules and the dashboard with the figures of a real server. Called by run.sh:

monitoring.py SERVER PROMETHEUS   one line for each check

SERVER and PROMETHEUS are addresses; Prometheus has the alert rules, and scrapes the server once a second as the job
`fanfare`.
"""

import json
import pathlib
import re
import sys
import time
import urllib.parse
import urllib.request

PACKAGING = pathlib.Path(__file__).parent.parent.parent / "packaging"
SECONDS_MAX = 30  # until Prometheus has scraped often enough; it takes three or four


def get(url, accept="*/*"):
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=10) as answer:
        return answer.read().decode()


def names(text):
    return set(re.findall(r"\b(?:fanfare|process)_[a-z_]*[a-z]\b", text))


def check(name, wrong):
    print(f"FAIL  {name}: {wrong}" if wrong else f"ok    {name}", flush=True)
    return bool(wrong)


def main(server, prometheus):
    dashboard = json.loads((PACKAGING / "grafana/fanfare.json").read_text())
    panels = [(panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel["targets"]]
    expressions = "\n".join(expression for _, expression in panels)
    rules = "\n".join(
        line for line in (PACKAGING / "prometheus/alerts.yaml").read_text().splitlines() if not line.startswith("#"))
    shown = names(get(f"http://{server}/-/metrics", "text/plain;version=0.0.4"))
    failed = check("the alert rules use metrics that the server has", names(rules) - shown)
    failed |= check("the dashboard uses metrics that the server has", names(expressions) - shown)

    def is_empty(expression):
        for variable, value in [("$job", "fanfare"), ("$instance", ".*"), ("$__rate_interval", "10s")]:
            expression = expression.replace(variable, value)
        query = urllib.parse.urlencode({"query": expression})
        return not json.loads(get(f"http://{prometheus}/api/v1/query?{query}"))["data"]["result"]

    end = time.monotonic() + SECONDS_MAX
    while (empty := [panel for panel in panels if is_empty(panel[1])]) and time.monotonic() < end:
        time.sleep(0.2)
    failed |= check(f"each of the {len(panels)} curves of the dashboard has data", empty)
    groups = json.loads(get(f"http://{prometheus}/api/v1/rules"))["data"]["groups"]
    found = [rule for group in groups for rule in group["rules"]]
    wrong = [rule["name"] for rule in found if rule["health"] == "err" or rule["state"] != "inactive"]
    failed |= check("the alert rules are quiet about a server that is well", wrong or not found)
    return failed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
