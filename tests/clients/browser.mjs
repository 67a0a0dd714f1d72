// The console page and plain pages in Chromium: what a browser does with fanfare, by mouse and keyboard. Called by
// run.sh with FANFARE (the binary), CLIENTS_NPM (the folder with the packages) and CLIENTS_OUT (for screenshots).
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Checks, expect } from "./lines.mjs";
import { startServer } from "./server.mjs";

const { chromium } = createRequire(process.env.CLIENTS_NPM + "/")("playwright-core");
const WAIT_MS_MAX = 30_000;
const ARGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];

const profile = mkdtempSync(join(tmpdir(), "fanfare-chromium-"));
const browser = await chromium.launchPersistentContext(profile, { executablePath: "/usr/bin/chromium", args: ARGS });
browser.setDefaultTimeout(WAIT_MS_MAX);

// A page of another origin: another host name on another port. Its only script is what a user would write.
const elsewhere = createServer((request, response) => {
  response.setHeader("Content-Type", "text/html");
  response.end(`<!doctype html><title>elsewhere</title><p id="seen"></p><script>
    const seen = [], note = text => { seen.push(text); document.getElementById("seen").textContent = seen.join("; "); };
    const ws = new WebSocket(decodeURIComponent(location.search.slice(1)));
    ws.onopen = () => { note("open"); ws.send("hello, all"); };
    ws.onmessage = e => note(e.data);
    ws.onerror = () => note("error");
    ws.onclose = e => note("close " + e.code + " " + e.reason);
  </script>`);
}).listen(0, "127.0.0.1");
await once(elsewhere, "listening");
const elsewhereOrigin = `http://localhost:${elsewhere.address().port}`;

const checks = new Checks("Chromium");
const server = await startServer("--log-events");
const pages = { broken: [] };

// A page that keeps what went wrong in it: an exception, or something that its own policy forbids.
async function newPage(options = {}) {
  const page = await browser.newPage();
  if (options.viewport) await page.setViewportSize(options.viewport);
  if (options.colorScheme) await page.emulateMedia({ colorScheme: options.colorScheme });
  page.on("pageerror", error => pages.broken.push(error.message));
  page.on("console", line => { if (line.type() === "error" && !/WebSocket connection to|Failed to load resource/.test(line.text())) pages.broken.push(line.text()); });
  return page;
}

async function openChannel(name) {
  const page = await newPage();
  await page.goto(server.origin + "/");
  await page.getByRole("textbox", { name: "Channel" }).fill(name);
  await page.getByRole("button", { name: "Open", exact: true }).click();
  await connected(page);
  return page;
}

const connected = page => page.locator("#state[data-state=open]").waitFor();
const shows = (page, text) => page.locator("#log li", { hasText: text }).waitFor();

async function type(page, text) {
  await page.getByRole("textbox", { name: "Message" }).fill(text);
  await page.getByRole("button", { name: "Send" }).click();
}

async function emit(page, name, data) {
  await page.getByRole("button", { name: "Event", exact: true }).click();
  await page.getByLabel("Event name").fill(name);
  await page.getByLabel("Event data").fill(data);
  await page.getByRole("button", { name: "Emit" }).click();
}

async function visit(url) {
  const page = await newPage();
  await page.goto(`${elsewhereOrigin}/?${encodeURIComponent(url)}`);
  await page.locator("#seen", { hasText: /close|hello/ }).waitFor();
  const seen = await page.locator("#seen").textContent();
  await page.close();
  return seen;
}

checks.add("two console pages on one channel see each other's messages", async () => {
  pages.one = await openChannel("café/a b?");
  pages.two = await openChannel("café/a b?");
  await type(pages.one, "hello from one");
  await shows(pages.two, "hello from one");
  await pages.two.getByRole("textbox", { name: "Message" }).fill("hello from two");
  await pages.two.keyboard.press("Enter");
  for (const page of [pages.one, pages.two]) await shows(page, "hello from two");
});

checks.add("a page tells how many are subscribed", () => pages.two.locator("#subscribers", { hasText: "2 subscribers" }).waitFor());

checks.add("a custom event of one page is seen in the other and in the log of the server", async () => {
  await emit(pages.one, "joined", '{"name":"Ada \\u2028"}');
  await shows(pages.two, "joined");
  await server.logs(/event="joined" data="\{\\"name\\":\\"Ada/);
});

checks.add("a message is shown as the text that it is, whatever it looks like", async () => {
  const text = "<img src=x onerror=\"document.title = 'broken in'\"><b>bold</b>";
  await type(pages.two, text);
  await shows(pages.one, text);
  expect(await pages.one.locator("#log b, #log img").count(), 0);
  expect((await pages.one.title()).startsWith("café/a b?"), true);
});

checks.add("a binary message is shown, byte for byte", async () => {
  const response = await fetch(server.origin + "/caf%C3%A9/a%20b%3F", {
    method: "POST", body: Buffer.from([0, 1, 254, 255]), headers: { "Content-Type": "application/octet-stream" },
  });
  expect([response.status, (await response.json()).subscribers], [201, 2]);
  await shows(pages.two, "00 01 fe ff");
});

checks.add("the curl line that a page shows does what the page says", async () => {
  await pages.one.getByRole("button", { name: "Message", exact: true }).click();
  await pages.one.getByRole("textbox", { name: "Message" }).fill("it's from a shell");
  const { execFileSync } = await import("node:child_process");
  execFileSync("sh", ["-c", await pages.one.locator("#curl").textContent()], { stdio: "ignore" });
  await shows(pages.two, "it's from a shell");
});

