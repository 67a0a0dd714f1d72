// One channel: the connection, who is there, and what is published from here.

const FACTS_MS = 5000;
const OWN_MAX = 64;                  // messages of ours that may be on their way back
const HEX = /^(?:[0-9a-f]{2})*$/i;

// What a close code means, and what would help.
const CLOSES = {
  1000: ["closed normally"],
  1001: ["the server leaves for good"],
  1002: ["protocol error"],
  1003: ["this kind of message is not taken"],
  1005: ["closed without a code"],
  1006: ["the connection was lost"],
  1007: ["invalid UTF-8"],
  1008: ["against the rules"],
  1009: ["message too big", "The limit is --max-message-size."],
  1011: ["error in the server"],
  1012: ["the server restarts"],
  1013: ["overloaded, try later"],
  4008: ["this page reads too slowly", "The limit is --channel-buffer."],
  4401: ["credentials are missing or bad"],
  4403: ["forbidden", "Trying again as the same visitor will not help."],
  4404: ["the channel was removed"],
  4408: ["no answer to a ping"],
  4429: ["too much of something in too short a time"],
};
const COMES_BACK = new Set([1006, 1011, 1012, 1013, 4008, 4408, 4429]);

let socket = null, attempts = 0, reconnectTimer = 0;
let own = [];                        // what was published here and has not come back yet
let offersToken = true;              // false: this server chooses no subprotocol `bearer`
let mustUseSocket = false;           // a POST is refused to this page, but its socket is open

/* The connection. */

function connect() {
  clearTimeout(reconnectTimer);
  if (socket) {
    socket.onclose = socket.onmessage = socket.onopen = null;
    socket.close();
  }
  showState("wait", "connecting");
  // A script can set no header of a handshake. A token goes as a subprotocol, never in the address.
  const token = offersToken ? heldToken() : null;
  const url = location.origin.replace("http", "ws") + address;
  socket = new WebSocket(url, token ? ["bearer", token] : []);
  socket.binaryType = "arraybuffer";
  let wasOpen = false;
  socket.onopen = () => {
    wasOpen = true;
    attempts = 0;
    hideNotice();
    showState("open", "connected");
    lookAtChannel();
  };
  socket.onmessage = ({ data }) => receive(data, takeOwn(data));
  socket.onclose = ({ code, reason }) => {
    lookAtChannel();
    const [meaning, help] = CLOSES[code] ?? ["closed"];
    for (const sent of own) sent.onRefused?.(reason || meaning);
    own = [];
    if (!wasOpen) explainRefusal(token);
    else if (code === 4401) askAgain(code, reason || meaning);
    else if (COMES_BACK.has(code)) reconnectLater(code, reason || meaning, help);
    else stop(code, reason || meaning, help);
  };
}

function isOpen() { return socket?.readyState === WebSocket.OPEN; }

function reconnectLater(title, text, help = "") {
  const wait = backOff(attempts++);
  showState("wait", "reconnecting");
  const next = `Next attempt in ${tenths.format(wait / 1000)} s. ${help}`;
  showNotice({ title, text, help: next, retry: connectNow });
  reconnectTimer = setTimeout(connect, wait);
}

function stop(title, text, help, wantsKey = false) {
  showState("closed", "closed");
  showNotice({ title, text, help, wantsKey, retry: connectNow });
}

// The credentials are missing, bad or expired: another key or token would help.
function askAgain(title, text) {
  keepKey(null);
  stop(title, text, "It needs credentials: with the right ones, trying again will help.", true);
}

function connectNow() {
  attempts = 0;
  offersToken = true;
  connect();
}

// Somebody looks, or the network is back: no need to wait for the rest of the time.
function hurry() {
  const isWaiting = by("state").dataset.state === "wait" && socket.readyState === WebSocket.CLOSED;
  if (!document.hidden && isWaiting) connect();
}

