//! What `top` shows: the figures of an interval, from the counters before and after it and from samples.

use std::net::IpAddr;

use dns_common::Outcome;
use hickory_proto::rr::RecordType;
use serde::Serialize;

use super::{
    sketch::Frequent,
    source::Reading,
    tally::{Order, Tally},
};

/// The figures of an interval, as `--output json` shows them.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Figures {
    /// When the interval ended, RFC 3339.
    pub(super) time: String,
    /// How long it was.
    pub(super) seconds: f64,
    /// Whether the instance lives.
    pub(super) running: bool,
    /// Queries to the cluster's DNS that the programs saw. Counted, as all that follows up to the samples.
    pub(super) queries_per_second: f64,
    /// Those of them that the kernel answered.
    pub(super) answered_per_second: f64,
    /// Those of them that went on to the server, or to the cluster's DNS.
    pub(super) passed_on_per_second: f64,
    /// Those of them that were dropped, because their clients ask too often.
    pub(super) dropped_per_second: f64,
    /// The part of them that the kernel answered, 0 to 1; `None` without queries.
    pub(super) hit_ratio: Option<f64>,
    /// All other packets of the pods that the programs saw.
    pub(super) other_packets_per_second: f64,
    /// What became of packets: those outcomes that there ever were.
    pub(super) outcomes: Vec<Rate>,
    /// Names held.
    pub(super) entries: usize,
    /// Names that there is room for.
    pub(super) capacity: u32,
    /// Whether names of the cluster domains that are not held are denied in the kernel.
    pub(super) denies: bool,
    /// For how many seconds the kernel goes on answering without an instance.
    pub(super) lease_seconds: f64,
    /// Who asked what; `None` if no samples were to be taken.
    pub(super) samples: Option<Samples>,
}

/// How often a packet came to an outcome.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Rate {
    /// `hit` or `miss`.
    pub(super) result: &'static str,
    /// The outcome's label.
    pub(super) outcome: &'static str,
    /// Whether the packets are queries to the cluster's DNS.
    pub(super) is_query: bool,
    /// In the interval.
    pub(super) per_second: f64,
    /// Since the maps were made.
    pub(super) total: u64,
}

/// What the samples tell.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Samples {
    /// One query in so many is taken.
    pub(super) one_in: u32,
    /// So many were read.
    pub(super) taken: u64,
    /// So many had no room.
    pub(super) lost: u64,
    /// The busiest names; `None` if they are not to be shown.
    pub(super) names: Option<Vec<BusyName>>,
    /// The busiest clients.
    pub(super) clients: Vec<BusyClient>,
    /// The types most asked for.
    pub(super) types: Vec<BusyType>,
}

/// A name that is often asked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct BusyName {
    /// In lower case, with its last dot.
    pub(super) name: String,
    /// How often.
    #[serde(flatten)]
    pub(super) part: Part,
}

/// A client that asks often.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct BusyClient {
    /// Its address.
    pub(super) address: IpAddr,
    /// The interface that its queries come in by: its name, or its number if it is gone.
    pub(super) interface: String,
    /// How often.
    #[serde(flatten)]
    pub(super) part: Part,
}

/// A type that is often asked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct BusyType {
    /// Its name.
    pub(super) r#type: String,
    /// How often.
    #[serde(flatten)]
    pub(super) part: Part,
}

/// A part of all queries.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Part {
    /// Queries a second.
    pub(super) per_second: f64,
    /// Part of all queries, 0 to 1.
    pub(super) share: f64,
    /// By how much the share may be off, with 95 % certainty.
    pub(super) error: f64,
    /// Part of these queries that the kernel answered, 0 to 1.
    pub(super) hit_ratio: f64,
}

