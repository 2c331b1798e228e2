//! Faults and counters of a running stub: what tests switch and read while it runs.

use std::time::Duration;

use anyhow::Result;

use crate::core::kind::Kind;
use crate::core::registry::Registry;
use crate::faults::{End, Failure, Verb};
use crate::http::listen::{Door, bind};
use crate::journal::{Counters, Request};
use crate::lock;
use crate::stub::ApiStub;

impl ApiStub {
    /// Forgets the history: a watch or a page from before now gets 410.
    pub fn compact(&self) {
        self.shared.change(Registry::compact);
    }

    /// Breaks every open connection now; new ones are accepted.
    pub fn drop_connections(&self) {
        self.shared
            .faults
            .connections
            .send_modify(|count| *count += 1);
    }

    /// Breaks every open watch now, in mid-stream.
    pub fn drop_watches(&self) {
        self.shared.faults.watches.send_replace(End::Broken);
    }

    /// Ends every open watch now, properly, as after `timeoutSeconds`.
    pub fn end_watches(&self) {
        self.shared.faults.watches.send_replace(End::Clean);
    }

    /// Makes every watch that allows it send a bookmark now.
    pub fn send_bookmarks(&self) {
        self.shared
            .faults
            .bookmarks
            .send_modify(|count| *count += 1);
    }

    /// Goes away: connections break and new ones are refused, until `come_back`.
    pub fn go_away(&self) {
        if let Some(door) = lock(&self.door).take() {
            door.close();
        }
        self.drop_connections();
    }

    /// Listens again on the same port; objects and history are as before.
    pub fn come_back(&self) -> Result<()> {
        let mut door = lock(&self.door);
        if let (None, Some(runtime)) = (door.as_ref(), &self.runtime) {
            let (listener, _) = bind(self.shared.address)?;
            let cut = self.shared.faults.connections.subscribe();
            *door = Some(Door::open(
                runtime.handle(),
                listener,
                self.app.clone(),
                cut,
            )?);
        }
        Ok(())
    }

    /// Answers every request so much later.
    pub fn set_delay(&self, delay: Duration) {
        self.shared.faults.set_delay(delay);
    }

    /// Sends watch events one by one with such a pause before each; zero sends them as they come.
    pub fn set_trickle(&self, pause: Duration) {
        self.shared.faults.set_trickle(pause);
    }

    /// Understands streaming lists, or refuses them with 422 as servers without the feature do.
    pub fn set_streaming_lists(&self, on: bool) {
        self.shared.faults.set_streaming_lists(on);
    }

    /// Refuses the next requests about objects so; health and discovery are not counted.
    pub fn fail_next(&self, count: usize, failure: Failure) {
        self.shared.faults.fail_next(count, None, failure);
    }

    /// Refuses the next requests that do this.
    pub fn fail_next_of(&self, verb: Verb, count: usize, failure: Failure) {
        self.shared.faults.fail_next(count, Some(verb), failure);
    }

    /// Forbids everything with objects of this kind from now on, as access rules do that leave it out.
    pub fn forbid(&self, kind: Kind) {
        self.shared.faults.forbid(kind);
    }

    /// Ends delays, pauses and refusals still to come.
    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// How many requests of which sort there were, and what was sent.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.journal.counters()
    }

    /// The last 10,000 requests, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.journal.requests()
    }

    /// Sets counters and log back.
    pub fn reset_counters(&self) {
        self.shared.journal.reset();
    }
}
