"""Servers on the Python package `websockets` for loadgen to run against, all on one free port; the path says which.
Called by run.sh. Prints the address.

/echo         each message back to its sender
/all/NAME     each message to everyone on this path, the sender included
/others/NAME  the same without the sender
"""

import asyncio
import collections

from websockets.asyncio.server import broadcast, serve
from websockets.exceptions import ConnectionClosed

channels = collections.defaultdict(set)  # path to connections


async def talk(connection):
    path = connection.request.path
    everyone = channels[path]
    everyone.add(connection)
    try:
        async for message in connection:
            if path == "/echo":
                await connection.send(message)
            else:
                broadcast(everyone if path.startswith("/all/") else everyone - {connection}, message)
    except ConnectionClosed:
        pass  # a connection may be reset
    finally:
        everyone.discard(connection)


async def main():
    async with serve(talk, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        print(f"listening on {host}:{port}", flush=True)
        await server.serve_forever()


asyncio.run(main())
