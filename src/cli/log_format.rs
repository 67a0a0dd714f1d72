//! The form of log lines, which can change while they are written.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{DefaultFields, Format, Full, Json, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent};
use tracing_subscriber::registry::LookupSpan;

use super::config::LogFormat;

/// Says in which form the next line is written. A clone switches the same log.
#[derive(Clone)]
pub(crate) struct LogFormatSwitch(Arc<AtomicBool>);

impl LogFormatSwitch {
    pub(crate) fn new(format: LogFormat) -> LogFormatSwitch {
        LogFormatSwitch(Arc::new(AtomicBool::new(format == LogFormat::Json)))
    }

    pub(crate) fn set(&self, format: LogFormat) {
        self.0.store(format == LogFormat::Json, Ordering::Relaxed);
    }

    fn is_json(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Writes each line in the form that the switch says.
pub(crate) struct EitherFormat {
    switch: LogFormatSwitch,
    text: Format<Full>,
    json: Format<Json>,
}

impl EitherFormat {
    pub(crate) fn new(switch: LogFormatSwitch) -> EitherFormat {
        let text = Format::default().with_target(false);
        let json = Format::default().json().flatten_event(true);
        EitherFormat { switch, text, json }
    }
}

impl<S> FormatEvent<S, DefaultFields> for EitherFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, DefaultFields>,
        writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        match self.switch.is_json() {
            true => self.json.format_event(context, writer, event),
            false => self.text.format_event(context, writer, event),
        }
    }
}
