// The overview: the server's figures, asked for each second while somebody looks.

const POLL_MS = 1000;

// Each plot says what it takes from the figures of one moment. `rate` is by how much a counter has
// grown per second, `quantile` of what a histogram has counted since the moment before, in
// microseconds.
const PLOTS = [
  {
    name: "Messages published, per second", series: ["messages"],
    values: ({ rate }) => [rate("fanfare_messages_published_total")],
  },
  {
    name: "Copies delivered, per second", series: ["copies"],
    values: ({ rate }) => [rate("fanfare_messages_delivered_total")],
  },
  {
    name: "Time of a delivery", series: ["median", "99 %"], format: micros,
    values: ({ quantile }) => [0.5, 0.99].map(q => quantile("fanfare_delivery_seconds", q)),
  },
  {
    name: "Time of a turn", series: ["median", "99 %"], format: micros,
    values: ({ quantile }) => [0.5, 0.99].map(q => quantile("fanfare_turn_seconds", q)),
  },
  {
    name: "Bytes, per second", series: ["sent", "received"], format: size, base: 1024,
    values: ({ rate }) => [rate("fanfare_sent_bytes_total"), rate("fanfare_received_bytes_total")],
  },
  {
    name: "Connections", series: ["WebSocket", "HTTP"],
    values: ({ now }) => ["websocket", "http"]
      .map(transport => now.get("fanfare_connections", { transport })),
  },
  {
    name: "Memory in the logs of channels", series: [""], format: size, base: 1024,
    values: ({ now }) => [now.get("fanfare_channel_log_bytes")],
  },
  {
    name: "Refusals, per second", series: ["refused"], isBad: true,
    values: ({ rate }) => [rate("fanfare_rejects_total")],
  },
];

// The figures of one moment, read from Prometheus text.
class Metrics {
  #samples = new Map();