// A browser hides from scripts why a WebSocket was refused. A GET of the same address with the same
// credentials has an answer that can be shown.
async function explainRefusal(token) {
  let answer;
  try {
    answer = await ask(address, { headers: { Accept: "application/json" } });
  } catch {
    return reconnectLater("No answer.", "The server cannot be reached.");
  }
  const { status, text } = answer;
  if (status === 200 && token) {
    // A browser gives up a connection whose server chooses none of the subprotocols offered.
    offersToken = false;
    return connect();
  }
  if (status === 200) {
    const help = `If the server has a list of --allowed-origins, ${location.origin} must be in it.`
      + " If a proxy stands in between, it must pass on Upgrade and Connection.";
    return reconnectLater("Refused.", "The server answers, but takes no WebSocket here.", help);
  }
  if (status === 429 || status >= 500) return reconnectLater(status, text);
  if (status === 401) return askAgain(status, text);
  const help = {
    403: "Trying again as the same visitor will not help; a token for this channel may.",
    404: "Channels are not at the address of --admin-listen.",
  }[status] ?? "";
  stop(status, text, help, status === 403);
}

/* Who is there: a WebSocket does not tell, so it is asked for while somebody looks. */

let channelFacts = {};

async function lookAtChannel() {
  if (document.hidden) return;
  channelFacts = {};
  if (isOpen()) {
    try {
      const { status, text } = await ask(address, { headers: { Accept: "application/json" } });
      if (status === 200) channelFacts = JSON.parse(text);
    } catch { /* not told: nothing is shown */ }
  }
  const { subscribers, messages, last_id: newest } = channelFacts;
  write(by("subscribers"), subscribers === undefined ? "" : plural(subscribers, "subscriber"));
  showFacts(by("channel-facts"), [
    ["Messages so far", messages === undefined ? "–" : whole.format(messages)],
    ["Newest id", newest ?? "–"],
  ]);
}

/* What is published from here. */

// Returns true if a message is one of ours that comes back.
function takeOwn(data) {
  const index = own.findIndex(sent => isSame(sent.data, data));
  if (index < 0) return false;
  own.splice(index, 1)[0].onReturned?.();
  return true;
}

function isSame(sent, data) {
  if (typeof sent === "string" || typeof data === "string") return sent === data;
  const bytes = new Uint8Array(data);
  return sent.length === bytes.length && sent.every((byte, index) => byte === bytes[index]);
}

function expectBack(sent) {
  own.push(sent);
  if (own.length > OWN_MAX) own.shift();
}

// Publishes, and returns whether it was taken and what the server says. By POST, because each has
// an answer of its own; by the socket where only that may publish.
async function publish(data) {
  if (mustUseSocket && isOpen()) return publishBySocket(data);
  const sent = { data };
  if (isOpen()) expectBack(sent);
  const type = typeof data === "string" ? "text/plain; charset=utf-8" : "application/octet-stream";
  let answer;
  try {
    answer = await ask(address, { method: "POST", headers: { "Content-Type": type }, body: data });
  } catch {
    return refused("the server has not answered: whether it has taken the message is not known.");
  }
  const { status, text } = answer;
  if (status === 201 || status === 202) return { isTaken: true, text: takenText(JSON.parse(text)) };
  own = own.filter(one => one !== sent);
  if (status === 401) {
    keepKey(null);
    if (await askForKey(text)) return publish(data);
  }
  if (status === 403 && isOpen()) {
    mustUseSocket = true;
    const bySocket = await publishBySocket(data);
    mustUseSocket = bySocket.isTaken;
    return bySocket.isTaken ? bySocket : refused(`${text}. By the WebSocket: ${bySocket.text}`);
  }
  return refused(`${status}, ${text}`);
}

function publishBySocket(data) {
  return new Promise(resolve => {
    const onReturned = () => resolve({ isTaken: true, text: "Published." });
    expectBack({ data, onReturned, onRefused: reason => resolve(refused(reason)) });
    socket.send(data);
  });
}

function refused(reason) { return { isTaken: false, text: "Not published: " + reason }; }

function takenText({ subscribers }) {
  return subscribers > 0 ? `Published to ${plural(subscribers, "subscriber")}.`
    : "Published, but nobody is subscribed.";
}

function kind() { return by("publish").elements.kind.value; }

// What the form holds: a text, bytes, or an error to show.
async function content() {
  if (kind() === "text") return by("message").value || new Error("There is nothing to publish.");
  if (kind() === "event") {
    return by("event-name").value ? eventText() : new Error("An event needs a name.");
  }
  const [file] = by("file").files;
  if (file) return new Uint8Array(await file.arrayBuffer());
  return hexBytes() ?? new Error("Bytes are written as pairs of 0-9 and a-f, such as 68 65.");
}

