//! Keeps lines that repeat from flooding the log: so many of one place in the code, then only their number.

use std::{
    collections::HashMap,
    fmt::{self, Debug, Write as _},
    sync::{LazyLock, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::{
    Event, Level, Metadata, Subscriber,
    callsite::Identifier,
    field::{Field, Visit},
};
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::{Layer, layer::Context};

/// For how long lines are counted together.
pub(super) const WINDOW: Duration = Duration::from_secs(30);
/// The target of the lines that tell how many were held back; there are few of them.
const TOLD: &str = "dns_ctl::held_back";
/// Characters of a line's message that are repeated with the number of those held back.
const SHOWN: usize = 200;

/// The lines of this process.
static LINES: LazyLock<Lines> = LazyLock::new(Lines::default);

/// Lines that one place in the code may write in each [`WINDOW`].
const fn most(level: Level) -> u64 {
    match level {
        Level::ERROR | Level::WARN => 10,
        // An interface that is attached is told of, and a node has hundreds.
        Level::INFO => 500,
        // Whoever asks for these wants to see much.
        _ => 5000,
    }
}

/// The layer that holds lines back; it goes above the one that writes them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Throttle;

impl<S: Subscriber> Layer<S> for Throttle {
    fn event_enabled(&self, event: &Event<'_>, _context: Context<'_, S>) -> bool {
        event.metadata().target() == TOLD || LINES.admit(event, Instant::now())
    }
}

/// Tells at the end of each window how many lines were held back in it; does not end.
pub async fn tell_held_back() {
    let mut windows = interval_at(Instant::now() + WINDOW, WINDOW);
    windows.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        windows.tick().await;
        tell_now();
    }
}

/// Tells how many lines were held back until now.
pub fn tell_now() {
    for held in LINES.end(Instant::now()) {
        let Held {
            level,
            place,
            message,
            lines,
            seconds,
        } = held;
        macro_rules! tell {
            ($level:ident) => {
                tracing::$level!(
                    target: TOLD,
                    lines,
                    seconds,
                    place,
                    "{lines} more lines like this one in the last {seconds} s were held back: {message}"
                )
            };
        }
        match level {
            Level::ERROR => tell!(error),
            Level::WARN => tell!(warn),
            Level::INFO => tell!(info),
            _ => tell!(debug),
        }
    }
}

/// What each place in the code has written in the window under way.
#[derive(Debug, Default)]
struct Lines(Mutex<HashMap<Place, Written>>);

/// A place in the code. Lines of libraries that use the crate `log` come from one place for each severity; theirs is told
/// beside it.
type Place = (Identifier, Option<String>);

#[derive(Debug)]
struct Written {
    level: Level,
    place: String,
    /// Of the first line that is held back.
    message: String,
    since: Instant,
    lines: u64,
}

/// What was held back in a window.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    level: Level,
    place: String,
    message: String,
    lines: u64,
    seconds: u64,
}

impl Lines {
    /// Whether a line is written.
    fn admit(&self, event: &Event<'_>, now: Instant) -> bool {
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        let told = |metadata: &Metadata<'_>| {
            let file = metadata.file().unwrap_or("-");
            format!("{file}:{}", metadata.line().unwrap_or(0))
        };
        let place = (event.metadata().callsite(), normalized.as_ref().map(told));
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let written = places.entry(place).or_insert_with(|| Written {
            level: *metadata.level(),
            place: told(metadata),
            message: String::new(),
            since: now,
            lines: 0,
        });
        written.lines += 1;
        let most = most(written.level);
        if written.lines == most + 1 {
            let mut message = Message::default();
            event.record(&mut message);
            written.message = message.0;
        }
        written.lines <= most
    }

    /// A window is at its end: what was held back in it, the places in alphabetical order.
    fn end(&self, now: Instant) -> Vec<Held> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut held: Vec<_> = places
            .drain()
            .filter_map(|(_, written)| {
                let lines = written.lines.checked_sub(most(written.level))?;
                (lines > 0).then(|| Held {
                    level: written.level,
                    place: written.place,
                    message: written.message,
                    lines,
                    seconds: now.duration_since(written.since).as_secs(),
                })
            })
            .collect();
        held.sort_by(|one, other| one.place.cmp(&other.place));
        held
    }
}

/// The beginning of a line's message.
#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            // Full is no error.
            let _full = write!(Bounded(&mut self.0), "{value:?}");
        }
    }
}

struct Bounded<'s>(&'s mut String);

impl fmt::Write for Bounded<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = SHOWN.saturating_sub(self.0.chars().count());
        self.0.extend(text.chars().take(room));
        if room == 0 { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;
    use crate::telemetry::tests::Buffer;

    /// What is written while `work` goes on.
    fn written(work: impl FnOnce()) -> Vec<String> {
        let buffer = Buffer::default();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(buffer.clone())
            .with_ansi(false)
            .with_max_level(Level::DEBUG)
            .without_time()
            .with_target(false)
            .finish()
            .with(Throttle);
        tracing::subscriber::with_default(subscriber, work);
        buffer.lines()
    }

    #[test]
    fn a_flood_is_a_few_lines_and_their_number() {
        let long = "x".repeat(1000);
        let lines = written(|| {
            tell_now();
            for number in 0..100_000 {
                tracing::warn!(number, "the packet {long} can't be read");
                if number % 1000 == 0 {
                    tracing::error!("another place is not kept quiet by the first: {number}");
                }
                if number < 300 {
                    tracing::info!(number, "attached");
                }
            }
            tell_now();
            tell_now();
            tracing::warn!("a new window begins");
        });
        let count = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
        let ends = |text: &str| lines.iter().filter(|line| line.ends_with(text)).count();
        assert_eq!(count("number=99"), 1, "of those attached only");
        assert_eq!(count("attached"), 300, "as many as a node has interfaces");
        assert_eq!(count("WARN the packet"), 10);
        assert_eq!(count("ERROR another place"), 10);
        assert_eq!(count("99990 more lines like this one in the last 0 s"), 1);
        assert_eq!(count("90 more lines like this one in the last 0 s"), 2);
        assert_eq!(count("held back: another place is not kept quiet"), 1);
        assert_eq!(count("a new window begins"), 1);
        assert_eq!(lines.len(), 300 + 10 + 10 + 2 + 1);
        assert_eq!(ends(&long), 0, "a long message is not repeated as a whole");
    }

    #[test]
    fn a_library_keeps_no_other_quiet() {
        use tracing_log::log;

        let say = |file, line| {
            let mut record = log::Record::builder();
            record.level(log::Level::Warn).target("library");
            record.file(Some(file)).line(Some(line));
            let record = record.args(format_args!("of a library")).build();
            tracing_log::format_trace(&record).unwrap();
        };
        let lines = written(|| {
            for _ in 0..10 {
                say("loud.rs", 1);
            }
            say("quiet.rs", 1);
        });
        assert_eq!(lines.len(), 10 + 1, "{lines:#?}");
    }

    #[test]
    fn a_message_is_cut_between_characters() {
        let mut text = String::new();
        let whole = "ä".repeat(SHOWN + 5);
        let _full = write!(Bounded(&mut text), "{whole}{whole}");
        assert_eq!(text.chars().count(), SHOWN);
    }
}
