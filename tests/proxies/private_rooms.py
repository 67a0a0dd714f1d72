"""The recipe of private rooms: nginx asks an application before it lets anybody in. Called by run.sh:

private_rooms.py application PORT          the application: alice is in room 42, bob may only read there
private_rooms.py check PORT APPLICATION    one line for each check; ends the application, whose process id is given
"""

import asyncio
import http.server
import os
import signal
import sys
from http.cookies import SimpleCookie
from urllib.parse import unquote

from proxies import ORIGIN, Checks, Proxy, expect, refused


class Application(http.server.BaseHTTPRequestHandler):
    MAY_READ = {"alice": {"rooms/42"}, "bob": {"rooms/42"}}
    MAY_PUBLISH = {"alice": {"rooms/42"}}

    def do_GET(self):
        channel = unquote(self.headers["X-Original-URI"].partition("?")[0]).removeprefix("/")
        session = SimpleCookie(self.headers["Cookie"]).get("session")
        rights = self.MAY_PUBLISH if self.headers["X-Original-Method"] == "POST" else self.MAY_READ
        status = 401 if session is None else 200 if channel in rights.get(session.value, ()) else 403
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_):
        pass


async def check(port, application_pid):
    checks, proxy = Checks("nginx, private rooms"), Proxy(port)
    cookie = lambda who: {"Cookie": f"session={who}"}
    enter = lambda path, who, origin=None: proxy.socket(path, origin, additional_headers=cookie(who))

    @checks.add("who is in the room receives what another publishes there, over a WebSocket and by POST")
    async def _():
        async with enter("/rooms/42", "alice", ORIGIN) as alice, enter("/rooms/42", "bob", ORIGIN) as bob:
            await alice.send("over a WebSocket")
            status, _, _ = await asyncio.to_thread(proxy.ask, "POST", "/rooms/42", "by POST", cookie("alice"))
            expect(status, 201)
            for socket in (alice, bob):
                expect([await socket.recv(), await socket.recv()], ["over a WebSocket", "by POST"])

    @checks.add("a stranger gets 401, a member of no room 403, and who may read may not POST")
    async def _():
        expect(await refused(proxy.socket("/rooms/42")), 401)
        expect(await refused(enter("/rooms/43", "alice")), 403)
        expect(await refused(enter("/rooms/42", "mallory")), 403)
        expect(proxy.ask("POST", "/rooms/42", "x", cookie("bob"))[0], 403)
        expect(proxy.ask("GET", "/rooms/42")[0], 401)

    @checks.add("the room's other spellings are asked for too")
    async def _():
        for path in ["/rooms%2F42", "/%72ooms/42", "/rooms/4%32", "/rooms/42?x=1"]:
            expect((path, await refused(proxy.socket(path))), (path, 401))
            expect((path, await refused(enter(path, "alice"))), (path, "101"))

    @checks.add("a foreign page gets 403 though its visitor is a member")
    async def _():
        expect(await refused(enter("/rooms/42", "alice", "https://evil.example")), 403)
        expect(proxy.ask("POST", "/rooms/42", "x", {**cookie("alice"), "Origin": "https://evil.example"})[0], 403)

    @checks.add("other channels ask nobody, and a POST there still takes the key")
    async def _():
        expect(await refused(proxy.socket("/news")), "101")
        expect(proxy.ask("POST", "/news", "x", cookie("alice"))[0], 401)

    @checks.add("without an answer of the application nobody is let in: 500")
    async def _():
        os.kill(int(application_pid), signal.SIGTERM)
        while await refused(enter("/rooms/42", "alice")) == "101":
            await asyncio.sleep(0.01)
        expect(await refused(enter("/rooms/42", "alice")), 500)

    return await checks.run()


if __name__ == "__main__":
    if sys.argv[1] == "application":
        http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Application).serve_forever()
    sys.exit(asyncio.run(check(*sys.argv[2:])))
