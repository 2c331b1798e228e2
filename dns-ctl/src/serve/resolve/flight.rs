//! Questions under way: who asks what somebody else is asking already waits for the same answer.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::{peer::lock, response::Response};
use crate::serve::answer::Cause;

/// What a question comes to.
pub(super) type Outcome = Result<Response, Cause>;

/// The questions under way, limited in number.
#[derive(Debug)]
pub(super) struct Flights {
    under_way: Mutex<HashMap<Box<[u8]>, Ticket>>,
    places: Arc<Semaphore>,
    limit: usize,
}

/// The way to a question's outcome.
#[derive(Clone, Debug)]
pub(super) struct Ticket(watch::Receiver<Option<Outcome>>);

/// A question under way, to be answered by its holder; one that is dropped has no answer.
#[derive(Debug)]
pub(super) struct Flight {
    flights: Arc<Flights>,
    key: Box<[u8]>,
    sender: watch::Sender<Option<Outcome>>,
    _place: OwnedSemaphorePermit,
}

/// What became of the wish to have a question answered.
#[derive(Debug)]
pub(super) enum Boarding {
    /// Somebody else asks it.
    Joined(Ticket),
    /// It is for the caller to ask it.
    Begun(Ticket, Flight),
    /// Too many are under way.
    Full,
}

impl Flights {
    /// Lets `limit` questions be under way.
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            under_way: Mutex::default(),
            places: Arc::new(Semaphore::new(limit)),
            limit,
        })
    }

    /// Joins those who ask `key`, or begins to.
    pub(super) fn board(self: &Arc<Self>, key: &[u8]) -> Boarding {
        let mut under_way = lock(&self.under_way);
        if let Some(ticket) = under_way.get(key) {
            return Boarding::Joined(ticket.clone());
        }
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return Boarding::Full;
        };
        let (sender, receiver) = watch::channel(None);
        let ticket = Ticket(receiver);
        under_way.insert(key.into(), ticket.clone());
        let flight = Flight {
            flights: Arc::clone(self),
            key: key.into(),
            sender,
            _place: place,
        };
        Boarding::Begun(ticket, flight)
    }

    /// Whether more than half of the places are free, so that work that nobody waits for may be done.
    pub(super) fn has_leisure(&self) -> bool {
        self.places.available_permits() > self.limit / 2
    }

    /// Lets those who ask from now on ask anew; who waits already still gets the answer under way.
    pub(super) fn forget(&self) {
        lock(&self.under_way).clear();
    }
}

impl Ticket {
    /// Waits for the outcome.
    pub(super) async fn landed(mut self) -> Outcome {
        match self.0.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Err(Cause::Unreachable)),
            // Its holder is gone, which happens only when the process ends.
            Err(_) => Err(Cause::Unreachable),
        }
    }
}

impl Flight {
    /// Gives `outcome` to all who wait.
    pub(super) fn land(self, outcome: Outcome) {
        // First off the list: who comes now finds the answer in the cache.
        self.leave();
        self.sender.send_replace(Some(outcome));
    }

    fn leave(&self) {
        let mut under_way = lock(&self.flights.under_way);
        // After `forget` the place may be another's.
        let is_own = under_way
            .get(&self.key)
            .is_some_and(|ticket| ticket.0.same_channel(&self.sender.subscribe()));
        if is_own {
            under_way.remove(&self.key);
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(boarding: Boarding) -> (Ticket, Flight) {
        match boarding {
            Boarding::Begun(ticket, flight) => (ticket, flight),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn who_asks_the_same_waits_for_the_same() {
        let flights = Flights::new(2);
        let (first, flight) = begun(flights.board(b"a"));
        let Boarding::Joined(second) = flights.board(b"a") else {
            panic!("asked twice");
        };
        let (_, other) = begun(flights.board(b"b"));
        assert!(matches!(flights.board(b"c"), Boarding::Full));
        assert!(!flights.has_leisure());

        flight.land(Err(Cause::NoUpstream));
        for ticket in [first, second] {
            assert_eq!(ticket.landed().await.unwrap_err(), Cause::NoUpstream);
        }
        begun(flights.board(b"a"));
        drop(other);
        assert!(flights.has_leisure());
    }

    #[tokio::test]
    async fn a_flight_that_is_dropped_leaves_nobody_waiting() {
        let flights = Flights::new(1);
        let (ticket, flight) = begun(flights.board(b"a"));
        drop(flight);
        assert_eq!(ticket.landed().await.unwrap_err(), Cause::Unreachable);
        begun(flights.board(b"a"));
    }

    #[tokio::test]
    async fn a_forgotten_flight_does_not_take_its_successor_off_the_list() {
        let flights = Flights::new(2);
        let (old_ticket, old) = begun(flights.board(b"a"));
        flights.forget();
        let (_, _new) = begun(flights.board(b"a"));
        old.land(Err(Cause::Unreachable));
        assert!(old_ticket.landed().await.is_err());
        assert!(matches!(flights.board(b"a"), Boarding::Joined(_)));
    }
}