checks.add("every control has a name for those who do not see it", async () => {
  const session = await browser.newCDPSession(pages.one);
  const { nodes } = await session.send("Accessibility.getFullAXTree");
  const controls = nodes.filter(node => !node.ignored && ["button", "textbox"].includes(node.role?.value));
  expect(controls.length >= 6, true);
  expect(controls.filter(node => !node.name?.value).length, 0);
});

checks.add("a page of another origin is refused: 403, which the page sees as 1006", async () => {
  const refused = async () => Number(/fanfare_handshakes_total\{status="403"\} (\d+)/.exec(await server.metrics())?.[1] ?? 0);
  const before = await refused();
  expect(await visit(server.webSocket + "/elsewhere"), "error; close 1006 ");
  // The reactor says so at the end of its turn.
  for (let tries = 0; tries < 100 && await refused() === before; tries++);
  expect(await refused() - before, 1);
});

checks.add("with --reject close that page sees 4403 and the reason", async () => {
  const telling = await startServer("--reject", "close");
  expect(await visit(telling.webSocket + "/elsewhere"), "open; close 4403 Origin not allowed: see --allowed-origins");
  await telling.end();
});

checks.add("an allowed origin publishes and subscribes with three lines and no library", async () => {
  const allowing = await startServer("--allowed-origins", elsewhereOrigin);
  expect(await visit(allowing.webSocket + "/elsewhere"), "open; hello, all");
  await allowing.end();
});

checks.add("after a restart the page shows 1012, comes back by itself and goes on", async () => {
  const page = pages.one;
  const ended = server.end();
  await page.locator("#notice", { hasText: "1012" }).waitFor();
  expect(await page.locator("#state").getAttribute("data-state"), "wait");
  expect(await ended, 0);
  await server.start();
  await connected(page);
  await page.locator("#notice").waitFor({ state: "hidden" });
  await type(page, "after the restart");
  await shows(page, "after the restart");
  expect(await page.locator("#log li", { hasText: "hello from one" }).count(), 1);
});

checks.add("a close that is final is shown and not tried again", async () => {
  await type(pages.one, "x".repeat(65_537));
  await pages.one.locator("#notice", { hasText: "1009" }).waitFor();
  expect(await pages.one.locator("#state").getAttribute("data-state"), "closed");
  await pages.one.getByRole("button", { name: "Reconnect now" }).click();
  await connected(pages.one);
});

checks.add("a burst of 2,000 messages is counted to the last one", async () => {
  const page = await openChannel("burst");
  await page.evaluate(() => { for (let n = 1; n <= 2000; n += 1) send("burst " + n); });
  await shows(page, "burst 2000");
  expect((await page.locator("#count").textContent()).startsWith("2,000 messages"), true);
  expect(await page.locator("#log li").count(), 200);
  await page.close();
});

checks.add("a paused page holds messages back and loses none", async () => {
  const page = await openChannel("paused");
  await page.getByRole("button", { name: "Pause" }).click();
  await type(page, "meanwhile");
  await page.locator("#count", { hasText: "1 message, 1 held back" }).waitFor();
  expect(await page.locator("#log li").count(), 0);
  await page.getByRole("button", { name: "Resume" }).click();
  await shows(page, "meanwhile");
  await page.close();
});

checks.add("screenshots for people to look at; no page is wider than its window", async () => {
  const desktop = { width: 1280, height: 800 }, phone = { width: 390, height: 844 };
  for (const [name, path, viewport, colorScheme] of [
    ["start-light", "/", desktop, "light"], ["start-phone", "/", phone, "light"], ["console-light", "/news", desktop, "light"],
    ["console-dark", "/news", desktop, "dark"], ["console-phone", "/news", phone, "light"], ["console-phone-dark", "/news", phone, "dark"],
  ]) {
    const page = await newPage({ viewport, colorScheme });
    await page.goto(server.origin + path);
    if (path !== "/") await exchangeSamples(page, colorScheme === "dark");
    await page.screenshot({ path: join(process.env.CLIENTS_OUT, name + ".png"), fullPage: true });
    expect(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0);
    await page.close();
  }
});

// One message of each kind; at the end the form for messages is open, or that for events.
async function exchangeSamples(page, endsWithEvent) {
  await connected(page);
  await type(page, "hello, all");
  await fetch(page.url(), {
    method: "POST", headers: { "Content-Type": "application/octet-stream" },
    body: Buffer.from("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\x40 and more than is shown of one message, all in all", "latin1"),
  });
  await type(page, '{"room": "kitchen", "temperature": 21.5, "at": "2031-04-05T06:07:08Z", "sensor": "0123456789abcdef0123456789abcdef"}');
  if (endsWithEvent) await emit(page, "joined", '{"name":"Ada","with":["Grace","Radia"]}');
  else await type(page, '{"event":"joined","data":{"name":"Ada","with":["Grace","Radia"]}}');
  await shows(page, "Radia");
  await page.locator("#subscribers", { hasText: "subscriber" }).waitFor();
}

checks.add("nothing went wrong in any page, and its policy forbade nothing", async () => expect(pages.broken, []));

try {
  await checks.run();
} finally {
  await browser.close();
  await server.end();
  elsewhere.close();
  rmSync(profile, { recursive: true, force: true });
}
