//! Draws the board. What does not fit is left out from below, and plots go before figures.

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, LineGauge, Paragraph, Row, Sparkline, Table, Wrap};

use crate::cli::terminal::harmless;

use super::amounts::{bytes, number, seconds};
use super::board::{Board, Plot};
use super::overview::Overview;
use super::plain;

/// With fewer columns or rows, figures are shown in lines instead of plots.
const PLOTS_COLUMNS_MIN: u16 = 60;
const PLOTS_ROWS_MIN: u16 = 20;
/// The height of a plot, with its frame.
const PLOT_ROWS: u16 = 4;
/// With fewer columns, a channel has its name and subscribers only.
const CHANNEL_COLUMNS_MIN: u16 = 50;

const KEYS: &str = "q: end   sort by s: subscribers, r: rate, l: lag";

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, board: &Board) {
    let area = frame.area();
    let has_plots = area.width >= PLOTS_COLUMNS_MIN && area.height >= PLOTS_ROWS_MIN;
    let figure_rows = if has_plots { 3 * PLOT_ROWS } else { Plot::ALL.len() as u16 };
    let trouble_rows = match &board.trouble {
        Some(text) => rows_of(text, area.width),
        None => 0,
    };
    let [head, trouble, figures, memory, refusals, channels, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(trouble_rows),
        Constraint::Length(figure_rows),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Min(0),
        Constraint::Length(1),
    ])
    .areas(area);
    if let Some(text) = &board.trouble {
        let style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
        let text = harmless(text.as_bytes());
        frame.render_widget(Paragraph::new(text).style(style).wrap(Wrap { trim: true }), trouble);
    }
    let Some(overview) = &board.overview else { return };
    let headline = Line::from(plain::headline(board, overview));
    frame.render_widget(headline.style(Style::new().add_modifier(Modifier::BOLD)), head);
    match has_plots {
        true => draw_plots(frame, figures, board, overview),
        false => draw_figures(frame, figures, overview),
    }
    draw_memory(frame, memory, overview);
    frame.render_widget(Line::from(format!("refused: {}", plain::refusals(overview))), refusals);
    draw_channels(frame, channels, board);
    frame.render_widget(Line::from(KEYS).style(Style::new().add_modifier(Modifier::DIM)), keys);
}

/// Returns how many rows a text takes; at most three.
fn rows_of(text: &str, width: u16) -> u16 {
    let rows = text.chars().count().div_ceil(usize::from(width.max(1)));
    // Words are not broken, so that there may be one row more.
    (rows as u16 + u16::from(rows > 1)).clamp(1, 3)
}

/// Returns what a plot is of, and its value now.
fn figure(plot: Plot, overview: &Overview) -> (&'static str, String) {
    let value = plot.value(overview);
    let shown = |show: fn(f64) -> String, unit: &str| {
        value.map_or("-".to_owned(), |value| format!("{}{unit}", show(value)))
    };
    match plot {
        Plot::Connections => ("connections", shown(number, "")),
        Plot::Messages => ("messages", shown(number, "/s")),
        Plot::Deliveries => ("deliveries", shown(number, "/s")),
        Plot::SentBytes => ("bytes sent", shown(bytes, "/s")),
        Plot::TurnTime => ("turn p99", shown(seconds, "")),
        Plot::DeliveryTime => ("delivery p99", shown(seconds, "")),
    }
}

fn draw_plots(frame: &mut Frame<'_>, area: Rect, board: &Board, overview: &Overview) {
    let rows = Layout::vertical([Constraint::Length(PLOT_ROWS); 3]).areas::<3>(area);
    let halves = |row| Layout::horizontal([Constraint::Ratio(1, 2); 2]).areas::<2>(row);
    for (plot, place) in Plot::ALL.into_iter().zip(rows.into_iter().flat_map(halves)) {
        let (name, value) = figure(plot, overview);
        let block = Block::bordered()
            .title_top(Line::from(format!(" {name} ")))
            .title_top(Line::from(format!(" {value} ")).alignment(Alignment::Right));
        let inside = block.inner(place);
        let columns = usize::from(inside.width);
        let past: Vec<Option<f64>> = board.past(plot, columns).collect();
        // A plot is of whole numbers; scaled, so that times of microseconds have a height.
        let largest = past.iter().flatten().fold(0.0, |one: f64, other| one.max(*other));
        let scaled = |value: f64| (value / largest.max(f64::MIN_POSITIVE) * 1000.0) as u64;
        // The newest value stands at the right edge.
        let heights = std::iter::repeat_n(None, columns - past.len())
            .chain(past.into_iter().map(|value| value.map(scaled)));
        let plotted = Sparkline::default().data(heights.collect::<Vec<_>>()).max(1000);
        frame.render_widget(block, place);
        frame.render_widget(plotted.style(Style::new().fg(Color::Cyan)), inside);
    }
}

fn draw_figures(frame: &mut Frame<'_>, area: Rect, overview: &Overview) {
    let lines = Plot::ALL.into_iter().map(|plot| {
        let (name, value) = figure(plot, overview);
        Line::from(format!("{name:<13} {value}"))
    });
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), area);
}

fn draw_memory(frame: &mut Frame<'_>, area: Rect, overview: &Overview) {
    let text = format!("memory: {}", plain::memory(overview));
    let Some(limit) = overview.memory_limit.filter(|limit| *limit > 0.0) else {
        return frame.render_widget(Line::from(text), area);
    };
    let used = (overview.log_bytes / limit).clamp(0.0, 1.0);
    let color = if used > 0.9 { Color::Red } else { Color::Green };
    let gauge = LineGauge::default().label(text).ratio(used);
    frame.render_widget(gauge.filled_style(Style::new().fg(color)), area);
}

