//! `dns-ctl top`: how many queries, what becomes of them, and who asks what, as it happens.

mod asked;
mod figures;
mod lines;
mod monitor;
mod pace;
mod screen;
mod sketch;
mod source;
mod stop;
mod tally;
mod terminal;
mod watch;

use std::{
    io::{self, IsTerminal as _},
    thread,
    time::{Duration, Instant},
};

use self::{
    monitor::{Memory, Monitor, Wanted},
    stop::Stop,
    tally::Order,
};
use crate::args::{Output, TopArgs};

/// How often samples are fetched: the ring buffer holds those of several times as long.
const DRAIN_INTERVAL: Duration = Duration::from_millis(25);

/// Shows an instance at work: on a terminal as a screen, else as lines.
pub fn top(args: &TopArgs) -> anyhow::Result<()> {
    let stop = Stop::on_signals()?;
    let count = if args.once { Some(1) } else { args.count };
    let is_live =
        count.is_none() && args.view.output == Output::Table && io::stdout().is_terminal();
    let memory = if is_live {
        Memory::Fading
    } else {
        Memory::Interval
    };
    let with_samples = !args.counters_only;
    let mut monitor = Monitor::start(&args.view.bpffs, with_samples, !args.no_names, memory)?;
    let interval = Duration::from_secs(args.interval.into());
    if is_live {
        return terminal::show(&mut monitor, interval, &stop);
    }
    let wanted = Wanted {
        order: Order::default(),
        rows: args.rows,
        names: true,
    };
    for number in 0_u32.. {
        if count.is_some_and(|count| number >= count) || !wait(&mut monitor, interval, &stop)? {
            break;
        }
        let figures = monitor.figures(wanted)?;
        let text = match args.view.output {
            Output::Json => serde_json::to_string(&figures)? + "\n",
            Output::Table if number > 0 => format!("\n{}", lines::text(&figures)),
            Output::Table => lines::text(&figures),
        };
        if !super::print(&text)? {
            break;
        }
    }
    Ok(())
}

/// Waits until the interval is over; whether it was waited for to its end.
fn wait(monitor: &mut Monitor, interval: Duration, stop: &Stop) -> anyhow::Result<bool> {
    let due = Instant::now() + interval;
    while !stop.is_asked() {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(true);
        }
        thread::sleep(left.min(DRAIN_INTERVAL));
        monitor.drain()?;
    }
    Ok(false)
}
