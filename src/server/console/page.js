// What both views need: words for figures, questions to the server, the key or token, the notice,
// the theme.

const ASK_MS_MAX = 10_000;
const BACK_OFF_MS = { first: 500, max: 30_000 };

const by = id => document.getElementById(id);
const path = location.pathname;
const address = path + location.search;
const channel = (() => {
  try { return decodeURIComponent(path.slice(1)); } catch { return path.slice(1); }
})();

/* Words for figures. */

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

function number(n) {
  return (n < 100 ? tenths : n < 100_000 ? whole : short).format(n);
}

function plural(n, noun) { return whole.format(n) + " " + noun + (n === 1 ? "" : "s"); }

function size(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let n = bytes, unit = 0;
  while (n >= 1024 && unit < units.length - 1) { n /= 1024; unit += 1; }
  return (n < 100 && unit > 0 ? tenths : whole).format(n) + " " + units[unit];
}

function micros(n) {
  return n < 1000 ? number(n) + " µs" : n < 1e6 ? number(n / 1000) + " ms"
    : number(n / 1e6) + " s";
}

function duration(seconds) {
  const [days, hours] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3600) % 24];
  const minutes = Math.floor(seconds / 60) % 60;
  return days > 0 ? `${days} d ${hours} h` : hours > 0 ? `${hours} h ${minutes} min`
    : minutes > 0 ? `${minutes} min` : `${Math.floor(seconds)} s`;
}

function pathOf(name) { return "/" + name.split("/").map(encodeURIComponent).join("/"); }

/* Parts of the page. */

function make(tag, className, text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

// Unchanged text is left alone, so that it stays selected.
function write(element, text) { if (element.textContent !== text) element.textContent = text; }

// Fills a list of terms and what is known of each.
function showFacts(list, facts) {
  facts.forEach(([term, text], index) => {
    if (!list.children[2 * index]) list.append(make("dt"), make("dd"));
    write(list.children[2 * index], term);
    write(list.children[2 * index + 1], text);
  });
  while (list.childElementCount > 2 * facts.length) list.lastElementChild.remove();
}

function showState(state, text) {
  by("state").dataset.state = state;
  write(by("state").lastElementChild, text);
}

// Says what is wrong and what would help. `retry` is called when the user wants to try again.
function showNotice({ title, text, help = "", wantsKey = false, retry }) {
  write(by("notice-title"), String(title));
  write(by("notice-text"), text);
  write(by("notice-help"), help);
  by("notice-key").hidden = !wantsKey;
  by("notice-key").onclick = async () => { if (await askForKey(text)) retry(); };
  by("retry").onclick = retry;
  by("notice").hidden = false;
}

function hideNotice() { by("notice").hidden = true; }

/* Questions to the server. */

// Asks the server that this page comes from, with the key if there is one.
async function ask(url, { headers = {}, ...options } = {}) {
  const key = heldKey();
  if (key) headers.Authorization = "Bearer " + key;
  const signal = AbortSignal.timeout(ASK_MS_MAX);
  const response = await fetch(url, { cache: "no-store", headers, signal, ...options });
  return { status: response.status, text: (await response.text()).trim() };
}

// How long to wait before the next attempt. Half of it is chance: after a restart not all pages
// come back at once.
function backOff(attempts) {
  const longest = Math.min(BACK_OFF_MS.max, BACK_OFF_MS.first * 2 ** attempts);
  return longest / 2 + Math.random() * longest / 2;
}

/* The publish key, or a token. */

const KEY = "fanfare-publish-key", THEME = "fanfare-theme";

// A browser may forbid a page to store anything. Then the key is held by the page alone.
const fallback = new Map();

function recall(storage, name) {
  try { return window[storage].getItem(name); } catch { return fallback.get(name) ?? null; }
}

function store(storage, name, value) {
  fallback.set(name, value);
  try {
    if (value) window[storage].setItem(name, value); else window[storage].removeItem(name);
  } catch { /* the page holds it */ }
}

function heldKey() { return recall("sessionStorage", KEY); }

function keepKey(key) {
  store("sessionStorage", KEY, key);
  showKey();
}

// A token has three parts; it may go with a WebSocket, where the server takes tokens.
function heldToken() {
  const key = heldKey();
  return /^[\w-]+\.[\w-]+\.[\w-]+$/.test(key ?? "") ? key : null;
}

function showKey() {
  by("key-open").textContent = heldKey() ? "Key kept" : "Key";
  by("key-forget").hidden = !heldKey();
}

// Asks for the key. The promise is true if the user has given one.
function askForKey(why) {
  const dialog = by("key-dialog");
  if (dialog.open) return Promise.resolve(false);
  by("key-why").textContent = why;
  by("key").value = "";
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise(resolve => {
    dialog.onclose = () => { by("key").value = ""; resolve(dialog.returnValue === "given"); };
  });
}

by("key-form").onsubmit = submit => {
  submit.preventDefault();
  const key = by("key").value.trim();
  if (!/^[!-~]+$/.test(key)) {
    by("key-why").textContent = "A key has neither spaces nor letters beyond ASCII.";
    return;
  }
  keepKey(key);
  by("key-dialog").close("given");
};
by("key-cancel").onclick = () => by("key-dialog").close();
by("key-forget").onclick = () => { keepKey(null); by("key-dialog").close(); };
by("key-open").onclick = async () => {
  const why = "The server's key lets you publish by POST and see its figures; "
    + "a token, whatever it was made for.";
  if (await askForKey(why) && !by("notice").hidden) by("retry").click();
};
showKey();

/* The theme: the system's, or the one that was chosen in this browser. */

function applyTheme(theme) {
  by("theme").value = theme;
  document.documentElement.dataset.theme = theme;
}

by("theme").onchange = () => {
  store("localStorage", THEME, by("theme").value);
  applyTheme(by("theme").value);
};
applyTheme(recall("localStorage", THEME) ?? "");

/* The way to a channel. */

by("go").onsubmit = async submit => {
  submit.preventDefault();
  const name = by("channel").value.replace(/^\/+/, "");
  const url = pathOf(name);
  const { status, text } = await ask(url, { headers: { Accept: "application/json" } })
    .catch(() => ({ status: 0, text: "" }));
  const problem = { 400: text, 404: "Channels are not at this address, which is --admin-listen's." };
  if (!problem[status]) { location.href = url; return; }
  showNotice({ title: status, text: problem[status], retry: () => by("go").requestSubmit() });
};
