// The server under test, started and ended by its own handle.
import { spawn } from "node:child_process";
import { once } from "node:events";

const START_MS_MAX = 10_000;
const LOGGED_MS_MAX = 30_000;

// Starts the binary of FANFARE with these flags on a free port.
export async function startServer(...flags) {
  const server = new Server(flags);
  await server.start();
  return server;
}

class Server {
  #flags;
  #process = null;
  #kill = () => this.#process.kill();
  #log = "";
  #address = "127.0.0.1:0";

  constructor(flags) { this.#flags = flags; }

  get origin() { return "http://" + this.#address; }
  // Of a server that was started with --admin-listen.
  get adminOrigin() { return /health and metrics: (http:\/\/[^/]+)/.exec(this.#log)[1]; }
  get webSocket() { return "ws://" + this.#address; }

  // At the same address as before, where it has run before.
  async start() {
    this.#log = "";
    this.#process = spawn(process.env.FANFARE, ["--listen", this.#address, ...this.#flags], { stdio: ["ignore", "ignore", "pipe"] });
    process.once("exit", this.#kill);
    this.#process.stderr.setEncoding("utf8").on("data", text => { this.#log += text; });
    const [, address] = await this.logs(/listening on http:\/\/(\S+?)[;,]/, START_MS_MAX);
    this.#address = address;
  }

  // Waits until something is in the log.
  async logs(pattern, waitMs = LOGGED_MS_MAX) {
    const late = AbortSignal.timeout(waitMs);
    for (;;) {
      const match = pattern.exec(this.#log);
      if (match) return match;
      await once(this.#process.stderr, "data", { signal: late }).catch(() => { throw new Error(`the log has no ${pattern}: ${this.#log}`); });
    }
  }

  async metrics() { return (await fetch(this.origin + "/-/metrics")).text(); }

  // Ends it as an operator would; its exit code.
  async end() {
    process.off("exit", this.#kill);
    if (this.#process.exitCode === null) {
      this.#process.kill("SIGTERM");
      await once(this.#process, "exit");
    }
    return this.#process.exitCode;
  }
}
