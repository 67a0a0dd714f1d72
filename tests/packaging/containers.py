"""The files for containers: that they are YAML, and that what belongs together agrees. Called by run.sh."""

import pathlib
import re

import yaml

PACKAGING = pathlib.Path(__file__).parent.parent.parent / "packaging"
DRAIN_SECONDS = 20  # the default of --drain-timeout


def expect(condition, what):
    if not condition:
        raise SystemExit(what)


dockerfile = (PACKAGING / "docker/Dockerfile").read_text()
user = re.search(r"^USER (\d+)$", dockerfile, re.M)[1]
port = int(re.search(r"FANFARE_LISTEN=0\.0\.0\.0:(\d+)", dockerfile)[1])
expect(user != "0", "the image runs as root")
expect(f"EXPOSE {port}\n" in dockerfile, "the port that is listened on is exposed")
expect('HEALTHCHECK' in dockerfile and '"healthcheck"]' in dockerfile, "there is a health check")

service = yaml.safe_load((PACKAGING / "docker/compose.yaml").read_text())["services"]["fanfare"]
expect(int(service["stop_grace_period"].removesuffix("s")) > DRAIN_SECONDS, "compose: time for the drain")
expect(service["ports"] == [f"127.0.0.1:{port}:{port}"], "compose: the port of the image")
expect(all(isinstance(value, str) for value in service["environment"].values()), "compose: `off` without quotes is false")

deployment, service = yaml.safe_load_all((PACKAGING / "kubernetes/fanfare.yaml").read_text())
pod = deployment["spec"]["template"]["spec"]
container = pod["containers"][0]
ports = {one["name"]: one["containerPort"] for one in container["ports"]}
environment = {one["name"]: one["value"] for one in container["env"]}
expect(deployment["spec"]["replicas"] == 1, "kubernetes: one server")
expect(pod["terminationGracePeriodSeconds"] > DRAIN_SECONDS, "kubernetes: time for the drain")
expect(container["livenessProbe"]["httpGet"] == {"path": "/-/healthz", "port": "admin"}, "kubernetes: liveness")
expect(container["readinessProbe"]["httpGet"] == {"path": "/-/readyz", "port": "admin"}, "kubernetes: readiness")
expect(environment["FANFARE_LISTEN"] == f"0.0.0.0:{ports['http']}", "kubernetes: the port of the channels")
expect(environment["FANFARE_ADMIN_LISTEN"] == f"0.0.0.0:{ports['admin']}", "kubernetes: the port of the probes")
expect(str(pod["securityContext"]["runAsUser"]) == user, "kubernetes: the user of the image")
expect([one["targetPort"] for one in service["spec"]["ports"]] == ["http"], "kubernetes: the admin port is not in the service")
expect(service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"], "kubernetes: the service finds the pod")
