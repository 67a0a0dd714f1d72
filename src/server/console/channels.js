// The channels by subscribers, rate or lag: a table that is asked for while somebody looks.

const CHANNELS_MS = 2000, CHANNELS_SHOWN = 50;

let channelSort = "subscribers", isListing = false, mustListAgain = false, listedAt = -Infinity;

// To be called often: asks when it is time to.
function keepListing(at) { if (at - listedAt >= CHANNELS_MS) listChannels(); }

async function listChannels() {
  mustListAgain = isListing;
  if (isListing) return;
  isListing = true;
  const filter = by("channels-filter").value;
  const query = new URLSearchParams({ filter, sort: channelSort, limit: CHANNELS_SHOWN });
  const { status, text } = await ask("/-/channels?" + query).catch(() => ({ status: 0 }));
  [isListing, listedAt] = [false, performance.now()];
  if (mustListAgain) listChannels();
  else if (status === 200) showChannels(JSON.parse(text), filter);
}

function showChannels({ channels, more }, filter) {
  const body = by("channels").tBodies[0];
  channels.forEach(({ channel, subscribers, rate, lag, kept_bytes: kept }, index) => {
    const row = body.rows[index] ?? addChannelRow(body);
    const [name, ...figures] = row.cells, link = name.firstElementChild;
    write(link, channel);
    link.setAttribute("href", pathOf(channel));
    [whole.format(subscribers), number(rate), whole.format(lag), size(kept)]
      .forEach((text, cell) => write(figures[cell], text));
    row.classList.toggle("lags", lag > 0);
  });
  while (body.rows.length > channels.length) body.lastElementChild.remove();
  by("channels").hidden = channels.length === 0;
  write(by("channels-count"), channels.length > 0
    ? (more ? `the first ${channels.length}` : plural(channels.length, "channel"))
    : filter ? "no channel has this in its name" : "no channel yet");
}

function addChannelRow(body) {
  const row = body.insertRow(), name = make("th", "mono");
  name.scope = "row";
  name.append(make("a", ""));
  row.append(name, ...Array.from({ length: 4 }, () => make("td", "")));
  return row;
}

for (const button of by("channels").querySelectorAll("button")) {
  button.onclick = () => {
    channelSort = button.value;
    for (const head of by("channels").querySelectorAll("[aria-sort]")) {
      head.ariaSort = head.contains(button) ? "descending" : "none";
    }
    listChannels();
  };
}
by("channels-filter").oninput = listChannels;