fn draw_channels(frame: &mut Frame<'_>, area: Rect, board: &Board) {
    let is_wide = area.width >= CHANNEL_COLUMNS_MIN;
    let header: &[&str] = match is_wide {
        true => &["channel", "subscribers", "messages/s", "lag", "kept"],
        false => &["channel", "subscribers"],
    };
    let right = |text: String| Line::from(text).alignment(Alignment::Right);
    let rows = board.channels.channels.iter().take(area.height.into()).map(|one| {
        let mut cells = vec![
            Line::from(harmless(one.channel.as_bytes()).into_owned()),
            right(number(one.subscribers as f64)),
        ];
        if is_wide {
            cells.push(right(number(one.rate)));
            cells.push(right(number(one.lag as f64)));
            cells.push(right(bytes(one.kept_bytes as f64)));
        }
        Row::new(cells)
    });
    let widths = std::iter::once(Constraint::Min(8))
        .chain(header[1..].iter().map(|name| Constraint::Length(name.len().max(9) as u16)));
    let title = header.iter().enumerate().map(|(place, name)| match place {
        0 => Line::from(format!("{name}, by {}", board.sort.label())),
        _ => right((*name).to_owned()),
    });
    let style = Style::new().add_modifier(Modifier::UNDERLINED);
    let table = Table::new(rows, widths).header(Row::new(title).style(style));
    frame.render_widget(table, area);
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::super::asking::{BusiestChannels, BusyChannel, TopReply};
    use super::super::figures::Figures;
    use super::*;

    /// A board of a server that has done something in the last ten seconds.
    fn board() -> Board {
        let mut board = Board::new("http://localhost:8080".to_owned());
        let start = Instant::now();
        for second in 0..10_u64 {
            let text = format!(
                "fanfare_build_info{{version=\"1.2\"}} 1\nprocess_start_time_seconds 1000\n\
                 fanfare_connections{{transport=\"websocket\"}} 1500\n\
                 fanfare_messages_published_total{{source=\"http\"}} {}\n\
                 fanfare_sent_bytes_total {}\nfanfare_channel_log_bytes 1048576\n\
                 fanfare_memory_limit_bytes 4194304\n\
                 fanfare_rejects_total{{reason=\"rate\"}} {}\n",
                second * second,
                second * 2048,
                second * 3
            );
            let figures = Figures::read(&text, start + Duration::from_secs(second)).unwrap();
            let channel = BusyChannel {
                channel: "news\u{1b}[2J".to_owned(),
                subscribers: 1500,
                rate: 17.0,
                lag: 3,
                kept_bytes: 2048,
            };
            let channels = Some(BusiestChannels { channels: vec![channel], more: false });
            board.take(Ok(TopReply { figures, unix_seconds: 1000.0 + 75.0, channels }));
        }
        board
    }

    /// Returns what a screen of this size shows, line by line.
    fn shown(board: &Board, columns: u16, rows: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
        terminal.draw(|frame| draw(frame, board)).unwrap();
        let cells = terminal.backend().buffer().content.chunks(columns.into());
        cells
            .map(|row| {
                let row: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
                row.trim_end().to_owned()
            })
            .collect()
    }

    #[test]
    fn a_wide_screen_has_plots_with_their_values_now() {
        let lines = shown(&board(), 80, 24);
        assert_eq!(lines[0], "fanfare 1.2 at http://localhost:8080, up 1m 15s");
        assert!(lines[1].starts_with("\u{250c} connections "), "{lines:#?}");
        assert!(lines[1].contains(" 1.5k \u{2510}\u{250c} messages "), "{lines:#?}");
        // In the tenth second there were 81 - 64 messages, the most of all seconds.
        assert!(lines[1].ends_with(" 17/s \u{2510}"), "{lines:#?}");
        assert!(lines[2].ends_with("\u{2588}\u{2502}"), "{lines:#?}");
        assert!(lines[5].contains(" 2 KiB/s "), "{lines:#?}");
        assert!(lines[13].starts_with("memory: 1 MiB of 4 MiB for channels"), "{lines:#?}");
        assert_eq!(lines[14], "refused: rate 3/s (27)");
        let row = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(row(&lines[15]), "channel, by subscribers subscribers messages/s lag kept");
        assert_eq!(row(&lines[16]), "news\\u{1b}[2J 1.5k 17 3 2 KiB");
        assert_eq!(lines[23], KEYS);
    }

    #[test]
    fn a_narrow_screen_has_lines_and_a_tiny_one_does_no_harm() {
        let lines = shown(&board(), 40, 12);
        assert_eq!(lines[1], "connections   1.5k");
        assert_eq!(lines[2], "messages      17/s");
        assert!(lines.iter().all(|line| !line.contains('\u{250c}')), "{lines:#?}");
        for (columns, rows) in [(1, 1), (3, 2), (200, 3), (5, 100), (300, 100)] {
            shown(&board(), columns, rows);
        }
    }

    #[test]
    fn what_is_wrong_stands_above_the_last_figures() {
        let mut board = board();
        let text = "cannot connect to http://localhost:8080: Connection refused (os error 111): is \
                    fanfare running there?";
        board.take(Err(text.to_owned()));
        let lines = shown(&board, 80, 24);
        assert!(lines[1].starts_with("cannot connect to http://localhost:8080: Connection"));
        assert!(lines[2].contains("running there?"), "{lines:#?}");
        assert!(lines[4].starts_with("\u{250c} connections "), "{lines:#?}");
    }
}
