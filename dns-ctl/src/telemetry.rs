//! Log lines on standard error, as text, JSON or klog.

mod throttle;

use std::{fmt, io::IsTerminal as _};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{DefaultFields, Writer},
    },
    layer::SubscriberExt as _,
    registry::LookupSpan,
    util::SubscriberInitExt as _,
};

pub use throttle::{tell_held_back, tell_now};

use crate::args::{LogFormat, LogLevel};
use throttle::Throttle;

/// Libraries that warn of what clients and API servers do; what matters of it is logged here, and bounded.
const CHATTY: [&str; 2] = ["hickory_proto", "kube_runtime"];

/// Sends log lines of at least this severity to standard error, in this format.
///
/// A second call in one process changes nothing.
pub fn init(format: LogFormat, level: LogLevel) {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let filter = Targets::new()
        .with_default(level)
        .with_targets(CHATTY.map(|target| (target, level.min(LevelFilter::ERROR))));
    let builder = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let result = match format {
        LogFormat::Text => builder
            .with_target(false)
            .finish()
            .with(filter)
            .with(Throttle)
            .try_init(),
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .finish()
            .with(filter)
            .with(Throttle)
            .try_init(),
        LogFormat::Klog => builder
            .with_ansi(false)
            .fmt_fields(DefaultFields::new())
            .event_format(Klog)
            .finish()
            .with(filter)
            .with(Throttle)
            .try_init(),
    };
    // The only error is that a subscriber is set already.
    drop(result);
}

/// Says why the process ends, in the format of its log lines.
pub fn fatal(format: Option<LogFormat>, message: &str) {
    match format {
        Some(LogFormat::Klog) => {
            let mut header = String::new();
            // Writing to a `String` can't fail.
            let _infallible = write_header(&mut header, 'F', file!(), line!());
            eprintln!("{header} {message}");
        }
        Some(LogFormat::Json) => tracing::error!(fatal = true, "{message}"),
        Some(LogFormat::Text) | None => eprintln!("dns-ctl: {message}"),
    }
}

/// Lines as klog writes them: `Lmmdd hh:mm:ss.uuuuuu threadid file:line] message`.
struct Klog;

impl<S, N> FormatEvent<S, N> for Klog
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let severity = match *metadata.level() {
            Level::ERROR => 'E',
            Level::WARN => 'W',
            _ => 'I',
        };
        let file = metadata.file().unwrap_or("-");
        write_header(&mut writer, severity, file, metadata.line().unwrap_or(0))?;
        writer.write_char(' ')?;
        context
            .field_format()
            .format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

fn write_header(
    writer: &mut impl fmt::Write,
    severity: char,
    file: &str,
    line: u32,
) -> fmt::Result {
    let now = jiff::Zoned::now();
    let thread = nix::unistd::gettid();
    let file = file.rsplit('/').next().unwrap_or(file);
    write!(
        writer,
        "{severity}{} {thread:>7} {file}:{line}]",
        now.strftime("%m%d %H:%M:%S%.6f")
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    pub(crate) struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Buffer {
        /// What has been written.
        pub(crate) fn lines(&self) -> Vec<String> {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            text.lines().map(str::to_owned).collect()
        }
    }

    impl std::io::Write for Buffer {
        fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Buffer {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn klog_lines_begin_as_those_of_kubernetes() {
        let buffer = Buffer::default();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(buffer.clone())
            .with_ansi(false)
            .event_format(Klog)
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(services = 3, "synced");
            tracing::warn!("careful");
            tracing::error!("broken");
        });
        let lines = buffer.lines();
        assert_eq!(lines.len(), 3);
        for (line, severity) in lines.iter().zip(["I", "W", "E"]) {
            let (head, _) = line.split_once(']').unwrap();
            let words: Vec<&str> = head.split_whitespace().collect();
            let [date, time, thread, place] = words.as_slice() else {
                panic!("{line}");
            };
            assert!(date.starts_with(severity) && date.len() == 5, "{line}");
            assert!(
                date[1..].bytes().all(|octet| octet.is_ascii_digit()),
                "{line}"
            );
            assert_eq!(time.len(), "hh:mm:ss.uuuuuu".len(), "{line}");
            assert!(thread.parse::<u32>().is_ok(), "{line}");
            assert!(place.starts_with("telemetry.rs:"), "{line}");
        }
        assert!(lines[0].ends_with("] synced services=3"), "{}", lines[0]);
    }
}