function eventText() {
  const raw = by("event-data").value.trim();
  let data = raw || "null";
  try { JSON.parse(data); } catch { data = JSON.stringify(raw); }
  return `{"event":${JSON.stringify(by("event-name").value)},"data":${data}}`;
}

// The bytes that are written in hexadecimal; null if they are not.
function hexBytes() {
  const digits = by("bytes").value.replace(/0x|[\s,:]/gi, "");
  if (!digits || !HEX.test(digits)) return null;
  return Uint8Array.from(digits.match(/../g), pair => parseInt(pair, 16));
}

function showOutcome(isGood, text) {
  by("outcome").dataset.kind = isGood ? "good" : "bad";
  by("outcome").textContent = text;
}

by("publish").onsubmit = async submit => {
  submit.preventDefault();
  if (by("send").disabled) return;
  by("send").disabled = true;
  by("outcome").textContent = "";
  const message = by("message"), data = await content(), before = message.value;
  const { isTaken, text } = data instanceof Error ? { isTaken: false, text: data.message }
    : await publish(data);
  showOutcome(isTaken, text);
  // What was written while the answer was on its way is kept, and so is what was refused.
  if (isTaken && kind() === "text" && message.value === before) message.value = "";
  by("send").disabled = false;
  showForm();
  if (isTaken) lookAtChannel();
};
by("message").onkeydown = event => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  by("publish").requestSubmit();
};

/* The form, and the same as a line for a shell. */

function showForm() {
  for (const part of by("publish").querySelectorAll("[data-kind]:not(p)")) {
    part.hidden = part.dataset.kind !== kind();
  }
  const [file] = by("file").files, bytes = file?.size ?? hexBytes()?.length ?? 0;
  by("hint").textContent = {
    text: "Enter publishes, Shift + Enter makes a new line", event: "", binary: size(bytes),
  }[kind()];
  by("send").textContent = kind() === "event" ? "Emit" : "Publish";
  by("curl").textContent = curlLine();
}

function curlLine() {
  const quote = text => "'" + text.replaceAll("'", "'\\''") + "'";
  const key = heldKey() ? '-H "Authorization: Bearer $KEY" ' : "";
  const url = quote(location.origin + address);
  if (kind() !== "binary") {
    const text = kind() === "event" ? eventText() : by("message").value || "hello, all";
    return `curl ${key}--data-raw ${quote(text)} ${url}`;
  }
  const type = "-H 'Content-Type: application/octet-stream'", [file] = by("file").files;
  if (file) return `curl ${key}${type} --data-binary @${quote(file.name)} ${url}`;
  const octal = byte => "\\" + byte.toString(8).padStart(3, "0");
  const escapes = [...hexBytes() ?? []].map(octal).join("");
  return `printf '${escapes}' | curl ${key}${type} --data-binary @- ${url}`;
}

by("publish").oninput = showForm;
by("copy").onclick = async () => {
  // Where there is no clipboard (a page without TLS), the line is selected for copying by hand.
  try {
    await navigator.clipboard.writeText(by("curl").textContent);
    by("copy").textContent = "Copied";
    setTimeout(() => { by("copy").textContent = "Copy"; }, 1500);
  } catch { getSelection().selectAllChildren(by("curl")); }
};

function startChannel() {
  by("channel-view").hidden = false;
  by("channel").value = channel;
  by("channel-title").textContent = "/" + channel;
  document.title = channel + " · fanfare";
  const plots = [{ name: "Received here, per second", series: ["messages"] }];
  const timeline = new Timeline(by("channel-plots"), plots);
  let counted = 0, countedAt = performance.now();
  const countRate = () => {
    const [now, fresh] = [performance.now(), Math.max(0, received - counted)];
    if (!document.hidden) timeline.add(now, [[fresh * 1000 / (now - countedAt)]]);
    [counted, countedAt] = [received, now];
  };
  setInterval(countRate, 1000);
  setInterval(announce, ANNOUNCE_MS);
  setInterval(lookAtChannel, FACTS_MS);
  addEventListener("online", hurry);
  document.onvisibilitychange = () => { hurry(); lookAtChannel(); };
  showForm();
  connect();
}

if (path === "/") startOverview(); else startChannel();
