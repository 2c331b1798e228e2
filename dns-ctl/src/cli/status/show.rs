//! The status as people read it: what matters first, then the tables.

use std::{fmt::Write as _, time::Duration};

use comfy_table::{CellAlignment, Table, presets};
use dns_common::{Dropped, Hit, Miss};

use super::{
    Status,
    live::{Live, Source, Upstream},
};

/// Addresses of the service that are shown; there are few unless endpoints' are among them.
const SHOWN: usize = 6;

/// All of it.
pub(super) fn text(status: &Status) -> String {
    let mut text = String::new();
    if !status.running {
        text.push_str("No dns-ctl is running here; these are the maps that one left behind.\n\n");
    }
    let mut say = |name: &str, value: String| {
        // Writing to a `String` can't fail.
        let _infallible = writeln!(text, "{name}: {value}");
    };
    match &status.instance {
        Some(live) => instance(live, &mut say),
        None if status.running => say(
            "Instance",
            "it runs, but does not say how it is; it is starting, hangs, or is of another version"
                .to_owned(),
        ),
        None => {}
    }
    let changed = status
        .changed_seconds
        .map_or("never".to_owned(), |age| format!("{} ago", period(age)));
    say("Last change of what is served", changed);
    say(
        "Lease",
        lease(Duration::from_secs_f64(status.lease_seconds)),
    );
    let denies = if status.denies {
        "others of the cluster are denied"
    } else {
        "others are passed on"
    };
    let held = format!("{} of {}; {denies}", status.entries, status.capacity);
    say("Names held", held);
    say("Answers at", addresses(status));
    if let Some(live) = &status.instance {
        let _infallible = write!(text, "\n{}\n", sources(&live.sources));
        if !live.upstreams.is_empty() {
            let _infallible = write!(text, "\n{}\n", upstreams(&live.upstreams));
        }
    }
    let _infallible = write!(text, "\n{}\n\n{}\n", interfaces(status), outcomes(status));
    text
}

/// What the instance says of itself.
fn instance(live: &Live, say: &mut impl FnMut(&str, String)) {
    let started = live
        .started_seconds
        .map_or_else(String::new, |age| format!(", started {} ago", period(age)));
    say("Instance", format!("{}{started}", live.who));
    let ready = if live.ready {
        "yes".to_owned()
    } else {
        format!("no: {}", live.missing.join("; "))
    };
    say("Ready", ready);
    let synced = match (live.synced, live.snapshot_seconds) {
        (true, _) => "yes, the whole cluster is known".to_owned(),
        (false, Some(age)) => {
            format!("no; what was known {} ago is served", period(age))
        }
        (false, None) => "no, not all of the cluster is known".to_owned(),
    };
    say("Synced", synced);
    let server = &live.server;
    say(
        "Server",
        format!(
            "{} answers, {} of them SERVFAIL; {} messages could not be read; {} queries wait for upstreams",
            server.answers, server.servfail, server.malformed, server.waiting
        ),
    );
    if live.names_left_out > 0 {
        let more = format!("{} for want of room; see --max-names", live.names_left_out);
        say("Names left out", more);
    }
    if live.interfaces_without > 0 {
        let without = format!("{}; the log has the reasons", live.interfaces_without);
        say("Interfaces without a program", without);
    }
}

fn addresses(status: &Status) -> String {
    let some: Vec<_> = status
        .addresses
        .iter()
        .take(SHOWN)
        .map(ToString::to_string)
        .collect();
    match status.addresses.len() {
        0 => "no address: no query is answered in the kernel".to_owned(),
        count if count > SHOWN => format!("{} and {} more", some.join(", "), count - SHOWN),
        _ => some.join(", "),
    }
}

fn sources(sources: &[Source]) -> Table {
    let header = [
        "FOLLOWED",
        "LISTED",
        "LAST HEARD",
        "LAST CHANGE",
        "ERRORS",
        "INVALID",
    ];
    let mut table = table(&header);
    let ago =
        |age: Option<u64>| age.map_or("never".to_owned(), |age| format!("{} ago", period(age)));
    for source in sources {
        table.add_row([
            source.kind.clone(),
            if source.listed { "yes" } else { "no" }.to_owned(),
            ago(source.heard_seconds),
            ago(source.changed_seconds),
            source.errors.to_string(),
            source.invalid.to_string(),
        ]);
    }
    table
}

fn upstreams(upstreams: &[Upstream]) -> Table {
    let mut table = table(&["UPSTREAM", "STATE", "TRIES", "FAILED"]);
    for upstream in upstreams {
        let state = match (upstream.looping, upstream.up) {
            (true, _) => "leads back here, not asked",
            (false, true) => "up",
            (false, false) => "down, asked last",
        };
        table.add_row([
            upstream.address.clone(),
            state.to_owned(),
            upstream.tries.to_string(),
            upstream.failures.to_string(),
        ]);
    }
    table
}

