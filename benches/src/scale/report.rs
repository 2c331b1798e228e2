//! The results of `bench scale`.

use std::time::Duration;

use serde::Serialize;

use super::{bed::Subject, population::Population, start::Start};
use crate::summary::Summary;

/// Everything that was measured, and how.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// What the programs say of their versions.
    pub(super) versions: Vec<String>,
    #[serde(flatten)]
    pub(super) setting: Setting,
    /// Starts, with each cluster.
    pub(super) clusters: Vec<Cluster>,
    /// Changes, a plain watch first.
    pub(super) events: Vec<Events>,
}

/// How it was measured.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Setting {
    /// Rounds.
    pub(super) rounds: u32,
    /// Changes a second.
    pub(super) rate: u32,
    /// Seconds of changes in each turn.
    pub(super) seconds: u32,
    /// Services while changes are made.
    pub(super) services_of_events: u32,
}

/// Starts with one cluster.
#[derive(Debug, Serialize)]
pub(super) struct Cluster {
    pub(super) services: u32,
    pub(super) endpoints: u32,
    /// Seconds to read all lists, and do nothing with them.
    pub(super) plain_lists: Summary,
    pub(super) subjects: Vec<Row>,
    /// Ratios of dns-ctl to the others.
    pub(super) ratios: Vec<Ratio>,
}

/// Starts of a subject: seconds and octets.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) subject: Subject,
    pub(super) answered: Summary,
    pub(super) in_kernel: Option<Summary>,
    pub(super) ready: Summary,
    pub(super) processor: Summary,
    pub(super) resident: Summary,
    pub(super) peak: Summary,
    pub(super) proportional: Summary,
    pub(super) maps: Option<Summary>,
    pub(super) received: Summary,
}

/// A subject, divided by another one, round by round.
#[derive(Debug, Serialize)]
pub(super) struct Ratio {
    pub(super) subject: Subject,
    pub(super) to: Subject,
    pub(super) ready: Summary,
    pub(super) processor: Summary,
    pub(super) resident: Summary,
    pub(super) peak: Summary,
    pub(super) proportional: Summary,
    pub(super) received: Summary,
}

/// From a change to its answer, in milliseconds.
#[derive(Debug, Serialize)]
pub(super) struct Events {
    /// Who; nothing: a plain watch.
    pub(super) subject: Option<Subject>,
    /// Changes of all rounds together.
    pub(super) changes: usize,
    /// Half of a turn's changes took less.
    pub(super) p50: Summary,
    /// All but one in a hundred took less.
    pub(super) p99: Summary,
    /// The longest of a turn.
    pub(super) most: Summary,
}

impl Cluster {
    /// The results with one cluster, of one round at least.
    pub(super) fn of(
        population: Population,
        lists: &[Duration],
        series: &[(Subject, Vec<Start>)],
    ) -> Self {
        let lists: Vec<_> = lists.iter().map(Duration::as_secs_f64).collect();
        let against = |to: &(Subject, Vec<Start>)| {
            let others = series.iter().filter(move |(subject, _)| {
                *subject != to.0 && subject.is_dns_ctl() && *subject != Subject::Against
            });
            let to = (to.0, to.1.clone());
            others
                .filter(move |(subject, _)| to.0 == Subject::CoreDns || *subject == Subject::DnsCtl)
                .map(|(subject, starts)| (*subject, starts.clone()))
                .collect::<Vec<_>>()
        };
        let ratios = series
            .iter()
            .filter(|(to, _)| matches!(to, Subject::Against | Subject::CoreDns))
            .flat_map(|to| {
                against(to)
                    .into_iter()
                    .map(|(subject, starts)| Ratio::of(subject, &starts, to.0, &to.1))
            });
        Self {
            services: population.services,
            endpoints: population.all_endpoints(),
            plain_lists: Summary::of(&lists),
            subjects: series
                .iter()
                .map(|(subject, starts)| Row::of(*subject, starts))
                .collect(),
            ratios: ratios.collect(),
        }
    }
}

