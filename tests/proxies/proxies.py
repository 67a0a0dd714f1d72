"""fanfare as clients see it behind a proxy. Called by run.sh, which has started both:

proxies.py PROXY PORT UNPREPARED_PORT SERVER_PID LOG RELOAD…   one line for each check

PORT leads to a server that was started as the proxy's configuration says, UNPREPARED_PORT to one that knows nothing of
a proxy (- if there is none). LOG is the log of the first. RELOAD is the command that reloads the proxy's configuration.
The last check ends the server.
"""

import asyncio
import http.client
import json
import os
import pathlib
import signal
import subprocess
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "clients"))
from lines import Checks, expect, payloads  # noqa: E402

NAME = "chat.example.com"
ORIGIN = "https://" + NAME
KEY = {"Authorization": "Bearer " + os.environ["PROXIES_KEY"]}
ADDRESS_LIMIT = int(os.environ["PROXIES_ADDRESS_LIMIT"])
FAILURES_LIMIT = 20  # the default of --credential-failures-per-ip behind a proxy
SUBSCRIBERS = 8  # over a reload; fewer than ADDRESS_LIMIT
MESSAGES = 300


class Proxy:
    def __init__(self, port):
        self.port = int(port)

    def socket(self, path, origin=None, **arguments):
        return connect(f"ws://{NAME}{path}", host="127.0.0.1", port=self.port, origin=origin, proxy=None, **arguments)

    def socket_from(self, address, path):
        """A WebSocket of another client, who says himself that he is somebody else."""
        return self.socket(path, local_addr=(address, 0), additional_headers={"X-Forwarded-For": "198.51.100.7"})

    async def enter(self, path):
        """A WebSocket, as soon as those of earlier checks no longer count for the limit of the address."""
        while True:
            try:
                return await self.socket(path)
            except InvalidStatus as error:
                expect(error.response.status_code, 429)
                await asyncio.sleep(0.01)

    def ask(self, method, path, body=None, headers={}, name=NAME):
        """The status of the answer, its headers, and its body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        chunked = not (body is None or isinstance(body, (str, bytes)))
        connection.request(method, path, body, {"Host": name, **headers}, encode_chunked=chunked)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, answer.headers, text

    def publish(self, path, body, **arguments):
        status, _, text = self.ask("POST", path, body, {**KEY, **arguments})
        return status, text


async def refused(socket):
    """The status with which a WebSocket is refused."""
    try:
        async with socket:
            return "101"
    except InvalidStatus as error:
        return error.response.status_code


async def close_code(socket):
    try:
        while True:
            await socket.recv()
    except ConnectionClosed as closed:
        return closed.rcvd and closed.rcvd.code


def children(pid):
    return set(pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


async def reload(command):
    """Reloads the proxy. Returns when its new process is there; the old one has live sockets and stays."""
    master = command[-1]
    before = children(master) if command[0] == "kill" else None
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while before is not None and not children(master) - before:
        await asyncio.sleep(0.01)


async def check(name, port, unprepared_port, server_pid, log, *reload_command):
    checks, proxy = Checks(name), Proxy(port)
    unprepared = None if unprepared_port == "-" else Proxy(unprepared_port)
    sees_http = name != "HAProxy in mode tcp"
    is_nginx = name.startswith("nginx")

    @checks.add("a WebSocket receives what is published by POST, text and binary up to 64 KiB")
    async def _():
        binary = {"Content-Type": "application/octet-stream"}
        async with proxy.socket("/kinds") as socket:
            for message, headers in [("h\u00e9llo", {}), (bytes(range(256)), binary), ("\u00e9" * 32768, {})]:
                body = message.encode() if isinstance(message, str) else message
                status, _ = await asyncio.to_thread(proxy.publish, "/kinds", body, **headers)
                expect(status, 201)
                expect(await socket.recv() == message, True)
            pong = await socket.ping()
            await pong

    @checks.add("a POST without the key is 401, with a wrong one too, and nobody's is 202")
    async def _():
        status, headers, _ = proxy.ask("POST", "/nobody", "x")
        expect((status, headers["WWW-Authenticate"]), (401, "Bearer"))
        expect(proxy.ask("POST", "/nobody", "x", {"Authorization": "Bearer guessed"})[0], 401)
        expect(proxy.publish("/nobody", "x")[0], 202)

    @checks.add("who sends over a WebSocket is closed with 4403, which comes through")
    async def _():
        async with proxy.socket("/closed") as socket:
            await socket.send("x")
            expect(await close_code(socket), 4403)

    @checks.add("a page of the allowed origin may connect and POST, any other gets 403")
    async def _():
        async with proxy.socket("/news", ORIGIN):
            pass
        for origin in ["https://evil.example", "http://" + NAME, "https://chat.example.com.evil.example", "null"]:
            expect(await refused(proxy.socket("/news", origin)), 403)
            expect(proxy.publish("/news", "x", Origin=origin)[0], 403)
        expect(proxy.publish("/news", "x", Origin=ORIGIN)[0], 202)

    @checks.add("a channel's name is passed on as it was written")
    async def _():
        for path, name in [("/a%2Fb", "a/b"), ("/a//b", "a//b"), ("/%C3%A9%20%25", "\u00e9 %"), ("/x/../y", "x/../y")]:
            status, _, text = proxy.ask("GET", path)
            expect((status, json.loads(text)["channel"]), (200, name))

    @checks.add("health and metrics are not shown to strangers, however they are spelled")
    async def _():
        if not sees_http:  # it passes on every path, and metrics take the key
            expect(proxy.ask("GET", "/-/metrics")[0], 401)
            return
        for path in ["/-/metrics", "/-/healthz", "/-/", "/%2D/metrics", "/-%2Fmetrics", "//-/metrics", "/x/../-/metrics"]:
            status, _, text = proxy.ask("GET", path, headers=KEY)
            expect((path, status == 200 and "fanfare_" in text), (path, False))
        expect(proxy.ask("GET", "/-/metrics", headers=KEY)[0], 404)

    @checks.add("a chunked upload is given its length" if is_nginx else "a chunked upload is 501")
    async def _():
        status, text = proxy.publish("/chunks", iter([b"one ", b"two"]))
        expect(status, 202 if is_nginx else 501)
        expect(is_nginx or "Content-Length" in text, True)

    @checks.add("a body beyond the limit is 413")
    async def _():
        expect(proxy.publish("/large", bytes(65537))[0], 413)

    @checks.add("connections of one address are limited, by the address of the client: 429")
    async def _():
        held = [await proxy.enter("/held") for _ in range(ADDRESS_LIMIT)]
        expect(await refused(proxy.socket("/held")), 429)
        expect(await refused(proxy.socket_from("127.0.0.9", "/held")), "101")
        await asyncio.gather(*(socket.close() for socket in held))
        await (await proxy.enter("/held")).close()

    @checks.add("whoever guesses the key is slowed down: 429, and nobody else is")
    async def _():
        def guess(address, key):
            connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=30, source_address=(address, 0))
            connection.request("POST", "/nobody", "x", {"Host": NAME, "Authorization": "Bearer " + key})
            answer = connection.getresponse()
            connection.close()
            return answer.status, answer.headers["Retry-After"]

        for number in range(FAILURES_LIMIT):
            expect((number, guess("127.0.0.7", f"guess-{number}")), (number, (401, None)))
        status, wait = guess("127.0.0.7", os.environ["PROXIES_KEY"])
        expect((status, 1 <= int(wait) <= 60), (429, True))
        expect(guess("127.0.0.6", os.environ["PROXIES_KEY"])[0], 202)

    @checks.add("the log shows the address of the client, and not what he says of himself")
    async def _():
        async with proxy.socket_from("127.0.0.8", "/shown"):
            pass
        lines = pathlib.Path(log).read_text().splitlines()
        [line] = [line for line in lines if 'channel="shown"' in line]
        expect(("127.0.0.8" in line, "127.0.0.1" in line, "198.51" in line), (True, False, False))

    if unprepared is not None:
        @checks.add("a server that does not know the name says which flag it takes")
        async def _():
            status, _, text = unprepared.ask("GET", "/news")
            expect((status, "--allowed-hosts" in text), (403, True))
            if name != "Caddy":  # it serves no other name than its own
                status, _, text = unprepared.ask("POST", "/news", "x", name="localhost")
                expect((status, "--publish-key" in text), (403, True))
            expect(await refused(unprepared.socket("/news", ORIGIN)), 403)

    if name != "Caddy":
        @checks.add(f"{MESSAGES} messages over a reload: live sockets stay, nothing is lost")
        async def _():
            sockets = [await proxy.enter("/reload") for _ in range(SUBSCRIBERS)]
            sent = list(payloads("over-reload", MESSAGES))
            latest = None
            for number, message in enumerate(sent):
                if number == MESSAGES // 3:
                    await reload(reload_command)
                    latest = await proxy.enter("/reload")
                kind = "text/plain" if isinstance(message, str) else "application/octet-stream"
                body = message.encode() if isinstance(message, str) else message
                status, text = await asyncio.to_thread(proxy.publish, "/reload", body, **{"Content-Type": kind})
                expect((number, status), (number, 201))
                expected = SUBSCRIBERS + (latest is not None)
                expect((number, json.loads(text)["subscribers"]), (number, expected))
            for socket in sockets:
                expect([await socket.recv() for _ in sent] == sent, True)
            expect([await latest.recv() for _ in sent[MESSAGES // 3:]] == sent[MESSAGES // 3:], True)
            await asyncio.gather(*(socket.close() for socket in [*sockets, latest]))

    @checks.add("while the server drains, everybody is closed with 1012")
    async def _():
        sockets = [await proxy.enter(f"/drain/{number}") for number in range(SUBSCRIBERS)]
        os.kill(int(server_pid), signal.SIGTERM)
        expect(await asyncio.gather(*map(close_code, sockets)), [1012] * SUBSCRIBERS)

    return await checks.run()


if __name__ == "__main__":
    sys.exit(asyncio.run(check(*sys.argv[1:])))