fn interfaces(status: &Status) -> Table {
    let mut interfaces = table(&["INTERFACE", "INDEX", "HOOK"]);
    for interface in &status.interfaces {
        interfaces.add_row([
            interface.name.clone(),
            interface.ifindex.to_string(),
            interface.hook.to_owned(),
        ]);
    }
    interfaces
}

fn outcomes(status: &Status) -> Table {
    let mut outcomes = table(&["PACKETS", "COUNT", "MEANING"]);
    let hits = Hit::ALL
        .iter()
        .map(|hit| ("hit", hit.label(), hit.text(), status.hits[hit.label()]));
    let misses = Miss::ALL.iter().map(|miss| {
        (
            "miss",
            miss.label(),
            miss.text(),
            status.misses[miss.label()],
        )
    });
    let drops = Dropped::ALL.iter().map(|dropped| {
        let label = dropped.label();
        ("drop", label, dropped.text(), status.drops[label])
    });
    for (result, label, meaning, count) in hits.chain(misses).chain(drops) {
        if count > 0 || result == "hit" {
            outcomes.add_row([
                format!("{result} {label}"),
                count.to_string(),
                meaning.to_owned(),
            ]);
        }
    }
    if let Some(column) = outcomes.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    outcomes
}

/// For how long the kernel goes on answering by itself.
pub(in crate::cli) fn lease(left: Duration) -> String {
    if left.is_zero() {
        return "expired; all queries are passed on".to_owned();
    }
    // A part of a second is a time in which it answers.
    let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s left"),
        (minutes, 0) => format!("{minutes} min left"),
        (minutes, seconds) => format!("{minutes} min {seconds} s left"),
    }
}

/// A time in seconds, in the largest unit of which there are two.
fn period(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    table
}

#[cfg(test)]
mod tests {
    use super::{super::tests::sample, *};

    #[test]
    fn the_lease_is_told_as_people_say_it() {
        for (milliseconds, expected) in [
            (0, "expired; all queries are passed on"),
            (1, "1 s left"),
            (59_000, "59 s left"),
            (59_001, "1 min left"),
            (594_500, "9 min 55 s left"),
            (86_400_000, "1440 min left"),
        ] {
            assert_eq!(lease(Duration::from_millis(milliseconds)), expected);
        }
    }

    #[test]
    fn the_table_shows_what_happened_and_what_it_means() {
        let text = text(&sample());
        assert!(
            text.contains("Names held: 12 of 131072; others of the cluster are denied"),
            "{text}"
        );
        assert!(text.contains("Lease: 9 min 55 s left\n"), "{text}");
        assert!(text.contains("veth0"), "{text}");
        for line in [
            "Instance: version 1, process 2, started 2 h ago\n",
            "Ready: yes\n",
            "Synced: yes, the whole cluster is known\n",
            "Server: 9 answers, 1 of them SERVFAIL; ",
            "Last change of what is served: 2 min ago\n",
            "Answers at: 10.96.0.10:53\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        let row = |begin: &str| {
            let mut lines = text.lines().map(str::trim);
            let line = lines.find(|line| line.starts_with(begin)).unwrap();
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(row("service "), "service yes 61 s ago never 4 0");
        assert_eq!(row("10.0.0.1:53"), "10.0.0.1:53 down, asked last 8 7");
        assert!(
            text.contains("miss torn") && text.contains(Miss::Torn.text()),
            "{text}"
        );
        assert!(text.contains("drop rate_limited"), "{text}");
        assert!(
            !text.contains("miss class"),
            "reasons that never happened are left out: {text}"
        );
    }

    #[test]
    fn what_is_wrong_is_said_in_words() {
        let mut status = sample();
        let live = status.instance.as_mut().unwrap();
        live.ready = false;
        live.missing = vec!["one thing".to_owned(), "another".to_owned()];
        live.synced = false;
        live.snapshot_seconds = Some(200_000);
        live.names_left_out = 3;
        live.interfaces_without = 1;
        status.addresses.clear();
        let text = super::text(&status);
        for line in [
            "Ready: no: one thing; another\n",
            "Synced: no; what was known 2 days ago is served\n",
            "Names left out: 3 for want of room",
            "Interfaces without a program: 1;",
            "Answers at: no address:",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        status.instance = None;
        assert!(super::text(&status).contains("Instance: it runs, but does not say how it is"));
        status.running = false;
        assert!(super::text(&status).starts_with("No dns-ctl is running here"));
        status.addresses = vec!["10.0.0.1:53".parse().unwrap(); 8];
        assert!(super::text(&status).contains("10.0.0.1:53 and 2 more\n"));
    }
}
