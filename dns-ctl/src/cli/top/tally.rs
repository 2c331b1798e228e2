//! What the samples of a while come to: names, clients and types.

use std::net::IpAddr;

use super::{
    asked::Asked,
    sketch::{Frequent, Sketch},
};
use dns_common::Outcome;

/// Names, and clients, that there is room for: whatever has more than half a percent is among them.
const ROOM: usize = 512;
/// Types that there is room for.
const TYPES: usize = 64;
/// What is shown for a question that can't be read.
const UNREADABLE: &str = "(unreadable)";

/// The samples of a while.
#[derive(Debug)]
pub(super) struct Tally {
    names: Sketch<String>,
    clients: Sketch<(IpAddr, u32)>,
    types: Sketch<u16>,
    taken: f64,
    weight: f64,
}

/// By what the busiest are put in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Order {
    /// Those with the most queries first.
    #[default]
    Queries,
    /// Those of whose queries the most were passed on first.
    PassedOn,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            names: Sketch::new(ROOM),
            clients: Sketch::new(ROOM),
            types: Sketch::new(TYPES),
            taken: 0.0,
            weight: 0.0,
        }
    }
}

impl Tally {
    /// Adds a sample.
    pub(super) fn add(&mut self, asked: Asked) {
        let is_answered = matches!(asked.outcome, Outcome::Hit(_));
        self.taken += 1.0;
        self.weight += asked.weight;
        let client = (asked.client, asked.interface);
        self.clients.add(client, asked.weight, is_answered);
        let name = match asked.question {
            Some(question) => {
                self.types.add(question.kind, asked.weight, is_answered);
                question.name
            }
            None => UNREADABLE.to_owned(),
        };
        self.names.add(name, asked.weight, is_answered);
    }

    /// Lets all samples so far weigh only `factor` of what they did.
    pub(super) fn fade(&mut self, factor: f64) {
        self.names.fade(factor);
        self.clients.fade(factor);
        self.types.fade(factor);
        self.taken *= factor;
        self.weight *= factor;
    }

    /// The busiest names.
    pub(super) fn names(&self, order: Order, count: usize) -> Vec<Frequent<String>> {
        self.busiest(&self.names, order, count)
    }

    /// The busiest clients, with the interfaces by which they ask.
    pub(super) fn clients(&self, order: Order, count: usize) -> Vec<Frequent<(IpAddr, u32)>> {
        self.busiest(&self.clients, order, count)
    }

    /// The types most asked for.
    pub(super) fn types(&self, count: usize) -> Vec<Frequent<u16>> {
        self.busiest(&self.types, Order::Queries, count)
    }

    fn busiest<K: Clone + Eq + std::hash::Hash + Ord>(
        &self,
        sketch: &Sketch<K>,
        order: Order,
        count: usize,
    ) -> Vec<Frequent<K>> {
        // Nothing stands for less than itself.
        let sampled = self.taken / self.weight.max(1.0);
        let mut all = sketch.heaviest(ROOM, sampled);
        if order == Order::PassedOn {
            let passed_on = |it: &Frequent<K>| it.share * (1.0 - it.answered);
            // Stable: equal ones stay in the order of their queries.
            all.sort_by(|a, b| passed_on(b).total_cmp(&passed_on(a)));
        }
        all.truncate(count);
        all
    }
}

#[cfg(test)]
mod tests {
    use dns_common::{Hit, Miss};

    use super::{super::asked::Question, *};

    fn asked(name: &str, last: u8, outcome: Outcome) -> Asked {
        Asked {
            client: IpAddr::from([10, 0, 0, last]),
            interface: 7,
            question: Some(Question {
                name: name.to_owned(),
                kind: 1,
            }),
            outcome,
            weight: 4.0,
        }
    }

    #[test]
    fn names_clients_and_types_are_ranked_by_queries_or_by_those_passed_on() {
        let mut tally = Tally::default();
        for _ in 0..6 {
            tally.add(asked("held.", 1, Outcome::Hit(Hit::A)));
        }
        for _ in 0..3 {
            tally.add(asked("outside.", 2, Outcome::Miss(Miss::OutsideZones)));
        }
        tally.add(Asked {
            question: None,
            ..asked("", 3, Outcome::Miss(Miss::Compressed))
        });
        let names = |order| -> Vec<_> {
            let names = tally.names(order, 10);
            names.into_iter().map(|it| it.key).collect()
        };
        assert_eq!(names(Order::Queries), ["held.", "outside.", "(unreadable)"]);
        assert_eq!(
            names(Order::PassedOn),
            ["outside.", "(unreadable)", "held."]
        );
        let client = &tally.clients(Order::Queries, 1)[0];
        assert_eq!(client.key, (IpAddr::from([10, 0, 0, 1]), 7));
        assert!((client.share - 0.6).abs() < 1e-9 && (client.answered - 1.0).abs() < 1e-9);
        assert!(client.error > 0.1, "one in four of ten is little");
        assert_eq!(tally.types(9).len(), 1);
    }
}
