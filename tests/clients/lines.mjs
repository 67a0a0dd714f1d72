// What the Node clients have in common: how a message is printed, what is published, how a check is run.
import { createHash } from "node:crypto";

const CHECK_MS_MAX = 60_000;         // of a check that would wait for ever; a slow machine needs a few seconds

// A publisher by WebSocket is a subscriber too, and too slow a one if it does not read: it sends so many messages, then
// reads until the last of them has come back.
export const AHEAD_MAX = 20;

// A message as one line: its kind, its size and its hash. The same in lines.py and in run.sh.
export function line(payload, isBinary) {
  const bytes = Buffer.from(payload);
  return `${isBinary ? "binary" : "text"} ${bytes.length} ${createHash("sha256").update(bytes).digest("hex")}`;
}

// Messages that no other publisher sends, of both kinds and of many sizes.
export function* payloads(name, count) {
  for (let number = 0; number < count; number += 1) {
    const text = `${name} ${number} é ` + "x".repeat((number * 97) % 5000);
    yield number % 3 === 0 ? Buffer.from(text) : text;
  }
}

export function expect(actual, expected) {
  const [a, b] = [actual, expected].map(value => JSON.stringify(value) ?? String(value));
  if (a !== b) throw new Error(`${a.slice(0, 200)} instead of ${b.slice(0, 200)}`);
}

// The checks of one client; each prints a line, and one that fails does not end the others.
export class Checks {
  #client;
  #checks = [];
  constructor(client) { this.#client = client; }
  add(name, check) { this.#checks.push({ name, check }); }

  async run() {
    for (const { name, check } of this.#checks) {
      let timer;
      const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error("no end in sight")), CHECK_MS_MAX); });
      try {
        await Promise.race([check(), late]);
        console.log(`ok    ${this.#client}: ${name}`);
      } catch (error) {
        process.exitCode = 1;
        console.log(`FAIL  ${this.#client}: ${name}: ${String(error.message).split("\n")[0]}`);
      }
      clearTimeout(timer);
    }
  }
}
