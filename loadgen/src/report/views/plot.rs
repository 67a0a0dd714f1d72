//! Draws one plot as SVG. Its colours suit a light page; a style sheet can replace them.
use std::error::Error;
use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::prelude::*;

/// Size in pixels: twice what is shown, because coordinates are rounded to whole pixels.
const SIZE: (u32, u32) = (1_240, 640);
const LABEL_SIZE: i32 = 36;
const STROKE_WIDTH: u32 = 4;
const DOT_RADIUS: u32 = 6;
const FONT: &str = "system-ui, sans-serif";

const INK: RGBColor = RGBColor(0x55, 0x55, 0x55);
const GRID: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);
const SHADE: RGBColor = RGBColor(0x7f, 0x7f, 0x7f);
const SHADE_OPACITY: f64 = 0.12;
/// Colours of the lines, in order. They can be distinguished by people with colour vision
/// deficiencies, on light and on dark pages.
pub(super) const COLOURS: [RGBColor; 6] = [
    RGBColor(0x1f, 0x6f, 0xb2),
    RGBColor(0xd5, 0x7a, 0x12),
    RGBColor(0xc0, 0x39, 0x4b),
    RGBColor(0x2f, 0x8f, 0x6b),
    RGBColor(0x8a, 0x5f, 0xbf),
    RGBColor(0x7a, 0x7a, 0x7a),
];

/// How many ticks fit on an axis.
const TICKS_MAX: f64 = 8.0;
/// On an axis of more decades than this, only powers of ten have a tick.
const DECADES_WITH_STEPS_MAX: f64 = 2.5;

pub(super) struct Line {
    pub(super) name: String,
    /// The line has a gap where y is `None`.
    pub(super) points: Vec<(f64, Option<f64>)>,
}

impl Line {
    /// Returns the pieces of the line between gaps.
    fn pieces(&self) -> impl Iterator<Item = Vec<(f64, f64)>> {
        let pieces = self.points.split(|(_, y)| y.is_none()).filter(|piece| !piece.is_empty());
        pieces.map(|piece| piece.iter().filter_map(|(x, y)| Some((*x, (*y)?))).collect())
    }
}

pub(super) struct Plot {
    pub(super) title: &'static str,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) lines: Vec<Line>,
    /// Ranges of x whose background is shaded.
    pub(super) shaded: Vec<(f64, f64)>,
}

/// An axis that begins and ends at a tick. `from`, `to` and ticks have the unit of its values.
#[derive(Clone)]
pub(super) struct Axis {
    description: &'static str,
    is_logarithmic: bool,
    from: f64,
    to: f64,
    ticks: Vec<(f64, String)>,
}

impl Axis {
    /// Returns a linear axis that begins at zero.
    pub(super) fn linear(
        description: &'static str,
        max: f64,
        text: impl Fn(f64) -> String,
    ) -> Axis {
        let max = if max > 0.0 { max } else { 1.0 };
        let step = step(max / TICKS_MAX);
        let count = (max / step - 1e-9).ceil();
        let ticks = (0..=count as u32)
            .map(|n| f64::from(n) * step)
            .map(|value| (value, text(value)))
            .collect();
        Axis { description, is_logarithmic: false, from: 0.0, to: count * step, ticks }
    }

    /// Returns an axis between two whole numbers.
    pub(super) fn whole(
        description: &'static str,
        from: f64,
        to: f64,
        text: impl Fn(f64) -> String,
    ) -> Axis {
        let to = to.max(from + 1.0);
        let step = step((to - from) / TICKS_MAX).max(1.0);
        let first = (from / step).ceil() * step;
        let ticks = (0..)
            .map(|n| first + f64::from(n) * step)
            .take_while(|value| *value <= to)
            .map(|value| (value, text(value)))
            .collect();
        Axis { description, is_logarithmic: false, from, to, ticks }
    }

