"""fanfare as the Python package `websockets` sees it. Called by run.sh:

python_websockets.py follow URL            print a line for each message until the text "end"
python_websockets.py publish URL NAME N    send N messages, print the same lines for them
python_websockets.py check URL             one line for each check
"""

import asyncio
import http.client
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect as blocking_connect

from lines import AHEAD_MAX, Checks, expect, line, payloads

MESSAGE_BYTES_MAX = 64 * 1024  # the server's default


async def follow(url):
    async with connect(url) as socket:
        async for message in socket:
            if message == "end":
                return
            print(line(message))


async def publish(url, name, count):
    async with connect(url) as socket:
        for number, message in enumerate(payloads(name, int(count)), start=1):
            await socket.send(message)
            print(line(message))
            if number % AHEAD_MAX == 0:
                while await socket.recv() != message:
                    pass


async def check(url):
    checks = Checks("websockets (Python)")

    @checks.add("text and binary come back as they were sent")
    async def _():
        async with connect(url + "/kinds") as socket:
            for message in ["", "h\u00e9llo, \U0001f30d", b"", bytes(range(256))]:
                await socket.send(message)
                expect(await socket.recv(), message)

    @checks.add("messages of the largest size, 64 KiB")
    async def _():
        async with connect(url + "/large") as socket:
            for message in ["\u00e9" * (MESSAGE_BYTES_MAX // 2), bytes(MESSAGE_BYTES_MAX)]:
                await socket.send(message)
                expect(await socket.recv() == message, True)

    @checks.add("one byte more is closed with 1009 and a reason")
    async def _():
        async with connect(url + "/large") as socket:
            await socket.send(bytes(MESSAGE_BYTES_MAX + 1))
            await expect_close(socket, 1009)

    @checks.add("a message of 50 MB is closed with 1009 and a reason, while it is being sent")
    async def _():
        # Not closed from this side: this version of websockets fails to close a connection that has ended.
        socket = await connect(url + "/large")
        await socket.send(bytes(50_000_000))
        await expect_close(socket, 1009)

    @checks.add("so it is for a client that sends all of it before it reads")
    async def _():
        def send_and_read():
            with blocking_connect(url + "/large") as socket:
                socket.socket.settimeout(60)
                try:
                    socket.send(bytes(50_000_000))
                    socket.recv()
                except ConnectionClosed as closed:
                    return closed.rcvd.code

        expect(await asyncio.to_thread(send_and_read), 1009)

    @checks.add("http.client sends a body of 50 MB and reads 413, or 501 if it is chunked")
    async def _():
        def post(body, **arguments):
            scheme, host = url.split("/")[0], url.split("/")[2]
            kind = http.client.HTTPSConnection if scheme == "wss:" else http.client.HTTPConnection
            connection = kind(host, timeout=60)
            connection.request("POST", "/large", body, **arguments)
            response = connection.getresponse()
            return response.status, b"--max-message-size" in response.read()

        expect(await asyncio.to_thread(post, bytes(50_000_000)), (413, True))
        chunks = (bytes(1_000_000) for _ in range(50))
        expect(await asyncio.to_thread(post, chunks, encode_chunked=True), (501, False))

    @checks.add("fragments arrive as one message")
    async def _():
        async with connect(url + "/fragments") as socket:
            await socket.send(["one ", "", "message ", "in four"])
            expect(await socket.recv(), "one message in four")

    @checks.add("a ping is answered with its own payload, also between fragments")
    async def _():
        async with connect(url + "/ping", ping_interval=None) as socket:
            await (await socket.ping(b"early"))

            async def fragments():
                yield "in "
                await (await socket.ping(b"between"))
                yield "two"

            await socket.send(fragments())
            expect(await socket.recv(), "in two")

    @checks.add("the connection outlives the pings of the server")
    async def _():
        async with connect(url + "/ping", ping_interval=None) as socket:
            pings = 0
            received = socket.protocol.recv_frame

            def count(frame):
                nonlocal pings
                pings += frame.opcode == 9
                if pings == 2:
                    second.set()
                received(frame)

            second = asyncio.Event()
            socket.protocol.recv_frame = count
            await second.wait()
            await socket.send("still here")
            expect(await socket.recv(), "still here")

    @checks.add("permessage-deflate is offered and not taken")
    async def _():
        async with connect(url + "/compression", compression="deflate") as socket:
            expect("permessage-deflate" in socket.request.headers["Sec-WebSocket-Extensions"], True)
            expect("Sec-WebSocket-Extensions" in socket.response.headers, False)
            await socket.send("a" * 10_000)
            expect(await socket.recv(), "a" * 10_000)

    @checks.add("a close is answered, whatever its code")
    async def _():
        for code, reason in [(1000, "done"), (1001, ""), (3000, "of a library"), (4999, "private")]:
            async with connect(url + "/close") as socket:
                await socket.close(code, reason)
                expect(socket.protocol.close_sent.code, code)
                expect(socket.protocol.close_rcvd is not None, True)
                expect(socket.protocol.close_rcvd_then_sent, False)

    @checks.add("text that is not UTF-8 is closed with 1007 and a reason")
    async def _():
        async with connect(url + "/utf8") as socket:
            await socket.send(b"\xff\xfe", text=True)
            await expect_close(socket, 1007)

    @checks.add("a channel is one channel however its path is escaped")
    async def _():
        async with connect(url + "/caf%C3%A9/a%20b") as one, connect(url + "/%63af%c3%a9%2Fa%20b") as other:
            await one.send("to both")
            expect([await one.recv(), await other.recv()], ["to both"] * 2)

    @checks.add("a thousand messages without waiting, all back and in order")
    async def _():
        async with connect(url + "/pipeline") as socket:
            sent = [str(number) for number in range(1000)]
            for message in sent:
                await socket.send(message)
            expect([await socket.recv() for _ in sent], sent)

    return await checks.run()


async def expect_close(socket, code):
    try:
        await socket.recv()
    except ConnectionClosed as closed:
        expect(closed.rcvd.code, code)
        expect(closed.rcvd.reason != "", True)
    else:
        raise AssertionError("a message came where a close was due")


if __name__ == "__main__":
    verb = {"follow": follow, "publish": publish, "check": check}[sys.argv[1]]
    sys.exit(asyncio.run(verb(*sys.argv[2:])))