impl Row {
    fn of(subject: Subject, starts: &[Start]) -> Self {
        let summary = |value: fn(&Start) -> f64| summary(starts, value);
        let if_all = |value: fn(&Start) -> Option<f64>| {
            let values: Option<Vec<_>> = starts.iter().map(value).collect();
            values.map(|values| Summary::of(&values))
        };
        Self {
            subject,
            answered: summary(|it| it.answered.as_secs_f64()),
            in_kernel: if_all(|it| it.in_kernel.map(|time| time.as_secs_f64())),
            ready: summary(|it| it.ready.as_secs_f64()),
            processor: summary(|it| it.processor.as_secs_f64()),
            resident: summary(|it| it.memory.resident),
            peak: summary(|it| it.memory.peak),
            proportional: summary(|it| it.memory.proportional),
            maps: if_all(|it| it.maps),
            received: summary(|it| it.received),
        }
    }
}

impl Ratio {
    fn of(subject: Subject, starts: &[Start], to: Subject, others: &[Start]) -> Self {
        let ratio = |value: fn(&Start) -> f64| {
            let rounds = starts.iter().zip(others);
            let ratios: Vec<_> = rounds
                .map(|(one, other)| value(one) / value(other))
                .collect();
            Summary::of(&ratios)
        };
        Self {
            subject,
            to,
            ready: ratio(|it| it.ready.as_secs_f64()),
            processor: ratio(|it| it.processor.as_secs_f64()),
            resident: ratio(|it| it.memory.resident),
            peak: ratio(|it| it.memory.peak),
            proportional: ratio(|it| it.memory.proportional),
            received: ratio(|it| it.received),
        }
    }
}

impl Events {
    /// The results of one subject, of one turn at least, with one change at least.
    pub(super) fn of(subject: Option<Subject>, turns: &[Vec<f64>]) -> Self {
        let sorted: Vec<Vec<f64>> = turns
            .iter()
            .map(|turn| {
                let mut turn = turn.clone();
                turn.sort_by(f64::total_cmp);
                turn
            })
            .collect();
        let of = |hundredths: usize| {
            let values: Vec<_> = sorted
                .iter()
                .map(|turn| nearest(turn, hundredths))
                .collect();
            Summary::of(&values)
        };
        Self {
            subject,
            changes: turns.iter().map(Vec::len).sum(),
            p50: of(50),
            p99: of(99),
            most: of(100),
        }
    }
}

/// The smallest of the sorted values that so many of a hundred do not exceed.
fn nearest(sorted: &[f64], hundredths: usize) -> f64 {
    let rank = (sorted.len() * hundredths).div_ceil(100);
    sorted[rank.max(1) - 1]
}

fn summary(starts: &[Start], value: fn(&Start) -> f64) -> Summary {
    Summary::of(&starts.iter().map(value).collect::<Vec<_>>())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::scale::memory::Memory;

    fn start(seconds: u64, resident: f64) -> Start {
        let time = Duration::from_secs(seconds);
        Start {
            answered: time,
            in_kernel: None,
            ready: time,
            processor: time,
            memory: Memory {
                resident,
                peak: resident,
                proportional: resident,
            },
            maps: None,
            received: 1e6,
        }
    }

    pub(in crate::scale) fn cluster() -> Cluster {
        let population = Population {
            services: 10,
            endpoints: 0,
        };
        let series = [
            (Subject::DnsCtl, vec![start(1, 30.0), start(20, 30.0)]),
            (Subject::CoreDns, vec![start(2, 60.0), start(40, 120.0)]),
        ];
        Cluster::of(population, &[Duration::from_millis(10)], &series)
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        let cluster = cluster();
        let [ratio] = &cluster.ratios[..] else {
            panic!("{:?}", cluster.ratios);
        };
        assert!((ratio.ready.p10 - 0.5).abs() < 1e-9);
        assert!((ratio.ready.p90 - 0.5).abs() < 1e-9);
        assert!((ratio.resident.median - 0.375).abs() < 1e-9);
    }

    #[test]
    fn quantiles_are_values_that_were() {
        let turn: Vec<f64> = (1..=200).map(f64::from).collect();
        let events = Events::of(None, &[turn]);
        assert!((events.p50.median - 100.0).abs() < 1e-9);
        assert!((events.p99.median - 198.0).abs() < 1e-9);
        assert!((events.most.median - 200.0).abs() < 1e-9);
        assert!((nearest(&[7.0], 1) - 7.0).abs() < 1e-9);
    }
}