/// How the samples were taken, and what of them is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice<'t> {
    /// What they come to.
    pub(super) tally: &'t Tally,
    /// One in 2^`shift` was taken.
    pub(super) shift: u32,
    /// Read.
    pub(super) taken: u64,
    /// Lost.
    pub(super) lost: u64,
    /// In which order.
    pub(super) order: Order,
    /// How many names, and how many clients.
    pub(super) rows: usize,
    /// Whether names are to be shown.
    pub(super) with_names: bool,
}

impl Figures {
    /// The figures of the time between two readings of the same maps.
    pub(super) fn between(
        before: &Reading,
        after: &Reading,
        choice: Option<Choice<'_>>,
        time: String,
    ) -> Self {
        let seconds = (after.at - before.at).as_secs_f64();
        let outcomes: Vec<Rate> = Outcome::all()
            .map(|outcome| rate(before, after, outcome, seconds))
            .collect();
        let sum = |pick: fn(&&Rate) -> bool| -> f64 {
            // Not -0, which an empty sum is.
            0.0 + outcomes
                .iter()
                .filter(pick)
                .map(|it| it.per_second)
                .sum::<f64>()
        };
        let queries = sum(|it| it.is_query);
        let answered = sum(|it| it.result == HIT);
        Self {
            time,
            seconds,
            running: after.running,
            queries_per_second: queries,
            answered_per_second: answered,
            passed_on_per_second: sum(|it| it.is_query && it.result == MISS),
            dropped_per_second: sum(|it| it.result == DROP),
            hit_ratio: (queries > 0.0).then(|| answered / queries),
            other_packets_per_second: sum(|it| !it.is_query),
            entries: after.held,
            capacity: after.capacity,
            denies: after.denies,
            lease_seconds: after.lease.as_secs_f64(),
            samples: choice.map(|choice| choice.samples(queries, after)),
            outcomes: outcomes.into_iter().filter(|it| it.total > 0).collect(),
        }
    }
}

/// What [`Outcome::labels`] calls them.
const HIT: &str = "hit";
const MISS: &str = "miss";
const DROP: &str = "drop";

fn rate(before: &Reading, after: &Reading, outcome: Outcome, seconds: f64) -> Rate {
    let total = after.outcomes.count(outcome);
    let (result, label) = outcome.labels();
    Rate {
        result,
        outcome: label,
        is_query: outcome.is_query(),
        per_second: float(total.wrapping_sub(before.outcomes.count(outcome))) / seconds,
        total,
    }
}

/// More packets than this can tell apart come in no interval.
#[expect(clippy::cast_precision_loss, reason = "2^53 packets take years")]
pub(super) const fn float(count: u64) -> f64 {
    count as f64
}

impl Choice<'_> {
    fn samples(&self, queries_per_second: f64, reading: &Reading) -> Samples {
        let names = self.with_names.then(|| {
            let names = self.tally.names(self.order, self.rows).into_iter();
            names
                .map(|it| BusyName {
                    part: Part::of(&it, queries_per_second),
                    name: it.key,
                })
                .collect()
        });
        let clients = self.tally.clients(self.order, self.rows).into_iter();
        let clients = clients.map(|it| {
            let (address, index) = it.key;
            let interface = reading.interfaces.get(&index).cloned();
            BusyClient {
                address,
                interface: interface.unwrap_or_else(|| index.to_string()),
                part: Part::of(&it, queries_per_second),
            }
        });
        let types = self.tally.types(self.rows).into_iter();
        let types = types.map(|it| BusyType {
            r#type: RecordType::from(it.key).to_string(),
            part: Part::of(&it, queries_per_second),
        });
        Samples {
            one_in: 1 << self.shift,
            taken: self.taken,
            lost: self.lost,
            names,
            clients: clients.collect(),
            types: types.collect(),
        }
    }
}

impl Part {
    fn of<K>(frequent: &Frequent<K>, queries_per_second: f64) -> Self {
        Self {
            per_second: frequent.share * queries_per_second,
            share: frequent.share,
            error: frequent.error,
            hit_ratio: frequent.answered,
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
