// The messages of a channel. The newest are kept, within bounds of number and of size, and the
// newest of those are shown. However many arrive, they are drawn ten times a second, and less often
// if drawing takes long: so the page answers while it is flooded.

const KEPT_MAX = 1000;               // messages that can be searched
const KEPT_UNITS_MAX = 8_388_608;    // their size together, in characters and bytes
const SHOWN_MAX = 200;               // rows
const TEXT_SHOWN_MAX = 4096;         // characters shown of one message
const TEXT_WHOLE_MAX = 262_144;      // and after "Show all"
const BINARY_SHOWN_MAX = 256;        // bytes shown of one message
const LINE_MAX = 60;                 // columns of JSON that stays on one line
const DRAW_MS = 100;                 // between two drawings, at least,
const DRAWING_SHARE = 5;             // and as many times as long as the last one has taken
const DEPTH_MAX = 40;                // of JSON that is laid out
const ANNOUNCE_MS = 3000;

const list = by("log");
let kept = [], keptUnits = 0;        // oldest first
let received = 0;                    // all messages since the list was cleared
let drawn = 0, pausedAt = null;      // numbers of messages
let announced = 0, frame = 0, drawAgainAt = 0, needle = "";

function receive(data, isOwn) {
  received += 1;
  kept.push({ number: received, at: Date.now(), data, isOwn });
  keptUnits += units(data);
  while (kept.length > 1 && (kept.length > KEPT_MAX || keptUnits > KEPT_UNITS_MAX)) {
    keptUnits -= units(kept.shift().data);
  }
  drawSoon();
}

function units(data) { return typeof data === "string" ? data.length : data.byteLength; }

function drawSoon() { frame ||= requestAnimationFrame(draw); }

function draw(now) {
  frame = 0;
  if (now < drawAgainAt) return drawSoon();
  const begun = performance.now();
  drawRows();
  write(by("count"), summary());
  by("empty").hidden = list.childElementCount > 0;
  write(by("empty"), needle && kept.length > 0 ? "No message that is kept has this in it."
    : "What is published on this channel appears here.");
  drawAgainAt = now + Math.max(DRAW_MS, DRAWING_SHARE * (performance.now() - begun));
}

function drawRows() {
  const until = pausedAt ?? received, rows = [];
  for (let index = kept.length - 1; index >= 0 && rows.length < SHOWN_MAX; index -= 1) {
    const message = kept[index];
    if (message.number <= drawn) break;
    if (message.number <= until && matches(message)) rows.push(row(message));
  }
  drawn = Math.max(drawn, until);
  list.prepend(...rows);
  const oldest = kept[0]?.number ?? 0;
  const isBeyond = last => list.childElementCount > SHOWN_MAX || last?.value < oldest;
  while (isBeyond(list.lastElementChild)) list.lastElementChild.remove();
}

function drawAnew() {
  list.replaceChildren();
  drawn = 0;
  drawAgainAt = 0;
  drawSoon();
}

function summary() {
  if (received === 0) return "nothing yet";
  const all = plural(received, "message");
  if (needle) return `${all}, ${kept.filter(matches).length} of the ${kept.length} kept match`;
  if (pausedAt !== null) return `${all}, ${whole.format(received - pausedAt)} held back`;
  const shown = list.childElementCount;
  return received > shown ? `${all}, the newest ${shown} shown` : all;
}

function matches({ data }) {
  if (!needle) return true;
  return (typeof data === "string" ? data : hex(data)).toLowerCase().includes(needle);
}

/* One row. */

function row(message) {
  const item = make("li", message.isOwn ? "own" : "");
  item.value = message.number;
  const at = new Date(message.at);
  const clock = at.toTimeString().slice(0, 8) + "." + String(at.getMilliseconds()).padStart(3, "0");
  const time = make("time", "", clock), payload = make("div", "payload");
  time.dateTime = at.toISOString();
  const { kind, label } = fill(payload, message.data, TEXT_SHOWN_MAX);
  const name = make("span", "kind " + kind, label);
  name.title = label;
  item.append(time, name, payload);
  return item;
}

// Shows up to `max` characters of a message, and returns what it is.
function fill(payload, data, max) {
  payload.replaceChildren();
  if (typeof data !== "string") {
    payload.textContent = hex(data) + "\n" + ascii(data);
    return { kind: "binary", label: "binary " + size(data.byteLength) };
  }
  const value = data.length <= max ? parseJson(data) : null, event = eventOf(value);
  if (value && isPretty()) print(payload, event ? event.data : value, "");
  else payload.textContent = data.slice(0, max);
  if (data.length > max) payload.append(" …", showAll(payload, data, max));
  if (event) return { kind: "event", label: event.name };
  return { kind: "text", label: value ? "JSON" : "text" };
}