    /// Returns a logarithmic axis for values from 1 up. Smaller values are drawn as 1.
    pub(super) fn logarithmic(
        description: &'static str,
        min: f64,
        max: f64,
        text: impl Fn(f64) -> String,
    ) -> Axis {
        let (min, max) = (min.max(1.0), max.max(1.0));
        let steps: &[f64] =
            if (max / min).log10() > DECADES_WITH_STEPS_MAX { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let decades = min.log10().floor() as i32..=max.log10().ceil() as i32 + 1;
        let ticks: Vec<f64> = decades
            .flat_map(|decade| steps.iter().map(move |step| step * 10_f64.powi(decade)))
            .collect();
        let from = ticks.iter().copied().rfind(|tick| *tick <= min).unwrap_or(min);
        let to = ticks.iter().copied().find(|tick| *tick >= max && *tick > from).unwrap_or(max);
        let ticks = ticks.into_iter().filter(|tick| (from..=to).contains(tick));
        let ticks = ticks.map(|tick| (tick, text(tick))).collect();
        Axis { description, is_logarithmic: true, from, to, ticks }
    }

    /// Returns an axis of 1/(1-q) for quantiles q: 90 %, 99 % and 99.9 % are equally far apart.
    pub(super) fn quantiles(description: &'static str, inverse_max: f64) -> Axis {
        let labels = ["", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %", "99.9999 %"];
        let mut ticks: Vec<(f64, String)> = labels
            .iter()
            .enumerate()
            .map(|(nines, label)| (10_f64.powi(nines as i32), (*label).to_owned()))
            .collect();
        ticks.insert(1, (2.0, "50 %".to_owned()));
        ticks.retain(|(tick, _)| *tick <= inverse_max);
        Axis { description, is_logarithmic: true, from: 1.0, to: inverse_max.max(2.0), ticks }
    }

    /// Returns a value's coordinate along the axis. Values beyond an end are drawn at that end.
    fn place(&self, value: f64) -> f64 {
        let value = value.clamp(self.from, self.to);
        if self.is_logarithmic { value.log10() } else { value }
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (low, high): (i32, i32)) -> i32 {
        let (from, to) = (self.place(self.from), self.place(self.to));
        low + (f64::from(high - low) * (self.place(*value) - from) / (to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // Light points are asked for to draw lines between the ticks. This plot has none.
        if hint.weight().allow_light_points() {
            return Vec::new();
        }
        self.ticks.iter().map(|(tick, _)| *tick).collect()
    }

    fn range(&self) -> Range<f64> {
        self.from..self.to
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        let tick = self.ticks.iter().find(|(tick, _)| tick == value);
        tick.map_or(String::new(), |(_, text)| text.clone())
    }
}

/// Returns the least of …, 0.5, 1, 2, 5, 10, … that is not below `least`.
fn step(least: f64) -> f64 {
    let decade = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0]
        .into_iter()
        .map(|step| step * decade)
        .find(|step| *step >= least)
        .unwrap_or(10.0 * decade)
}

impl Plot {
    pub(super) fn draw(&self) -> String {
        let mut svg = String::new();
        self.draw_into(&mut svg).expect("drawing into a String has no I/O to fail");
        svg
    }

    fn draw_into(&self, svg: &mut String) -> Result<(), Box<dyn Error + '_>> {
        let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin_top(16)
            .margin_right(44)
            .margin_left(6)
            .set_label_area_size(LabelAreaPosition::Left, 190)
            .set_label_area_size(LabelAreaPosition::Bottom, 104)
            .build_cartesian_2d(self.x.clone(), self.y.clone())?;
        chart.draw_series(self.shaded.iter().map(|(from, to)| {
            let corners = [(*from, self.y.from), (*to, self.y.to)];
            Rectangle::new(corners, SHADE.mix(SHADE_OPACITY).filled())
        }))?;
        let font = || (FONT, LABEL_SIZE).into_font().color(&INK);
        chart
            .configure_mesh()
            .x_desc(self.x.description)
            .y_desc(self.y.description)
            .axis_desc_style(font())
            .label_style(font())
            .axis_style(INK.stroke_width(2))
            .bold_line_style(GRID.stroke_width(2))
            .light_line_style(TRANSPARENT)
            .draw()?;
        for (line, colour) in self.lines.iter().zip(COLOURS.iter().cycle()) {
            for piece in line.pieces() {
                if let [point] = piece[..] {
                    chart.draw_series([Circle::new(point, DOT_RADIUS, colour.filled())])?;
                } else {
                    chart.draw_series(LineSeries::new(piece, colour.stroke_width(STROKE_WIDTH)))?;
                }
            }
        }
        root.present()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(axis: &Axis) -> String {
        axis.ticks.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn axes_begin_and_end_on_a_round_number() {
        let whole = |value: f64| format!("{value}");
        assert_eq!(ticks(&Axis::linear("", 10_000.0, whole)), "0 2000 4000 6000 8000 10000");
        assert_eq!(
            ticks(&Axis::linear("", 0.0, |value| format!("{value:.1}"))),
            "0.0 0.2 0.4 0.6 0.8 1.0"
        );
        assert_eq!(ticks(&Axis::whole("", 0.0, 12.0, whole)), "0 2 4 6 8 10 12");
        assert_eq!(ticks(&Axis::logarithmic("", 3.0, 40.0, whole)), "2 5 10 20 50");
        assert_eq!(
            ticks(&Axis::logarithmic("", 3.0, 40_000.0, whole)),
            "1 10 100 1000 10000 100000"
        );
        assert_eq!(ticks(&Axis::logarithmic("", 0.0, 0.0, whole)), "1 2");
        assert_eq!(ticks(&Axis::quantiles("", 1_500.0)), " 50 % 90 % 99 % 99.9 %");
    }

    #[test]
    fn a_plot_without_lines_or_of_one_point_is_drawn() {
        let plot = |points: Vec<(f64, Option<f64>)>| Plot {
            title: "",
            x: Axis::whole("", 0.0, 0.0, |value| value.to_string()),
            y: Axis::logarithmic("", 5.0, 5.0, |value| value.to_string()),
            lines: vec![Line { name: String::new(), points }],
            shaded: vec![(-1.0, 1.0)],
        };
        assert!(plot(Vec::new()).draw().ends_with("</svg>\n"));
        assert!(plot(vec![(0.0, Some(5.0))]).draw().contains("<circle"));
    }

    #[test]
    fn a_line_has_a_gap_where_nothing_was_measured() {
        let points =
            vec![(0.0, None), (1.0, Some(1.0)), (2.0, Some(2.0)), (3.0, None), (4.0, Some(4.0))];
        let line = Line { name: String::new(), points };
        assert_eq!(
            line.pieces().collect::<Vec<_>>(),
            [vec![(1.0, 1.0), (2.0, 2.0)], vec![(4.0, 4.0)]]
        );
    }
}