  constructor(text, at) {
    this.at = at;
    for (const line of text.split("\n")) {
      const [, name, labels, value] = /^(\w+)(?:\{(.*)\})? (\S+)/.exec(line) ?? [];
      if (!name) continue;
      const pairs = [...(labels ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)];
      const sample = { labels: Object.fromEntries(pairs.map(p => p.slice(1))), value: +value };
      if (!this.#samples.has(name)) this.#samples.set(name, []);
      this.#samples.get(name).push(sample);
    }
  }

  all(name) { return this.#samples.get(name) ?? []; }

  // The sum of a metric over all its labels, or over those with this label; null if there is none.
  get(name, wanted = {}) {
    const matches = ({ labels }) => Object.entries(wanted).every(([k, v]) => labels[k] === v);
    const found = this.all(name).filter(matches);
    return found.length > 0 ? found.reduce((sum, { value }) => sum + value, 0) : null;
  }
}

// The quantile of what a histogram has counted between two moments, in microseconds: within its
// bucket by proportion. Null if it has counted nothing.
function quantileBetween(older, now, name, q) {
  const counts = older?.all(name + "_bucket") ?? [];
  const fresh = now.all(name + "_bucket")
    .map(({ labels, value }, index) => [1e6 * Number(labels.le.replace("+Inf", "Infinity")),
      value - (counts[index]?.value ?? 0)]);
  const total = fresh.at(-1)?.[1] ?? 0;
  if (!older || total <= 0) return null;
  let low = 0, below = 0;
  for (const [bound, count] of fresh) {
    if (bound === Infinity) break;
    if (count >= q * total) return low + (bound - low) * (q * total - below) / (count - below);
    [low, below] = [bound, count];
  }
  return low;
}

let timeline = null, before = null, pollTimer = 0, isPolling = false, failures = 0;

async function poll() {
  if (isPolling) return;
  clearTimeout(pollTimer);
  isPolling = true;
  const begun = performance.now();
  const { status, text } = await ask("/-/metrics", { headers: { Accept: "text/plain" } })
    .catch(() => ({ status: "No answer.", text: "The server cannot be reached." }));
  isPolling = false;
  let wait = POLL_MS;
  if (status === 200) take(new Metrics(text, performance.now()));
  else if ([400, 401, 403, 404].includes(status)) return refuseOverview(status, text);
  else wait = failed(status, text);
  const rest = Math.max(0, wait - (performance.now() - begun));
  if (!document.hidden) pollTimer = setTimeout(poll, rest);
}

// Notes a failure that may pass, and returns how long to wait.
function failed(title, text) {
  const wait = Math.max(POLL_MS, backOff(failures++));
  showState("wait", "waiting");
  const help = `Next attempt in ${tenths.format(wait / 1000)} s.`;
  showNotice({ title, text, help, retry: poll });
  return wait;
}

function refuseOverview(status, text) {
  const key = heldKey();
  showState("closed", "no figures");
  by("figures").hidden = true;
  const help = {
    401: "Whoever has the publish key may see the figures.",
    403: "This machine's own browser may see them; for others, the server needs a key.",
    404: "With --admin-listen they are at that address: open this page there.",
  }[status] ?? "";
  if (status === 401 && key) keepKey(null);
  showNotice({ title: status, text, help, wantsKey: status === 401, retry: poll });
}

function take(now) {
  failures = 0;
  if (by("state").dataset.state !== "open") hideNotice();
  showState("open", "live");
  // Counters begin again when the server does.
  const isSameServer = before
    && before.get("process_start_time_seconds") === now.get("process_start_time_seconds");
  const last = isSameServer ? before : null;
  const rate = name => {
    const [newer, older] = [now.get(name), last?.get(name) ?? null];
    if (newer === null || older === null || now.at <= last.at) return null;
    return Math.max(0, newer - older) * 1000 / (now.at - last.at);
  };
  before = now;
  by("figures").hidden = false;
  const quantile = (name, q) => quantileBetween(last, now, name, q);
  timeline.add(now.at, PLOTS.map(({ values }) => values({ now, rate, quantile })));
  keepListing(now.at);
  showMemory(now);
  showReasons(now);
  showServer(now, rate);
}

function showMemory(now) {
  const limit = now.get("fanfare_memory_limit_bytes"), used = now.get("fanfare_channel_log_bytes");
  if (limit === null) return;
  write(by("memory-limit"), `${tenths.format(100 * used / limit)} % of the limit, ${size(limit)}`);
}

function showReasons(now) {
  const refused = now.all("fanfare_rejects_total").filter(({ value }) => value > 0)
    .sort((a, b) => b.value - a.value);
  const list = by("reasons");
  refused.forEach(({ labels, value }, index) => {
    if (!list.children[index]) {
      const item = make("li", ""), bar = make("div", "bar");
      bar.append(make("i", ""));
      item.append(make("span", ""), make("span", ""), bar);
      list.append(item);
    }
    const [name, count, bar] = list.children[index].children;
    write(name, labels.reason.replaceAll("_", " "));
    write(count, whole.format(value));
    bar.firstElementChild.style.width = 100 * value / refused[0].value + "%";
  });
  while (list.childElementCount > refused.length) list.lastElementChild.remove();
  by("no-reasons").hidden = refused.length > 0;
}

function showServer(now, rate) {
  const version = now.all("fanfare_build_info")[0]?.labels.version;
  const started = now.get("process_start_time_seconds");
  const up = started === null ? "" : `, up for ${duration(Date.now() / 1000 - started)}`;
  const drains = now.get("fanfare_draining") ? ", about to end" : "";
  write(by("about"), `${location.host}, fanfare ${version}${up}${drains}`);
  const count = name => whole.format(now.get(name) ?? 0);
  const facts = [
    ["Channels", count("fanfare_channels")],
    ["Subscriptions", count("fanfare_subscriptions")],
    ["Copies on their way", count("fanfare_messages_pending")],
    ["Copies dropped since the start", count("fanfare_messages_dropped_total")],
  ];
  const cpu = rate("process_cpu_seconds_total");
  const resident = now.get("process_resident_memory_bytes");
  if (cpu !== null) facts.push(["Processor, of one core", number(100 * cpu) + " %"]);
  if (resident !== null) facts.push(["Memory of the process", size(resident)]);
  const files = now.get("process_max_fds") ?? NaN;
  if (files) facts.push(["Open files", `${count("process_open_fds")} of ${number(files)}`]);
  const lost = now.get("fanfare_log_lines_dropped_total");
  if (lost > 0) facts.push(["Log lines dropped", whole.format(lost)]);
  showFacts(by("server-facts"), facts);
}

function startOverview() {
  by("overview").hidden = false;
  timeline = new Timeline(by("plots"), PLOTS);
  const limit = make("span");
  limit.id = "memory-limit";
  const memory = PLOTS.findIndex(({ name }) => name.startsWith("Memory"));
  timeline.plots[memory].part(".values").append(limit);
  const example = location.origin + "/news";
  by("begin-js").textContent = `const ws = new WebSocket("${example.replace("http", "ws")}");
ws.onmessage = e => console.log(e.data);
ws.onopen = () => ws.send("hello, all");`;
  by("begin-curl").textContent = `curl -d 'hello, all' ${example}\ncurl ${example}`;
  showState("wait", "asking");
  document.onvisibilitychange = () => { if (!document.hidden) poll(); };
  poll();
}
