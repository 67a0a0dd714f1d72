//! Where the report goes: standard output and files, each in its format. The result of a run stands
//! whether or not a view of it can be written.
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::cli::common::{Format, OutputArgs};
use crate::report::views::{csv, hdr, html, text};

/// A form in which a report is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ReportView {
    Text,
    Json,
    Csv,
    Html,
    Hdr,
}

impl ReportView {
    fn of(format: Format) -> ReportView {
        match format {
            Format::Text => ReportView::Text,
            Format::Json => ReportView::Json,
            Format::Csv => ReportView::Csv,
        }
    }

    /// Returns the view that the ending of a file's name asks for.
    fn of_file(path: &Path) -> ReportView {
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        match ending.as_str() {
            "json" => ReportView::Json,
            "csv" => ReportView::Csv,
            "html" | "htm" => ReportView::Html,
            "hgrm" | "hdr" => ReportView::Hdr,
            _ => ReportView::Text,
        }
    }

    fn render(self, report: &Json) -> Result<String, String> {
        match self {
            ReportView::Text => Ok(text::render(report)),
            ReportView::Json => Ok(format!("{report:#}\n")),
            ReportView::Csv => Ok(csv::render(report)),
            ReportView::Html => Ok(html::render(report)),
            ReportView::Hdr => hdr::render(report)
                .ok_or_else(|| "no latency was measured, so there is no distribution".to_owned()),
        }
    }
}

/// The views that were asked for.
struct Views {
    /// What goes to standard output, if anything does.
    standard_output: Option<ReportView>,
    files: Vec<(PathBuf, ReportView)>,
}

impl Views {
    /// With `-o` alone, the ending of the file's name decides its format, and the report is also
    /// shown as text. With `--format` as well, the file has that format, and nothing is shown.
    fn of(output: &OutputArgs) -> Views {
        let standard_output = match (output.format, &output.output) {
            (Some(format), None) => Some(ReportView::of(format)),
            (None, _) => Some(ReportView::Text),
            (Some(_), Some(_)) => None,
        };
        let report = output.output.iter().map(|path| {
            (path.clone(), output.format.map_or_else(|| ReportView::of_file(path), ReportView::of))
        });
        let html = output.html.iter().map(|path| (path.clone(), ReportView::Html));
        let hdr = output.hdr.iter().map(|path| (path.clone(), ReportView::Hdr));
        Views { standard_output, files: report.chain(html).chain(hdr).collect() }
    }
}

/// Returns true if the distribution of a latency is asked for.
pub(crate) fn wants_latency(output: &OutputArgs) -> bool {
    Views::of(output).files.iter().any(|(_, view)| *view == ReportView::Hdr)
}

/// Checks before the run that the files can be opened, so that no finished report is lost.
pub(crate) fn prepare(output: &OutputArgs) -> Result<(), String> {
    for (path, _) in Views::of(output).files {
        std::fs::File::options()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// Writes the report in every form that was asked for. Returns why some could not be written.
pub(crate) fn write(report: &Json, output: &OutputArgs) -> Vec<String> {
    let Views { standard_output, files } = Views::of(output);
    let mut failures = Vec::new();
    if let Some(view) = standard_output
        && let Err(error) = view.render(report).and_then(|text| print(&text))
    {
        failures.push(format!("the report cannot be written to standard output: {error}"));
    }
    for (path, view) in files {
        let write = |text: String| std::fs::write(&path, text).map_err(|error| error.to_string());
        if let Err(error) = view.render(report).and_then(write) {
            failures.push(format!("the report cannot be written to {}: {error}", path.display()));
        }
    }
    failures
}

/// Prints to standard output. It is no error if the reader has closed the pipe.
fn print(text: &str) -> Result<(), String> {
    use std::io::Write as _;
    let mut stdout = io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.to_string()),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn views(format: Option<Format>, file: Option<&str>) -> (Option<ReportView>, Vec<ReportView>) {
        let output = OutputArgs { format, output: file.map(PathBuf::from), html: None, hdr: None };
        let Views { standard_output, files } = Views::of(&output);
        (standard_output, files.into_iter().map(|(_, view)| view).collect())
    }

    #[test]
    fn a_file_has_the_format_of_its_name_and_the_text_still_appears() {
        for (file, view) in [
            ("run.json", ReportView::Json),
            ("a/b.JSON", ReportView::Json),
            ("run.html", ReportView::Html),
            ("run.csv", ReportView::Csv),
            ("run.hgrm", ReportView::Hdr),
            ("run.txt", ReportView::Text),
            ("/dev/null", ReportView::Text),
        ] {
            assert_eq!(views(None, Some(file)), (Some(ReportView::Text), vec![view]), "{file}");
        }
    }

    #[test]
    fn a_format_that_is_given_is_that_of_the_file_or_of_standard_output() {
        let json = Some(Format::Json);
        assert_eq!(views(json, None), (Some(ReportView::Json), vec![]));
        assert_eq!(views(json, Some("run.txt")), (None, vec![ReportView::Json]));
        assert_eq!(views(None, None), (Some(ReportView::Text), vec![]));
    }
}