function showAll(payload, data, max) {
  if (max >= TEXT_WHOLE_MAX) return ` (${plural(data.length, "character")})`;
  const button = make("button", "small", `Show all ${plural(data.length, "character")}`);
  button.onclick = () => fill(payload, data, TEXT_WHOLE_MAX);
  return button;
}

function shownBytes(data) {
  return [...new Uint8Array(data, 0, Math.min(BINARY_SHOWN_MAX, data.byteLength))];
}

function hex(data) {
  const more = data.byteLength > BINARY_SHOWN_MAX ? " …" : "";
  return shownBytes(data).map(byte => byte.toString(16).padStart(2, "0")).join(" ") + more;
}

function ascii(data) {
  return shownBytes(data)
    .map(byte => byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "·").join("");
}

/* JSON, printed from its own tokens: a number keeps all its digits, and a name that stands twice is
   shown twice. */

const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

// The tree of a JSON object or array; null if the text is none.
function parseJson(text) {
  if (!/^\s*[{[]/.test(text)) return null;
  try {
    JSON.parse(text);
    return parseValue(text.match(TOKENS).values());
  } catch { return null; }
}

function parseValue(tokens, first = tokens.next().value, depth = 0) {
  if (first !== "{" && first !== "[") return { token: first, width: first.length };
  if (depth > DEPTH_MAX) throw new RangeError("too deep to be laid out");
  const node = { open: first, close: first === "{" ? "}" : "]", items: [], width: 2 };
  for (let token = tokens.next().value; token !== node.close; token = tokens.next().value) {
    if (token === ",") token = tokens.next().value;
    let name = null;
    if (first === "{") { name = token; tokens.next(); token = tokens.next().value; }
    const value = parseValue(tokens, token, depth + 1);
    node.items.push({ name, value });
    node.width += value.width + (name?.length ?? 0) + 4;
  }
  return node;
}

// The name and the data of a custom event; null if the tree is none.
function eventOf(node) {
  const member = wanted => node.items.find(item => item.name === wanted)?.value;
  if (node?.open !== "{") return null;
  const name = member('"event"')?.token;
  if (!name?.startsWith('"')) return null;
  return { name: JSON.parse(name), data: member('"data"') ?? { token: "", width: 0 } };
}

function print(out, node, indent) {
  if (!node.open) {
    const kind = node.token.startsWith('"') ? "token-string" : "token-other";
    return out.append(make("span", kind, node.token));
  }
  if (node.items.length === 0) return out.append(node.open + node.close);
  const isShort = node.width + indent.length <= LINE_MAX, space = node.open === "{" ? " " : "";
  const inner = isShort ? "" : indent + "  ";
  out.append(node.open + (isShort ? space : ""));
  node.items.forEach(({ name, value }, index) => {
    if (index > 0) out.append(isShort ? ", " : ",");
    if (!isShort) out.append("\n" + inner);
    if (name) out.append(make("span", "token-key", name), ": ");
    print(out, value, inner);
  });
  out.append((isShort ? space : "\n" + indent) + node.close);
}

/* What the user does with the list. */

function isPretty() { return by("pretty").getAttribute("aria-pressed") === "true"; }

by("pretty").onclick = () => {
  by("pretty").setAttribute("aria-pressed", !isPretty());
  drawAnew();
};
by("pause").onclick = () => {
  pausedAt = pausedAt === null ? received : null;
  by("pause").textContent = pausedAt === null ? "Pause" : "Resume";
  drawSoon();
};
by("clear").onclick = () => {
  [kept, keptUnits, received, announced] = [[], 0, 0, 0];
  if (pausedAt !== null) pausedAt = 0;
  drawAnew();
};
by("search").oninput = () => {
  needle = by("search").value.trim().toLowerCase();
  drawAnew();
};

// Somebody who listens to the page is told of new messages, a few seconds apart.
function announce() {
  const fresh = received - announced, newest = kept.at(-1)?.data;
  announced = received;
  if (fresh === 0 || pausedAt !== null || document.hidden) return;
  const isText = fresh === 1 && typeof newest === "string";
  by("announce").textContent = isText ? newest.slice(0, 200) : plural(fresh, "new message");
}
