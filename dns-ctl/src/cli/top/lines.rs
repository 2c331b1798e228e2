//! The figures as text, for pipes and files.

use std::{fmt::Write as _, time::Duration};

use comfy_table::{CellAlignment, Table, presets};

use super::{
    super::status::lease,
    figures::{Figures, Part, Samples},
};

/// What no sample tells.
pub(super) const NOT_SAMPLED: &str =
    "Not seen: DNS over TCP (dns-ctl's server), and interfaces without a program.";

/// The figures of an interval.
pub(super) fn text(figures: &Figures) -> String {
    let mut text = format!("{}\n{}\n", summary(figures), state(figures));
    let mut outcomes = table(&["PACKETS", "PER SECOND", "TOTAL"]);
    for it in &figures.outcomes {
        outcomes.add_row([
            format!("{} {}", it.result, it.outcome),
            count(it.per_second),
            it.total.to_string(),
        ]);
    }
    // Writing to a `String` can't fail.
    let _infallible = writeln!(text, "\n{}", right(outcomes, 1));
    if let Some(samples) = &figures.samples {
        let _infallible = write!(text, "\n{}", sampled(samples));
    }
    text
}

/// Queries, and what became of them, in a line.
pub(super) fn summary(figures: &Figures) -> String {
    let ratio = figures.hit_ratio.map_or("-".to_owned(), percent);
    format!(
        "{}  {} queries/s, {ratio} answered in the kernel, {} passed on/s{}, {} other packets/s",
        figures.time,
        count(figures.queries_per_second),
        count(figures.passed_on_per_second),
        dropped(figures),
        count(figures.other_packets_per_second),
    )
}

/// Queries that were dropped, if any ever were.
pub(super) fn dropped(figures: &Figures) -> String {
    if figures.outcomes.iter().any(|it| it.result == "drop") {
        format!(", {} dropped/s", count(figures.dropped_per_second))
    } else {
        String::new()
    }
}

/// Lease and names in a line.
pub(super) fn state(figures: &Figures) -> String {
    format!(
        "{}Lease: {}. Names held: {} of {}; {}",
        if figures.running {
            ""
        } else {
            "No dns-ctl is running here. "
        },
        lease(Duration::from_secs_f64(figures.lease_seconds)),
        figures.entries,
        figures.capacity,
        if figures.denies {
            "others of the cluster are denied"
        } else {
            "others are passed on"
        }
    )
}

/// How samples are taken, in a line.
pub(super) fn sampling(samples: &Samples) -> String {
    let one_in = match samples.one_in {
        1 => "Every query".to_owned(),
        2 => "Every other query".to_owned(),
        many => format!("One query in {many}"),
    };
    let lost = match samples.lost {
        0 => String::new(),
        lost => format!(", {lost} lost"),
    };
    format!("{one_in} is looked at: {} samples{lost}.", samples.taken)
}

fn sampled(samples: &Samples) -> String {
    let mut text = String::new();
    if let Some(names) = &samples.names {
        let mut busy = table(&["NAME", "PER SECOND", "SHARE", "ERROR", "ANSWERED"]);
        for it in names {
            busy.add_row([std::slice::from_ref(&it.name), &cells(&it.part)[..]].concat());
        }
        let _infallible = writeln!(text, "{}\n", right(busy, 1));
    }
    let mut busy = table(&[
        "CLIENT",
        "INTERFACE",
        "PER SECOND",
        "SHARE",
        "ERROR",
        "ANSWERED",
    ]);
    for it in &samples.clients {
        let who = [it.address.to_string(), it.interface.clone()];
        busy.add_row([&who[..], &cells(&it.part)[..]].concat());
    }
    let _infallible = writeln!(text, "{}\n", right(busy, 2));
    let mut busy = table(&["TYPE", "PER SECOND", "SHARE", "ERROR", "ANSWERED"]);
    for it in &samples.types {
        busy.add_row([std::slice::from_ref(&it.r#type), &cells(&it.part)[..]].concat());
    }
    let _infallible = writeln!(
        text,
        "{}\n\n{} {NOT_SAMPLED}",
        right(busy, 1),
        sampling(samples)
    );
    text
}

/// Queries a second, share, error, and the part answered.
pub(super) fn cells(part: &Part) -> [String; 4] {
    [
        count(part.per_second),
        percent(part.share),
        format!("±{}", percent(part.error)),
        percent(part.hit_ratio),
    ]
}

/// A number a second: with a digit behind the point only if it is small.
pub(super) fn count(number: f64) -> String {
    if number > 0.0 && number < 10.0 {
        format!("{number:.1}")
    } else {
        format!("{number:.0}")
    }
}

/// A part of one as a percentage.
pub(super) fn percent(part: f64) -> String {
    format!("{:.1} %", part * 100.0)
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    table
}

/// The table with its columns from `first` on, which are numbers, to the right.
fn right(mut table: Table, first: usize) -> Table {
    for column in table.column_iter_mut().skip(first) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::{super::figures::tests::figures, *};

    #[test]
    fn the_text_has_every_figure_and_says_what_is_not_in_it() {
        let text = text(&figures());
        for words in [
            "2000 queries/s, 75.0 % answered in the kernel, 500 passed on/s, 20 other packets/s",
            "Lease: 9 min left. Names held: 12 of 100; others of the cluster are denied",
            "One query in 8 is looked at: 250 samples, 3 lost.",
            NOT_SAMPLED,
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        let line = |begin: &str| -> Vec<String> {
            let line = text
                .lines()
                .find(|line| line.trim_start().starts_with(begin));
            let line = line.unwrap_or_else(|| panic!("no {begin}: {text}"));
            line.split_whitespace().map(str::to_owned).collect()
        };
        assert_eq!(line("hit a"), ["hit", "a", "1500", "3000"]);
        assert_eq!(line("miss not_udp"), ["miss", "not_udp", "20", "40"]);
        assert_eq!(&line("held.x.")[..4], ["held.x.", "1500", "75.0", "%"]);
        assert_eq!(&line("10.0.0.1")[1..3], ["pod-a", "1500"]);
        assert_eq!(&line("10.0.0.2")[1..2], ["9"], "an interface that is gone");
        assert_eq!(&line("AAAA")[1..2], ["500"]);
        assert!(
            !text.contains("hit ptr"),
            "what never happened is left out: {text}"
        );
    }

    #[test]
    fn numbers_are_as_long_as_they_say_something() {
        for (number, expected) in [
            (0.0, "0"),
            (0.04, "0.0"),
            (3.25, "3.2"),
            (10.0, "10"),
            (1234.5, "1234"),
        ] {
            assert_eq!(count(number), expected);
        }
        assert_eq!(percent(0.0625), "6.2 %");
    }
}
