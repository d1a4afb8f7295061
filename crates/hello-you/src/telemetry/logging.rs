//! Events of `tracing`, and panics, as lines.

use std::io::{self, IsTerminal as _};
use std::panic::{self, PanicHookInfo};
use std::thread;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer, Registry, fmt};

use super::buffer::LogBuffer;
use super::timestamp::Clock;
use crate::config::{LogConfig, LogFormat};

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// One JSON object per line.
    Json,
    /// For people.
    Human {
        /// Whether with colours.
        colour: bool,
    },
}

impl Form {
    /// What the configuration means for the standard output that is there.
    pub(super) fn choose(config: &LogConfig) -> Self {
        let terminal = io::stdout().is_terminal();
        match config.format {
            LogFormat::Json => Self::Json,
            LogFormat::Auto if !terminal => Self::Json,
            LogFormat::Auto | LogFormat::Human => Self::Human { colour: terminal && config.colour },
        }
    }
}

/// Takes the events of the whole process. Whoever came first stays: a second call changes nothing.
pub(super) fn take_events(buffer: &LogBuffer, form: Form, config: &LogConfig) {
    let subscriber = Registry::default().with(layer(buffer, form, config.filter.clone()));
    let _ = tracing::subscriber::set_global_default(subscriber);
}

fn layer(buffer: &LogBuffer, form: Form, filter: Targets) -> Box<dyn Layer<Registry> + Send + Sync> {
    let lines = fmt::layer().with_timer(Clock).with_writer(buffer.clone());
    match form {
        Form::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .with_filter(filter)
            .boxed(),
        Form::Human { colour } => lines.with_ansi(colour).with_filter(filter).boxed(),
    }
}

/// Makes a panic one ERROR line.
///
/// The line says where, and not what the message was unless it is constant: a message can hold a name or a date.
pub(super) fn take_panics() {
    panic::set_hook(Box::new(report_panic));
}

fn report_panic(info: &PanicHookInfo<'_>) {
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    let reason =
        info.payload().downcast_ref::<&'static str>().copied().unwrap_or("(not shown: may hold data)");
    let thread = thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    tracing::error!(location, reason, thread, "a thread panicked; this is a bug of the program");
}

#[cfg(test)]
mod tests {
    use tracing::subscriber::with_default;

    use super::super::buffer;
    use super::super::buffer::tests::{Output, counter};
    use super::*;

    fn lines(form: Form, filter: &str, events: impl FnOnce()) -> String {
        let output = Output::default();
        let (buffer, writer) = buffer::start(Box::new(output.clone()), counter());
        let subscriber = Registry::default().with(layer(&buffer, form, filter.parse().unwrap()));
        with_default(subscriber, events);
        drop(writer);
        output.text()
    }

    #[test]
    fn json_lines_are_flat_objects() {
        let text = lines(Form::Json, "info", || tracing::warn!(port = 8080, host = "a\nb", "listening"));
        assert!(text.ends_with('\n') && text.lines().count() == 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["message"], "listening");
        assert_eq!(line["port"], 8080);
        assert_eq!(line["host"], "a\nb");
        assert_eq!(line["target"], "hello_you::telemetry::logging::tests");
        let timestamp = line["timestamp"].as_str().unwrap();
        assert!(timestamp.ends_with('Z') && timestamp.parse::<jiff::Timestamp>().is_ok(), "{timestamp}");
    }

    #[test]
    fn human_lines_have_colours_only_where_asked() {
        let events = || tracing::info!(port = 8080, "listening");
        let plain = lines(Form::Human { colour: false }, "info", events);
        assert!(plain.contains("INFO hello_you::telemetry::logging::tests: listening port=8080"), "{plain}");
        assert!(!plain.contains('\x1b'));
        assert!(lines(Form::Human { colour: true }, "info", events).contains('\x1b'));
    }

    #[test]
    fn the_filter_decides_by_level_and_target() {
        let events = || {
            tracing::debug!("too fine");
            tracing::info!(target: "loud", "too loud");
            tracing::info!("kept");
        };
        let text = lines(Form::Json, "info,loud=off", events);
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("kept"));
    }

    #[test]
    fn a_panic_is_one_line_without_data() {
        let here = thread::current().id();
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if thread::current().id() == here { report_panic(info) } else { others(info) }
        }));
        let name = "Ana";
        let text = lines(Form::Json, "info", || {
            panic::catch_unwind(|| panic!("constant")).unwrap_err();
            panic::catch_unwind(|| panic!("of {name}")).unwrap_err();
        });
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines.iter().all(|line| line["level"] == "ERROR"), "{text}");
        assert!(lines[0]["location"].as_str().unwrap().contains("logging.rs:"), "{text}");
        assert_eq!(lines[0]["reason"], "constant");
        assert!(!text.contains("Ana"), "{text}");
    }
}
