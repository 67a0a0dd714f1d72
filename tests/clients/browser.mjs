// The console page and plain pages in Chromium: what a browser does with fanfare, by mouse and keyboard. Called by
// run.sh with FANFARE (the binary), CLIENTS_NPM (the folder with the packages) and CLIENTS_OUT (for screenshots).
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Checks, expect } from "./lines.mjs";
import { startServer } from "./server.mjs";

const packages = createRequire(process.env.CLIENTS_NPM + "/");
const { chromium } = packages("playwright-core"), { WebSocket: Peer } = packages("ws");
const WAIT_MS_MAX = 30_000;
const ARGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];

const profile = mkdtempSync(join(tmpdir(), "fanfare-chromium-"));
const browser = await chromium.launchPersistentContext(profile, { executablePath: "/usr/bin/chromium", args: ARGS });
browser.setDefaultTimeout(WAIT_MS_MAX);

// A page of another origin: another host name on another port. Its only script is what a user would write.
const elsewhere = createServer((request, response) => {
  response.setHeader("Content-Type", "text/html");
  if (request.url === "/plain") return response.end("<!doctype html><title>plain</title>");
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
  if (options.headers) await page.setExtraHTTPHeaders(options.headers);
  page.on("pageerror", error => pages.broken.push(error.message));
  await page.addInitScript(() => addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => {
    console.error(`the policy forbade ${violatedDirective} ${blockedURI}`);
  }));
  page.on("console", line => { if (line.type() === "error" && !/WebSocket connection to|Failed to load resource/.test(line.text())) pages.broken.push(line.text()); });
  return page;
}

// So a request counts as one that a proxy has forwarded from elsewhere.
const FORWARDED = { "X-Forwarded-For": "192.0.2.1" };

async function openChannel(name, of = server, options = {}) {
  const page = await newPage(options);
  await page.goto(of.origin + "/");
  await page.getByRole("textbox", { name: "Channel" }).fill(name);
  await page.getByRole("button", { name: "Open", exact: true }).click();
  // The overview is in the state "open" too.
  await page.waitForURL(url => url.pathname !== "/");
  await connected(page);
  return page;
}

const connected = page => page.locator("#state[data-state=open]").waitFor();
const shows = (page, text) => page.locator("#log li", { hasText: text }).first().waitFor();

async function type(page, text) {
  await page.getByRole("textbox", { name: "Message" }).fill(text);
  await page.getByRole("button", { name: "Publish" }).click();
}

const outcome = (page, text) => page.locator("#outcome", { hasText: text }).waitFor();
const isKept = async (page, text) => expect(await page.getByRole("textbox", { name: "Message" }).inputValue(), text);

// Answers the question for the key.
async function giveKey(page, key) {
  const dialog = page.getByRole("dialog", { name: "Key or token" });
  await dialog.getByLabel("Key or token").fill(key);
  await dialog.getByRole("button", { name: "Use it" }).click();
}

// A peer that publishes and reads what comes back; it ends when `count` messages have come.
async function flood(url, count, perTenMs) {
  const peer = new Peer(url);
  await once(peer, "open");
  let sent = 0, came = 0;
  const timer = setInterval(() => {
    for (let n = 0; n < perTenMs && sent < count; n += 1) { sent += 1; peer.send(`{"n":${sent},"text":"flood"}`); }
  }, 10);
  await new Promise((resolve, reject) => {
    peer.on("message", () => { came += 1; if (came === count) resolve(); });
    peer.on("close", (code, reason) => reject(new Error(`the flood was closed: ${code} ${reason}`)));
  });
  clearInterval(timer);
  peer.removeAllListeners("close");
  peer.close();
}

