"""What the Python clients have in common: how a message is printed, what is published, how a check is run."""

import asyncio
import hashlib

# A publisher by WebSocket is a subscriber too, and too slow a one if it does not read: it sends so many messages, then
# reads until the last of them has come back.
AHEAD_MAX = 20

CHECK_SECONDS_MAX = 60  # of a check that would wait for ever; a slow machine needs a few


def line(message):
    """A message as one line: its kind, its size and its hash. The same in lines.mjs and in run.sh."""
    kind, payload = ("text", message.encode()) if isinstance(message, str) else ("binary", bytes(message))
    return f"{kind} {len(payload)} {hashlib.sha256(payload).hexdigest()}"


def payloads(name, count):
    """Messages that no other publisher sends, of both kinds and of many sizes."""
    for number in range(count):
        text = f"{name} {number} \u00e9 " + "x" * (number * 97 % 5000)
        yield text.encode() if number % 3 == 0 else text


def expect(actual, expected):
    if actual != expected:
        raise AssertionError(f"{shorten(actual)} instead of {shorten(expected)}")


def shorten(value):
    text = repr(value)
    return text if len(text) <= 200 else text[:200] + "…"


class Checks:
    """The checks of one client; each prints a line, and one that fails does not end the others."""

    def __init__(self, client):
        self.client, self.checks = client, []

    def add(self, name):
        return lambda check: self.checks.append((name, check))

    async def run(self):
        """How many failed."""
        failed = 0
        for name, check in self.checks:
            try:
                await asyncio.wait_for(check(), CHECK_SECONDS_MAX)
                print(f"ok    {self.client}: {name}", flush=True)
            except Exception as error:
                failed += 1
                print(f"FAIL  {self.client}: {name}: {type(error).__name__}: {error}", flush=True)
        return min(failed, 1)
