// The console over https, and pages over wss, in Chromium. Called by run.sh with FANFARE, CLIENTS_NPM and CLIENTS_OUT, and:
//
//   tls_browser.mjs CERTIFICATE KEY PIN    PIN: the SHA-256 of its public key in Base64, which Chromium is told to trust
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Checks, expect } from "./lines.mjs";
import { startServer } from "./server.mjs";

const { chromium } = createRequire(process.env.CLIENTS_NPM + "/")("playwright-core");
const [certificate, key, pin] = process.argv.slice(2);
const WAIT_MS_MAX = 30_000;
const ARGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", `--ignore-certificate-errors-spki-list=${pin}`];

const profile = mkdtempSync(join(tmpdir(), "fanfare-chromium-tls-"));
const browser = await chromium.launchPersistentContext(profile, { executablePath: "/usr/bin/chromium", args: ARGS });
browser.setDefaultTimeout(WAIT_MS_MAX);

const server = await startServer("--listen", "tls:127.0.0.1:0", "--tls-cert", certificate, "--tls-key", key);
const [, authority] = await server.logs(/https:\/\/(127\.0\.0\.1:\d+)/);

// A page without TLS, whose host is the server's.
const plain = createServer((_, response) => {
  response.setHeader("Content-Type", "text/html");
  response.end("<!doctype html><title>plain</title>");
}).listen(0, "127.0.0.1");
await once(plain, "listening");

// Opens a WebSocket in a page: what came of it.
const connect = (page, url) => page.evaluate(url => new Promise(resolve => {
  const ws = new WebSocket(url);
  ws.onopen = () => ws.send("hello, all");
  ws.onmessage = ({ data }) => { resolve(data); ws.close(); };
  ws.onclose = ({ code }) => resolve(code);
}), url);

const checks = new Checks("Chromium over TLS");

checks.add("the console is shown over https, connects over wss and publishes", async () => {
  const page = await browser.newPage();
  await page.goto(`https://${authority}/news`);
  await page.locator("#state[data-state=open]").waitFor();
  await page.getByRole("textbox", { name: "Message" }).fill("over TLS");
  await page.getByRole("button", { name: "Publish" }).click();
  await page.locator("#log li", { hasText: "over TLS" }).first().waitFor();
  expect(await page.evaluate(() => [isSecureContext, location.protocol]), [true, "https:"]);
  expect(await connect(page, `wss://${authority}/own`), "hello, all");
  await page.close();
});

checks.add("a page of another origin, and one without TLS of the same host, are refused over wss", async () => {
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${plain.address().port}/`);
  expect(await connect(page, `wss://${authority}/news`), 1006);
  await page.close();
  expect((await server.metrics()).includes('fanfare_rejects_total{reason="forbidden_origin"} 1\n'), true);
});

checks.add("a browser that does not trust the certificate does not connect, and that is counted", async () => {
  const other = mkdtempSync(join(tmpdir(), "fanfare-chromium-tls-"));
  const args = ARGS.filter(flag => !flag.startsWith("--ignore-certificate"));
  const distrustful = await chromium.launchPersistentContext(other, { executablePath: "/usr/bin/chromium", args });
  const page = await distrustful.newPage();
  const failed = await page.goto(`https://${authority}/news`).then(() => "it was shown", error => error.message);
  expect(failed.includes("ERR_CERT_AUTHORITY_INVALID"), true);
  await distrustful.close();
  rmSync(other, { recursive: true, force: true });
  const refused = /fanfare_tls_handshakes_total\{result="refused_by_client"\} [1-9]/;
  expect(refused.test(await server.metrics()), true);
});

const code = await checks.run();
await browser.close();
plain.close();
await server.end();
rmSync(profile, { recursive: true, force: true });
process.exit(code);