async function emit(page, name, data) {
  await page.getByRole("radio", { name: "Event" }).check();
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

checks.add("a page marks what was published in it, and only that", async () => {
  for (const [page, own, other] of [[pages.one, "one", "two"], [pages.two, "two", "one"]]) {
    expect(await page.locator("#log li.own").allInnerTexts().then(rows => rows.map(row => row.includes("hello from " + own))), [true]);
    expect(await page.locator("#log li:not(.own)", { hasText: "hello from " + other }).count(), 1);
  }
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

checks.add("a page publishes bytes that are written in hexadecimal, or those of a file", async () => {
  const peer = new Peer(server.webSocket + "/bytes"), page = await openChannel("bytes"), got = [];
  peer.on("message", (data, isBinary) => got.push([isBinary, data.toString("hex")]));
  await page.getByRole("radio", { name: "Binary" }).check();
  await page.getByLabel("Bytes, in hexadecimal").fill("68 65 6");
  await page.getByRole("button", { name: "Publish" }).click();
  await outcome(page, "pairs of 0-9 and a-f");
  await page.getByLabel("Bytes, in hexadecimal").fill("68 65 00 FF");
  const { execFileSync } = await import("node:child_process");
  execFileSync("sh", ["-c", await page.locator("#curl").textContent()], { stdio: "ignore" });
  await page.getByRole("button", { name: "Publish" }).click();
  await outcome(page, "Published to 2 subscribers");
  await page.getByLabel("or a file").setInputFiles({ name: "a.bin", mimeType: "application/octet-stream", buffer: Buffer.alloc(300, 7) });
  await page.getByRole("button", { name: "Publish" }).click();
  await shows(page, "binary 300 B");
  await page.locator("#log li.own", { hasText: "68 65 00 ff" }).waitFor();
  while (got.length < 3) await once(peer, "message");
  expect(got, [[true, "686500ff"], [true, "686500ff"], [true, "07".repeat(300)]]);
  peer.close();
  await page.close();
});

checks.add("JSON is laid out with every digit that it has, and shown as it came on demand", async () => {
  const page = await openChannel("json");
  const text = '{"id":12345678901234567890,"a":1,"a":2,"list":[1,[],{}],"text":"a long text, so that it takes many lines"}';
  await type(page, text);
  await shows(page, /JSON/);
  expect(await page.locator("#log .payload").textContent(),
    '{\n  "id": 12345678901234567890,\n  "a": 1,\n  "a": 2,\n  "list": [1, [], {}],\n  "text": "a long text, so that it takes many lines"\n}');
  await page.getByRole("button", { name: "Pretty JSON" }).click();
  await shows(page, text);
  await page.close();
});

checks.add("a search shows the messages that have the text in them, old and new", async () => {
  const page = await openChannel("search");
  for (const text of ["an apple", "a pear", "an Apple pie"]) { await type(page, text); await shows(page, text); }
  await page.getByRole("searchbox", { name: "Search the messages" }).fill("apple");
  await page.locator("#count", { hasText: "2 of the 3 kept match" }).waitFor();
  await type(page, "apples");
  await shows(page, "apples");
  expect(await page.locator("#log li").count(), 3);
  await page.getByRole("searchbox").fill("");
  await shows(page, "a pear");
  await page.close();
});

checks.add("the curl line that a page shows does what the page says", async () => {
  await pages.one.getByRole("radio", { name: "Text" }).check();
  await pages.one.getByRole("textbox", { name: "Message" }).fill("it's from a shell");
  const { execFileSync } = await import("node:child_process");
  execFileSync("sh", ["-c", await pages.one.locator("#curl").textContent()], { stdio: "ignore" });
  await shows(pages.two, "it's from a shell");
});

checks.add("every control has a name for those who do not see it", async () => {
  const overview = await newPage();
  await overview.goto(server.origin + "/");
  await overview.locator("#state[data-state=open]").waitFor();
  const roles = new Set(["button", "textbox", "searchbox", "combobox", "radio", "link", "dialog", "region", "list"]);
  for (const [page, least] of [[pages.one, 14], [overview, 8]]) {
    const session = await browser.newCDPSession(page);
    const { nodes } = await session.send("Accessibility.getFullAXTree");
    const controls = nodes.filter(node => !node.ignored && roles.has(node.role?.value));
    expect(controls.length >= least, true);
    expect(controls.filter(node => !node.name?.value && node.role.value !== "list").map(node => node.role.value), []);
  }
  await overview.close();
});

checks.add("with the keyboard alone a channel is opened, and a message and an event are published", async () => {
  const page = await newPage();
  await page.goto(server.origin + "/");
  const tabTo = async id => {
    for (let tabs = 0; await page.evaluate(() => document.activeElement.id) !== id; tabs += 1) {
      if (tabs > 30) throw new Error("no way to " + id);
      await page.keyboard.press("Tab");
    }
  };
  await tabTo("channel");
  await page.keyboard.type("keys");
  await page.keyboard.press("Enter");
  await connected(page);
  await tabTo("message");
  await page.keyboard.type("by keys");
  await page.keyboard.press("Enter");
  await shows(page, "by keys");
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("ArrowRight");
  await tabTo("event-name");
  await page.keyboard.type("pressed");
  await page.keyboard.press("Enter");
  await shows(page, "pressed");
  await page.close();
});

checks.add("a theme that is chosen wins over the system's, and is remembered", async () => {
  const page = await newPage({ colorScheme: "light" });
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.goto(server.origin + "/themes");
  const light = await ground();
  await page.getByRole("combobox", { name: "Theme" }).selectOption("Dark");
  const dark = await ground();
  expect(light === dark, false);
  await page.reload();
  expect(await ground(), dark);
  await page.getByRole("combobox", { name: "Theme" }).selectOption("System");
  expect(await ground(), light);
  await page.close();
});

checks.add("the plots of the overview move under load", async () => {
  const page = await newPage(), plot = name => page.getByRole("group", { name });
  await page.goto(server.origin + "/");
  await plot("Messages published").locator("b", { hasText: "0" }).waitFor();
  const before = await plot("Copies delivered").locator("path.line:not(.of-second)").getAttribute("d");
  const load = flood(server.webSocket + "/load", 3000, 10);
  for (const name of ["Messages published", "Copies delivered"]) await plot(name).locator("b", { hasText: /[1-9]\d\d/ }).waitFor();
  await plot("Bytes").locator("b", { hasText: /KiB/ }).first().waitFor();
  await load;
  const after = await plot("Copies delivered").locator("path.line:not(.of-second)").getAttribute("d");
  expect(after.length > before.length, true);
  await plot("Copies delivered").press("ArrowLeft");
  await plot("Messages published").getByText(/s ago/).first().waitFor();
  expect(await page.locator("#reasons li", { hasText: "malformed" }).count(), 0);
  await fetch(server.origin + "/a%zz");
  await page.locator("#reasons li", { hasText: "malformed" }).waitFor();
  await page.close();
});

checks.add("a hidden overview asks for nothing", async () => {
  const page = await newPage();
  await page.goto(server.origin + "/");
  await page.locator("#state[data-state=open]").waitFor();
  let asked = 0;
  page.on("request", () => { asked += 1; });
  await page.evaluate(() => {
    Object.defineProperty(document, "hidden", { value: true, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await page.waitForRequest(() => true, { timeout: 2500 }).catch(() => {});
  expect(asked <= 1, true);
  await page.evaluate(() => { delete document.hidden; document.dispatchEvent(new Event("visibilitychange")); });
  await page.waitForRequest(/metrics/);
  await page.close();
});

checks.add("a wrong key keeps the text and says why; the right one publishes, is asked for once, and stands in no address", async () => {
  const keyed = await startServer("--publish-key", "sesame");
  const page = await openChannel("keyed", keyed), urls = [];
  page.on("request", request => urls.push(request.url()));
  await type(page, "secret news");
  await page.locator("#key-why", { hasText: "the publish key is missing" }).waitFor();
  await giveKey(page, "sesam");
  await page.locator("#key-why", { hasText: "this is not the publish key" }).waitFor();
  await page.keyboard.press("Escape");
  await outcome(page, "Not published: 401, this is not the publish key");
  await isKept(page, "secret news");
  await page.getByRole("button", { name: "Publish" }).click();
  await giveKey(page, "sesame");
  await outcome(page, "Published to 1 subscriber");
  await isKept(page, "");
  await page.reload();
  await connected(page);
  await type(page, "more");
  await outcome(page, "Published to 1 subscriber");
  expect(urls.filter(url => url.includes("sesam")), []);
  expect((await page.content()).includes("sesame"), false);
  await page.close();
  await keyed.end();
});

checks.add("a wrong token shows why, and with 4401 where the server says so; a right one lets in, is asked for once, and stands in no address", async () => {
  const secret = "a secret of thirty-two bytes or more";
  const token = channel => execFileSync(process.env.FANFARE, ["token", "--subscribe", channel, "--publish", channel],
    { env: { ...process.env, FANFARE_JWT_SECRET: secret } }).toString().trim();
  for (const reject of ["http", "close"]) {
    const guarded = await startServer("--jwt-secret", secret, "--reject", reject), page = await newPage(), urls = [];
    page.on("request", request => urls.push(request.url()));
    page.on("websocket", socket => urls.push(socket.url()));
    await page.goto(guarded.origin + "/room");
    const notice = text => page.locator("#notice", { hasText: text }).waitFor();
    const give = async key => {
      await page.getByRole("button", { name: "Enter a key or token" }).click();
      await giveKey(page, key);
    };
    const code = reject === "close" ? /4401/ : /401/;
    await notice(code);
    await give(token("room").slice(0, -4) + "AAAA");
    await notice(/signature/);
    await notice(code);
    await give(token("other"));
    await notice(reject === "close" ? /4403.*does not cover this channel/ : /403.*does not cover this channel/);
    if (reject === "close") await page.getByRole("button", { name: /^Key/ }).click().then(() => giveKey(page, token("room")));
    else await give(token("room"));
    await connected(page);
    await type(page, "let in");
    await outcome(page, "Published to 1 subscriber");
    await page.reload();
    await connected(page);
    expect(urls.filter(url => url.includes("eyJ")), []);
    await page.close();
    await guarded.end();
  }
});

checks.add("a token that is kept does no harm where the server takes none", async () => {
  const page = await newPage();
  await page.goto(server.origin + "/tokenless");
  await connected(page);
  await page.getByRole("button", { name: "Key", exact: true }).click();
  await giveKey(page, "eyJhbGciOiJIUzI1NiJ9.e30.c2ln");
  await page.reload();
  await connected(page);
  await page.close();
});

checks.add("the overview lists the channels, by a part of their names, subscribers, rate and lag", async () => {
  const page = await newPage(), peers = [];
  for (const name of ["list/a", "list/b", "list/b", "list/%3Cb%3E%22"]) peers.push(new Peer(server.webSocket + "/" + name));
  await Promise.all(peers.map(peer => once(peer, "open")));
  await page.goto(server.origin + "/");
  const names = wanted => page.waitForFunction(wanted => wanted === [...document.querySelectorAll("#channels tbody th")]
    .map(cell => cell.textContent).join(), wanted.join());
  await page.getByRole("searchbox", { name: "Filter the channels" }).fill("list/");
  await names(["list/b", 'list/<b>"', "list/a"]);
  expect(await page.getByRole("columnheader", { name: "Subscribers" }).getAttribute("aria-sort"), "descending");
  const load = flood(server.webSocket + "/list/a", 500, 2);
  await page.getByRole("button", { name: "Messages/s" }).press("Enter");
  await names(["list/a", 'list/<b>"', "list/b"]);
  await load;
  expect(await page.getByRole("columnheader", { name: "Messages/s" }).getAttribute("aria-sort"), "descending");
  await page.getByRole("group", { name: "Time of a delivery" }).locator("b", { hasText: /s$/ }).first().waitFor();
  await page.getByRole("link", { name: 'list/<b>"' }).click();
  await connected(page);
  expect(await page.locator("#channel-title").textContent(), '/list/<b>"');
  peers.forEach(peer => peer.close());
  await page.close();
});

checks.add("an overview whose figures are refused says what would help: the key, or a server that has one", async () => {
  const keyed = await startServer("--publish-key", "sesame"), open = await startServer();
  const page = await newPage({ headers: FORWARDED });
  await page.goto(open.origin + "/");
  await page.locator("#notice", { hasText: "403 metrics for another machine, or through a proxy, take the key: start with --publish-key" }).waitFor();
  await page.goto(keyed.origin + "/");
  await page.locator("#notice", { hasText: "401 the publish key is missing" }).waitFor();
  await page.getByRole("button", { name: "Enter a key or token" }).click();
  await giveKey(page, "sesame");
  await page.locator("#state[data-state=open]").waitFor();
  await page.locator("#notice").waitFor({ state: "hidden" });
  await page.close();
  await keyed.end();
  await open.end();
});

checks.add("with an admin listener the figures are there and the channels here, and each page says so", async () => {
  const divided = await startServer("--admin-listen", "127.0.0.1:0"), page = await newPage();
  await page.goto(divided.origin + "/");
  await page.locator("#notice", { hasText: "With --admin-listen they are at that address" }).waitFor();
  await page.goto(divided.adminOrigin + "/");
  await page.locator("#state[data-state=open]").waitFor();
  await page.locator("#memory-limit", { hasText: "% of the limit" }).waitFor();
  await page.getByRole("textbox", { name: "Channel" }).fill("news");
  await page.getByRole("button", { name: "Open", exact: true }).click();
  await page.locator("#notice", { hasText: "Channels are not at this address" }).waitFor();
  await page.close();
  await divided.end();
});

checks.add("a name that no channel can have is explained", async () => {
  const page = await newPage();
  await page.goto(server.origin + "/");
  await page.getByRole("textbox", { name: "Channel" }).fill("é".repeat(200));
  await page.getByRole("button", { name: "Open", exact: true }).click();
  await page.locator("#notice", { hasText: "400 bad channel name" }).waitFor();
  await page.close();
});

checks.add("where only a WebSocket may publish, the page publishes by it; where none may, the text is kept", async () => {
  for (const policy of ["all", "none"]) {
    const server = await startServer("--publish", policy);
    const page = await openChannel("by-socket", server, { headers: FORWARDED });
    await type(page, "hello, all");
    if (policy === "all") {
      await outcome(page, "Published.");
      await page.locator("#log li.own", { hasText: "hello, all" }).waitFor();
    } else {
      await outcome(page, /Not published: publishing from another machine.*By the WebSocket: .*see --publish/);
      await page.locator("#notice", { hasText: "4403" }).waitFor();
      expect(await page.locator("#state").getAttribute("data-state"), "closed");
      await isKept(page, "hello, all");
      await page.getByRole("button", { name: "Try again now" }).click();
      await connected(page);
    }
    await page.close();
    await server.end();
  }
});

checks.add("a console whose own origin is not in the list says which origin is missing", async () => {
  const strict = await startServer("--allowed-origins", "https://example.com");
  const page = await newPage();
  await page.goto(strict.origin + "/news");
  await page.locator("#notice", { hasText: `list of --allowed-origins, ${strict.origin} must be in it` }).waitFor();
  await type(page, "hello");
  await outcome(page, "Not published: 403, Origin not allowed");
  await isKept(page, "hello");
  await page.close();
  await strict.end();
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

// What a page of another origin reads by fetch: for each request the status, or that the browser hides the answer.
async function fetchElsewhere(origin, ...requests) {
  // What the browser blocks stands in the console of the page, as it should.
  const page = await browser.newPage();
  await page.goto(`${elsewhereOrigin}/plain`);
  const seen = await page.evaluate(async ([origin, requests]) => {
    const seen = [];
    for (const [path, options] of requests) {
      try {
        const answer = await fetch(origin + path, options);
        seen.push([answer.status, (await answer.text()).length > 0, answer.headers.get("WWW-Authenticate")].join(" "));
      } catch { seen.push("hidden"); }
    }
    return seen;
  }, [origin, requests]);
  await page.close();
  return seen;
}

checks.add("a page of an allowed origin reads and publishes by HTTP, with credentials only where its origin is listed by name", async () => {
  const key = { Authorization: "Bearer sesame" }, include = { credentials: "include" };
  const requests = [
    ["/fetched", {}], ["/fetched", include],
    ["/fetched", { method: "POST", body: "no key" }],
    ["/fetched", { method: "POST", body: "by key", headers: key }],
    ["/fetched", { method: "POST", body: "by key", headers: { ...key, "Content-Type": "application/octet-stream" }, ...include }],
    ["/fetched", { method: "PUT", body: "x" }], ["/fetched", { headers: { "X-Other": "1" } }], ["/-/healthz", {}],
  ];
  const tries = async (...flags) => {
    const allowing = await startServer("--publish-key", "sesame", ...flags);
    const seen = await fetchElsewhere(allowing.origin, ...requests);
    await allowing.end();
    return seen;
  };
  expect(await tries("--allowed-origins", elsewhereOrigin),
    ["200 true ", "200 true ", "401 true Bearer", "202 true ", "202 true ", "hidden", "hidden", "hidden"]);
  expect(await tries("--allowed-origins", "*"),
    ["200 true ", "hidden", "401 true Bearer", "202 true ", "hidden", "hidden", "hidden", "hidden"]);
  expect(await tries(), requests.map(() => "hidden"));
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

checks.add("a message that is too large keeps its text and names the limit", async () => {
  const text = "x".repeat(65_537);
  await type(pages.one, text);
  await outcome(pages.one, /413.*--max-message-size/);
  await isKept(pages.one, text);
});

checks.add("a page that is flooded answers, counts to the last message, and keeps few", async () => {
  const page = await openChannel("burst"), count = 30_000;
  await page.evaluate(() => { window.most = 0; new MutationObserver(() => {
    window.most = Math.max(window.most, document.getElementById("log").childElementCount);
  }).observe(document.getElementById("log"), { childList: true }); });
  const load = flood(server.webSocket + "/burst", count, 100);
  await shows(page, "flood");
  await page.getByRole("searchbox").fill("no such text");
  await page.locator("#empty", { hasText: "No message that is kept" }).waitFor();
  await page.getByRole("searchbox").fill("");
  await load;
  await page.locator("#count", { hasText: "30,000 messages, the newest 200 shown" }).waitFor();
  await shows(page, `"n": ${count},`);
  expect(await page.evaluate(() => window.most) <= 400, true);
  expect(await page.locator("#state").getAttribute("data-state"), "open");
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
    ["overview-light", "/", desktop, "light"], ["overview-dark", "/", desktop, "dark"], ["overview-phone", "/", phone, "dark"],
    ["channel-light", "/news", desktop, "light"], ["channel-dark", "/news", desktop, "dark"], ["channel-phone", "/news", phone, "light"],
  ]) {
    const page = await newPage({ viewport, colorScheme });
    await page.goto(server.origin + path);
    if (path === "/") await page.locator("#state[data-state=open]").waitFor();
    else await exchangeSamples(page, colorScheme === "dark");
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
  // A check that failed may have left a server behind.
  process.exit();
}
