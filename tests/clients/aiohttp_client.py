"""fanfare as the Python package `aiohttp` sees it, by WebSocket and by HTTP. Called by run.sh:

aiohttp_client.py follow URL            print a line for each message until the text "end"
aiohttp_client.py publish URL NAME N    send N messages by POST, print the same lines for them
aiohttp_client.py check URL             one line for each check
aiohttp_client.py limits STRICT FULL    the same for a server with --message-rate 20 and short times for pings,
                                        and one with --max-connections-per-ip 2

The URLs are those of HTTP.
"""

import asyncio
import sys

from aiohttp import ClientSession, WSMsgType, WSServerHandshakeError

from lines import Checks, expect, line, payloads

TEXT = {"Content-Type": "text/plain; charset=utf-8"}
BINARY = {"Content-Type": "application/octet-stream"}  # what aiohttp says of bytes if it is not told


async def follow(url):
    async with ClientSession() as session, session.ws_connect(url) as socket:
        async for message in socket:
            if message.data == "end":
                return
            print(line(message.data))


async def publish(url, name, count):
    async with ClientSession() as session:
        for message in payloads(name, int(count)):
            headers = BINARY if isinstance(message, bytes) else TEXT
            async with session.post(url, data=message, headers=headers) as response:
                expect(response.status, 201)
            print(line(message))


async def check(url):
    checks = Checks("aiohttp (Python)")

    @checks.add("what is posted arrives, as text or as binary")
    async def _():
        async with ClientSession() as session, session.ws_connect(url + "/post") as socket:
            for body, headers, kind in [
                ("h\u00e9llo", TEXT, WSMsgType.TEXT),
                (b"\x00\xff", BINARY, WSMsgType.BINARY),
                ("", TEXT, WSMsgType.TEXT),
                (bytes(64 * 1024), BINARY, WSMsgType.BINARY),
            ]:
                async with session.post(url + "/post", data=body, headers=headers) as response:
                    expect((response.status, (await response.json())["subscribers"]), (201, 1))
                message = await socket.receive()
                expect((message.type, message.data), (kind, body))

    @checks.add("a post that nobody hears is 202, and the channel counts it")
    async def _():
        async with ClientSession() as session:
            async with session.post(url + "/unheard", data="hello") as response:
                published = await response.json()
                expect((response.status, published["subscribers"]), (202, 0))
            async with session.get(url + "/unheard") as response:
                channel = await response.json()
                expect((channel["channel"], channel["messages"]), ("unheard", 1))
                expect(channel["last_id"], published["id"])

    @checks.add("a bad post is refused: 400, 413, 501, and reaches nobody")
    async def _():
        async def chunks():
            yield b"in "
            yield b"chunks"

        async with ClientSession() as session, session.ws_connect(url + "/refused") as socket:
            for body, status in [(b"\xff", 400), (bytes(64 * 1024 + 1), 413), (chunks(), 501)]:
                async with session.post(url + "/refused", data=body, headers=TEXT) as response:
                    expect(response.status, status)
            async with session.post(url + "/refused", data="good") as response:
                expect(response.status, 201)
            expect((await socket.receive()).data, "good")

    @checks.add("permessage-deflate is offered and not taken")
    async def _():
        async with ClientSession() as session, session.ws_connect(url + "/deflate", compress=15) as socket:
            expect(socket.compress, 0)
            await socket.send_str("a" * 10_000)
            expect((await socket.receive()).data, "a" * 10_000)

    @checks.add("ping, pong and a clean close")
    async def _():
        async with ClientSession() as session, session.ws_connect(url + "/close", autoping=False) as socket:
            await socket.ping(b"payload")
            pong = await socket.receive()
            while pong.type is WSMsgType.PING:
                await socket.pong(pong.data)
                pong = await socket.receive()
            expect((pong.type, bytes(pong.data)), (WSMsgType.PONG, b"payload"))
            await socket.close(code=1000, message=b"done")
            expect(socket.close_code, 1000)

    @checks.add("a page of another origin is refused with 403")
    async def _():
        headers = {"Origin": "https://elsewhere.example"}
        async with ClientSession(headers=headers) as session:
            try:
                async with session.ws_connect(url + "/origin"):
                    raise AssertionError("it was let in")
            except WSServerHandshakeError as refused:
                expect(refused.status, 403)
            async with session.post(url + "/origin", data="forged") as response:
                expect(response.status, 403)

    return await checks.run()


async def limits(strict, full):
    checks = Checks("aiohttp (Python)")

    @checks.add("a peer that answers no ping is closed with 4408 and a reason")
    async def _():
        async with ClientSession() as session, session.ws_connect(strict + "/mute", autoping=False) as socket:
            await expect_close(socket, 4408)

    @checks.add("more messages a second than are allowed: 4429 and a reason")
    async def _():
        async with ClientSession() as session, session.ws_connect(strict + "/flood") as socket:
            for _ in range(100):
                await socket.send_str("flood")
            await expect_close(socket, 4429)

    @checks.add("one connection too many from an address: 429 and when to try again")
    async def _():
        async with ClientSession() as session:
            async with session.ws_connect(full + "/crowd"), session.ws_connect(full + "/crowd"):
                try:
                    async with session.ws_connect(full + "/crowd"):
                        raise AssertionError("it was let in")
                except WSServerHandshakeError as refused:
                    expect((refused.status, "Retry-After" in refused.headers), (429, True))

    return await checks.run()


async def expect_close(socket, code):
    """Reads until the server closes."""
    message = await socket.receive()
    while message.type is not WSMsgType.CLOSE:
        expect(message.type in (WSMsgType.TEXT, WSMsgType.PING), True)
        message = await socket.receive()
    expect((message.data, message.extra != ""), (code, True))


if __name__ == "__main__":
    verb = {"follow": follow, "publish": publish, "check": check, "limits": limits}[sys.argv[1]]
    sys.exit(asyncio.run(verb(*sys.argv[2:])))
