//! The figures, as a table.

use std::time::Duration;

use testbed::{Part, Tally};

/// What a step came to, beyond its queries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) name: &'static str,
    /// From the request to stop to the end of the process.
    pub(crate) stop: Option<Duration>,
    /// From the start of the next process to its first answer.
    pub(crate) start: Option<Duration>,
    /// Denials that the kernel passed on.
    pub(crate) passed: u64,
}

/// Prints a row for each step; `held` questions come before denied ones.
///
/// Hits and denials are what the kernel is asked, with the longest time without an answer from it; a `gap` of the
/// server is the longest time without an answer from that. `stop` is from the request to the end of a process,
/// `start` from there to the first answer of the next one, all in milliseconds.
pub(crate) fn print(steps: &[Figures], kernel: &[Part], held: usize, server: &[Part]) {
    println!(
        "{:<26}|{:>9} {:>5} {:>5} |{:>8} {:>6} {:>5} {:>5} {:>5} |{:>6} {:>5} {:>5} {:>6} |{:>6} {:>6}",
        "",
        "hits",
        "lost",
        "wrong",
        "denials",
        "passed",
        "fail",
        "lost",
        "wrong",
        "server",
        "fail",
        "lost",
        "gap ms",
        "stop",
        "start"
    );
    let ms = |time: Option<Duration>| time.map_or(String::new(), |it| it.as_millis().to_string());
    for (at, figures) in steps.iter().enumerate() {
        let (Some(kernel), Some(server)) = (kernel.get(at), server.get(at)) else {
            continue;
        };
        let gap = kernel.gap.as_millis();
        let (hits, denials) = kernel.tallies.split_at(held);
        let (hits, denials) = (Tally::sum(hits), Tally::sum(denials));
        let all = Tally::sum(&server.tallies);
        println!(
            "{:<26}|{:>9} {:>5} {:>5} {:>6} |{:>8} {:>6} {:>5} {:>5} {:>5} |{:>6} {:>5} {:>5} {:>6} |{:>6} {:>6}",
            figures.name,
            hits.sent,
            hits.lost,
            hits.wrong + hits.failed,
            gap,
            denials.sent,
            figures.passed,
            denials.failed,
            denials.lost,
            denials.wrong,
            all.sent,
            all.failed,
            all.lost,
            server.gap.as_millis(),
            ms(figures.stop),
            ms(figures.start),
        );
    }
}
