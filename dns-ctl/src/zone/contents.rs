//! All that a store has been told, lent to be written down; and what was written down, as events again.

use std::collections::HashMap;

use serde::{Deserialize, Serialize, Serializer};

use super::{
    listing::{Keyed, Listing},
    object::{Change, EndpointSlice, Event, Namespace, ObjectKey, Pod, Service, SliceList},
};

/// What a store holds of each list that was complete at least once; a list that was not is left out.
#[derive(Debug, Serialize)]
pub struct Contents<'s> {
    pub(super) namespaces: Option<Objects<'s, Namespace>>,
    pub(super) services: Option<Objects<'s, Service>>,
    pub(super) slices: Vec<(SliceList, Objects<'s, EndpointSlice>)>,
    pub(super) pods: Option<Objects<'s, Pod>>,
}

/// The objects of a complete list, in no order.
#[derive(Debug)]
pub(super) struct Objects<'s, T>(&'s HashMap<ObjectKey, T>);

/// The same, read back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct OwnedContents {
    namespaces: Option<Vec<Namespace>>,
    services: Option<Vec<Service>>,
    slices: Vec<(SliceList, Vec<EndpointSlice>)>,
    pods: Option<Vec<Pod>>,
}

impl<T: Serialize> Serialize for Objects<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.values())
    }
}

/// The objects of `listing`, if it is complete.
pub(super) fn objects<T: Keyed + Clone + PartialEq>(
    listing: &Listing<T>,
) -> Option<Objects<'_, T>> {
    listing.listed().then(|| Objects(listing.live()))
}

impl OwnedContents {
    /// Complete lists, as a source tells them.
    ///
    /// Services come last: each is made up of what came before, and so only once.
    #[must_use]
    pub fn into_events(self) -> Vec<Event> {
        let mut events = Vec::new();
        list(&mut events, Event::Namespace, self.namespaces);
        for (of, slices) in self.slices {
            let event = |change| Event::EndpointSlice(of, change);
            list(&mut events, event, Some(slices));
        }
        list(&mut events, Event::Pod, self.pods);
        list(&mut events, Event::Service, self.services);
        events
    }
}

/// One complete list, if there is one.
fn list<T>(events: &mut Vec<Event>, event: impl Fn(Change<T>) -> Event, objects: Option<Vec<T>>) {
    let Some(objects) = objects else {
        return;
    };
    events.push(event(Change::Init));
    events.extend(
        objects
            .into_iter()
            .map(|object| event(Change::InitApply(object))),
    );
    events.push(event(Change::InitDone));
}
