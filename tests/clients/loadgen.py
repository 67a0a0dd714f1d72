"""loadgen against servers that nobody here wrote, and against fanfare. Called by run.sh, one line for each check:

loadgen.py NODE PYTHON FANFARE     the addresses of loadgen_servers.mjs, loadgen_servers.py and `fanfare --echo`

LOADGEN is the binary.
"""

import asyncio
import contextlib
import json
import os
import socket
import sys

from lines import Checks, expect

LOADGEN = os.environ["LOADGEN"]
SHORT = "-W 100ms -d 400ms --connect-rate 0"
ECHO = "the server echoes"
TO_ALL = "the server broadcasts, to the sender too"
TO_OTHERS = "the server broadcasts, but not to the sender"


async def run(scenario, url, flags=""):
    """Its exit code and its report."""
    words = [scenario, url, *flags.split(), "--format", "json", "--no-progress"]
    process = await asyncio.create_subprocess_exec(
        LOADGEN, *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    stdout, stderr = await process.communicate()
    if not stdout:
        raise AssertionError(f"exit {process.returncode}: {stderr.decode()}")
    return process.returncode, json.loads(stdout)


async def passes(scenario, url, flags=""):
    code, report = await run(scenario, url, flags)
    if code != 0:
        raise AssertionError(f"{scenario} {flags}: exit {code}: {report['failures']} {report['errors']}")
    return report


async def finds(url, finding, keeps_payload=True):
    server = (await passes("check", url))["server"]
    expect((server["finding"], server["keeps_payload"], server["answers_ping"]), (finding, keeps_payload, True))


async def fails(url, flags, error_class, text):
    """Nothing connects, and it is said why."""
    code, report = await run("echo", url, f"-c 2 {SHORT} {flags}")
    expect((code, [(error["class"], error["count"]) for error in report["errors"]]), (1, [(error_class, 2)]))
    first = report["errors"][0]["first"]
    if text not in first:
        raise AssertionError(f"{first!r} does not say {text!r}")


def add_echo(checks, name, url):
    @checks.add(f"{name}: check tells that it echoes")
    async def _():
        await finds(url, ECHO)

    @checks.add(f"{name}: every echo is right, at a rate and in a closed loop, text and binary")
    async def _():
        for flags in ["-c 20 --rate 400", "-c 5 --inflight 8 -s 16..20k", "-c 5 --binary --threads 2"]:
            report = await passes("echo", url, f"{SHORT} {flags}")
            expect(report["check"]["replied"], report["check"]["sent"])

    @checks.add(f"{name}: ping, connect and hold pass")
    async def _():
        await passes("ping", url, f"{SHORT} -c 20 --rate 400")
        expect((await passes("connect", url, "-n 100"))["connect"]["opened"], 100)
        expect((await passes("hold", url, "-c 50 --hold 100ms --connect-rate 0"))["connect"]["opened"], 50)


def add_broadcast(checks, name, url, finding):
    own_copies = "yes" if finding == TO_ALL else "no"
    to = finding.rpartition(", ")[2]

    @checks.add(f"{name}: check tells that it {finding.removeprefix('the server ')}")
    async def _():
        await finds(url + "check", finding)

    @checks.add(f"{name}: every delivery is right, {to}, at a rate and in a closed loop")
    async def _():
        for path, flags in [
            ("rate", "--subscribers 30 --rate 200 --publishers 2"),
            ("threads", "--subscribers 30 --rate 200 --publishers 2 --threads 2 --binary"),
            ("closed", "--subscribers 30 --saturate --publishers 2 --inflight 4 -s 40..4k"),
        ]:
            report = await passes("broadcast", url + path, f"{SHORT} {flags}")
            receivers = 32 if own_copies == "yes" else 31
            expect(report["check"]["own_copies"], own_copies)
            expect(report["check"]["delivered"], report["check"]["published"] * receivers)


def add_fanfare(checks, address):
    http, ws = f"http://{address}", f"ws://{address}"

    @checks.add("fanfare: what is published by POST reaches every subscriber")
    async def _():
        flags = f"--subscribers 30 --rate 200 --publishers 2 --publish-url {http}/posted"
        check = (await passes("broadcast", f"{ws}/posted", f"{SHORT} {flags}"))["check"]
        expect((check["delivered"], check["posts_refused"]), (check["published"] * 30, 0))

    @checks.add("fanfare: a foreign origin is refused with 403, which is said")
    async def _():
        await fails(f"{ws}/x", "--origin https://elsewhere.example", "handshake_refused", "403")

    @checks.add("fanfare: TLS on a port without it is said")
    async def _():
        await fails(f"wss://{address}/x", "-k", "not_connected", "TLS")


def add_wrong(checks):
    @checks.add("a closed port: connection refused")
    async def _():
        # Bound, so that nobody else gets it, and not listening.
        with contextlib.closing(socket.socket()) as bound:
            bound.bind(("127.0.0.1", 0))
            await fails(f"ws://127.0.0.1:{bound.getsockname()[1]}/", "", "not_connected", "refused")

    @checks.add("a server that proves the wrong key is refused")
    async def _():
        process = await asyncio.create_subprocess_exec(
            LOADGEN, "serve", "--echo", "--wrong-accept", "--listen", "127.0.0.1:0",
            stdout=asyncio.subprocess.PIPE)
        try:
            address = (await process.stdout.readline()).decode().split()[-1]
            await fails(f"ws://{address}/", "", "handshake_invalid", "Sec-WebSocket-Accept")
        finally:
            process.kill()
            await process.wait()


async def main(node, python, fanfare):
    checks = Checks("loadgen")
    for name, server in [("ws", f"ws://{node}"), ("websockets", f"ws://{python}")]:
        add_echo(checks, name, f"{server}/echo")
        add_broadcast(checks, name, f"{server}/all/", TO_ALL)
        add_broadcast(checks, name, f"{server}/others/", TO_OTHERS)

    @checks.add("ws: check tells that a payload comes back in something")
    async def _():
        await finds(f"ws://{node}/json", ECHO, keeps_payload=False)

    add_echo(checks, "fanfare", f"ws://{fanfare}/-/echo")
    add_broadcast(checks, "fanfare", f"ws://{fanfare}/loadgen-", TO_ALL)
    add_fanfare(checks, fanfare)
    add_wrong(checks)
    return await checks.run()


sys.exit(asyncio.run(main(*sys.argv[1:])))
