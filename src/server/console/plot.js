// Plots of the last two minutes, as SVG. All plots of one timeline show the same moment: the
// newest, or the one that is chosen by the pointer or the arrow keys.

const SPAN_MS = 120_000;
const GAP_MS = 4000;                 // a longer silence is a gap in the line
const WIDTH = 240, HEIGHT = 60;      // of the drawing, as in its viewBox

class Timeline {
  // What was seen at one moment: `values[plot][series]`, null if it is not known. Oldest first.
  points = [];
  // The moment that is shown; null shows the newest.
  chosen = null;

  constructor(parent, plots) {
    this.plots = plots.map((plot, index) => new Plot(this, plot, index));
    parent.append(...this.plots.map(plot => plot.figure));
  }

  get newest() { return this.points.at(-1)?.at ?? 0; }

  add(at, values) {
    this.points.push({ at, values });
    while (this.points[0].at < at - SPAN_MS) this.points.shift();
    this.draw();
  }

  choose(at) {
    this.chosen = at;
    this.draw();
  }

  // Chooses a neighbour of the moment that is shown.
  step(by) {
    const index = this.points.indexOf(this.shown()) + by;
    this.choose(this.points[Math.max(0, index)]?.at ?? null);
  }

  // The point nearest to the chosen moment.
  shown() {
    if (this.chosen === null) return this.points.at(-1);
    const away = point => Math.abs(point.at - this.chosen);
    return this.points.reduce((best, point) => away(point) < away(best) ? point : best);
  }

  draw() {
    if (this.points.length === 0) return;
    const shown = this.shown();
    for (const plot of this.plots) plot.draw(shown);
  }
}

class Plot {
  // `series` are the names of one or two lines, `format` makes text of a value, and `base` is 1024
  // for bytes.
  constructor(timeline, { name, series, format = number, base = 1000, isBad = false }, index) {
    Object.assign(this, { timeline, series, format, base, index });
    this.figure = by("plot").content.firstElementChild.cloneNode(true);
    this.figure.classList.toggle("bad", isBad);
    this.figure.setAttribute("aria-label", name + ". The arrow keys choose a moment.");
    this.part(".name").textContent = name;
    this.values = series.map(one => this.addValue(one));
    this.listen();
  }

  part(selector) { return this.figure.querySelector(selector); }

  addValue(name) {
    const value = make("span"), figure = make("b");
    if (this.series.length > 1) value.dataset.many = "";
    value.append(figure, " " + name);
    this.part(".values").append(value, " ");
    return figure;
  }

  listen() {
    const { figure, timeline } = this, svg = this.part("svg");
    svg.onpointermove = ({ clientX }) => {
      const { left, width } = svg.getBoundingClientRect();
      timeline.choose(timeline.newest - (1 - (clientX - left) / width) * SPAN_MS);
    };
    svg.onpointerleave = figure.onblur = () => {
      this.part(".values").ariaLive = "off";
      timeline.choose(null);
    };
    figure.onkeydown = event => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step && event.key !== "Escape") return;
      event.preventDefault();
      this.part(".values").ariaLive = "polite";
      if (step) timeline.step(step); else timeline.choose(null);
    };
  }

  draw(shown) {
    const values = this.timeline.points.flatMap(point => point.values[this.index]);
    const highest = Math.max(0, ...values.filter(value => value !== null));
    const top = niceTop(highest, this.base);
    this.values.forEach((figure, series) => {
      const value = shown.values[this.index][series];
      write(figure, value === null ? "–" : this.format(value));
    });
    const ago = Math.round((this.timeline.newest - shown.at) / 1000);
    write(this.part(".when"), ago > 0 ? `${ago} s ago` : "");
    write(this.part(".top"), highest > 0 ? this.format(top) : "");
    const cursor = this.timeline.chosen === null ? "" : `M${this.x(shown.at)} 0V${HEIGHT}`;
    this.part(".cursor").setAttribute("d", cursor);
    this.drawSeries(0, top, ":not(.of-second)");
    if (this.series.length > 1) this.drawSeries(1, top, ".of-second");
  }

  drawSeries(series, top, which) {
    let line = "", area = "", before = null;
    const end = () => { if (before) area += `V${HEIGHT}Z`; before = null; };
    for (const point of this.timeline.points) {
      const value = point.values[this.index][series];
      if (value === null || (before && point.at - before.at > GAP_MS)) end();
      if (value === null) continue;
      const to = `${this.x(point.at)} ${(HEIGHT * (1 - value / top)).toFixed(1)}`;
      area += before ? `L${to}` : `M${this.x(point.at)} ${HEIGHT}L${to}`;
      line += (before ? "L" : "M") + to;
      before = point;
    }
    end();
    this.part(".line" + which).setAttribute("d", line);
    this.part(".area" + which).setAttribute("d", area);
  }

  x(at) { return (WIDTH * (1 - (this.timeline.newest - at) / SPAN_MS)).toFixed(1); }
}

// A round number at or above the highest value: the top of the plot.
function niceTop(highest, base) {
  if (highest <= 0) return 1;
  const unit = base ** Math.max(0, Math.floor(Math.log(highest) / Math.log(base)));
  const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, base];
  return unit * steps.find(step => highest <= unit * step);
}
