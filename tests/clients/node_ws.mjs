// fanfare as the Node package `ws` sees it, and as the WebSocket that Node brings itself. Called by run.sh with
// --experimental-websocket and CLIENTS_NPM, the folder that the packages are in:
//
//   node_ws.mjs follow URL            print a line for each message until the text "end", by ws
//   node_ws.mjs follow-native URL     the same by Node's own
//   node_ws.mjs publish URL NAME N    send N messages, print the same lines for them
//   node_ws.mjs check URL             one line for each check
import { once } from "node:events";
import { createRequire } from "node:module";
import { AHEAD_MAX, Checks, expect, line, payloads } from "./lines.mjs";

const { WebSocket: Ws } = createRequire(process.env.CLIENTS_NPM + "/")("ws");
const Native = globalThis.WebSocket;
const MESSAGE_BYTES_MAX = 64 * 1024; // the server's default

// A connection by ws whose messages and close are kept until they are asked for.
async function open(url, options) {
  const socket = new Ws(url, options), waiting = [], readers = [];
  const put = event => { if (readers.length > 0) readers.shift()(event); else waiting.push(event); };
  socket.on("message", (data, isBinary) => put(isBinary ? data : data.toString()));
  socket.on("close", (code, reason) => put({ code, reason: reason.toString() }));
  socket.next = () => waiting.length > 0 ? Promise.resolve(waiting.shift()) : new Promise(resolve => readers.push(resolve));
  await once(socket, "open");
  return socket;
}

async function openNative(url) {
  const socket = new Native(url);
  socket.binaryType = "arraybuffer";
  await once(socket, "open");
  return socket;
}

async function follow(url) {
  const socket = new Ws(url);
  socket.on("message", (data, isBinary) => data.toString() === "end" ? socket.close() : console.log(line(data, isBinary)));
  await once(socket, "close");
}

async function followNative(url) {
  const socket = await openNative(url);
  socket.onmessage = ({ data }) => data === "end" ? socket.close() : console.log(line(data, typeof data !== "string"));
  await once(socket, "close");
}

async function publish(url, name, count) {
  const socket = await open(url);
  let ahead = 0;
  for (const message of payloads(name, Number(count))) {
    socket.send(message);
    console.log(line(message, typeof message !== "string"));
    ahead += 1;
    if (ahead < AHEAD_MAX) continue;
    const bytes = Buffer.from(message);
    while (!bytes.equals(Buffer.from(await socket.next())));
    ahead = 0;
  }
  socket.close();
}

function checkWs(url) {
  const checks = new Checks("ws (Node)");

  checks.add("text and binary come back as they were sent", async () => {
    const socket = await open(url + "/kinds-ws");
    for (const message of ["", "héllo, 🌍", Buffer.alloc(0), Buffer.from([0, 255, 128])]) {
      socket.send(message);
      expect(await socket.next(), message);
    }
    socket.close();
  });
  checks.add("messages of the largest size, 64 KiB, whole and in fragments", async () => {
    const socket = await open(url + "/large-ws"), half = "x".repeat(MESSAGE_BYTES_MAX / 2);
    socket.send(half + half);
    expect(await socket.next() === half + half, true);
    socket.send(half, { fin: false });
    socket.send(half);
    expect(await socket.next() === half + half, true);
    socket.close();
  });
  checks.add("one byte more is closed with 1009 and a reason", async () => {
    const socket = await open(url + "/large-ws");
    socket.send(Buffer.alloc(MESSAGE_BYTES_MAX + 1));
    const { code, reason } = await socket.next();
    expect([code, reason !== ""], [1009, true]);
  });
  checks.add("permessage-deflate is offered and not taken", async () => {
    const socket = await open(url + "/deflate-ws", { perMessageDeflate: { threshold: 0 } });
    expect(socket.extensions, "");
    socket.send("a".repeat(10_000));
    expect(await socket.next(), "a".repeat(10_000));
    socket.close();
  });
  checks.add("a ping is answered with its own payload", async () => {
    const socket = await open(url + "/ping-ws"), pong = once(socket, "pong");
    socket.ping("payload");
    expect((await pong)[0].toString(), "payload");
    socket.close();
  });
  checks.add("the server's pings are seen, and the connection outlives them", async () => {
    const socket = await open(url + "/ping-ws");
    await once(socket, "ping");
    await once(socket, "ping");
    socket.send("still here");
    expect(await socket.next(), "still here");
    socket.close();
  });
  checks.add("a close is answered, whatever its code", async () => {
    for (const [code, reason] of [[1000, "done"], [3000, "of a library"], [4999, ""], [undefined, undefined]]) {
      const socket = await open(url + "/close-ws");
      socket.close(code, reason);
      const closed = await socket.next();
      expect(closed.code !== 1006, true);
    }
  });
  checks.add("a page of another origin is refused with 403", async () => {
    const socket = new Ws(url + "/origin-ws", { origin: "https://elsewhere.example" });
    const [, response] = await once(socket, "unexpected-response");
    expect(response.statusCode, 403);
    response.resume();
  });
  checks.add("a version that is not spoken is refused with 426, and the right one is named", async () => {
    const socket = new Ws(url + "/version-ws", { protocolVersion: 8 });
    const [, response] = await once(socket, "unexpected-response");
    expect([response.statusCode, response.headers["sec-websocket-version"]], [426, "13"]);
    response.resume();
  });
  return checks.run();
}

function checkNative(url) {
  const checks = new Checks("WebSocket (Node's own)");
  const exchange = async (socket, message) => { const received = once(socket, "message"); socket.send(message); return (await received)[0].data; };

  checks.add("text and binary come back as they were sent", async () => {
    const socket = await openNative(url + "/kinds-native");
    expect(await exchange(socket, "héllo, 🌍"), "héllo, 🌍");
    expect([...new Uint8Array(await exchange(socket, new Uint8Array([0, 255, 128])))], [0, 255, 128]);
    expect([socket.extensions, socket.protocol], ["", ""]);
    socket.close();
  });
  checks.add("a message of 64 KiB", async () => {
    const socket = await openNative(url + "/large-native"), message = "x".repeat(MESSAGE_BYTES_MAX);
    expect(await exchange(socket, message) === message, true);
    socket.close();
  });
  checks.add("one byte more is closed with 1009", async () => {
    const socket = await openNative(url + "/large-native"), closed = once(socket, "close");
    socket.send("x".repeat(MESSAGE_BYTES_MAX + 1));
    expect((await closed)[0].code, 1009);
  });
  checks.add("a close is clean", async () => {
    const socket = await openNative(url + "/close-native"), closed = once(socket, "close");
    socket.close(1000, "done");
    const [{ wasClean, code }] = await closed;
    expect([wasClean, code], [true, 1000]);
  });
  checks.add("what fetch posts arrives", async () => {
    const socket = await openNative(url + "/fetch-native"), received = once(socket, "message");
    const response = await fetch(url.replace(/^ws/, "http") + "/fetch-native", { method: "POST", body: "posted" });
    expect([response.status, (await response.json()).subscribers], [201, 1]);
    expect((await received)[0].data, "posted");
    socket.close();
  });
  return checks.run();
}

async function check(url) {
  await checkWs(url);
  await checkNative(url);
}

const [verb, ...rest] = process.argv.slice(2);
await { follow, "follow-native": followNative, publish, check }[verb](...rest);
