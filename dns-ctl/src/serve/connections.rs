//! How many TCP connections there may be at a time: in all, and of one client.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// How many connections there may be at a time.
pub(super) const MOST: usize = 256;
/// How many of them one client address may have, so that no client keeps all others out.
pub(super) const MOST_OF_ONE: usize = 64;

/// The places of connections.
#[derive(Debug)]
pub(super) struct Connections {
    places: Arc<Semaphore>,
    /// Clients with connections; at most as many as there are places.
    clients: Mutex<HashMap<IpAddr, usize>>,
}

/// A place of a connection whose client is not known yet.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
}

/// A connection's place, free again when this is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    connections: Arc<Connections>,
    client: IpAddr,
    _place: Place,
}

impl Connections {
    /// No connections.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            places: Arc::new(Semaphore::new(MOST)),
            clients: Mutex::default(),
        })
    }

    /// Waits for a place.
    pub(super) async fn place(&self) -> Result<Place, AcquireError> {
        let permit = Arc::clone(&self.places).acquire_owned().await?;
        Ok(Place { _permit: permit })
    }

    /// Gives the place to a client, unless it has as many as one may have.
    pub(super) fn take(self: &Arc<Self>, place: Place, client: IpAddr) -> Option<Taken> {
        // An IPv4 client is the same one on a socket of both families.
        let client = client.to_canonical();
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let held = clients.entry(client).or_default();
        if *held >= MOST_OF_ONE {
            return None;
        }
        *held += 1;
        drop(clients);
        Some(Taken {
            connections: Arc::clone(self),
            client,
            _place: place,
        })
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let clients = &self.connections.clients;
        let mut clients = clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = clients.get_mut(&self.client) {
            *held -= 1;
            if *held == 0 {
                clients.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio_util::future::FutureExt as _;

    use super::*;

    fn client(number: u8) -> IpAddr {
        Ipv4Addr::new(10, 244, 0, number).into()
    }

    async fn take(connections: &Arc<Connections>, client: IpAddr) -> Option<Taken> {
        let place = connections.place().await.unwrap();
        connections.take(place, client)
    }

    #[tokio::test]
    async fn one_client_does_not_keep_another_out() {
        let connections = Connections::new();
        let mut held = Vec::new();
        for _ in 0..MOST_OF_ONE {
            held.push(take(&connections, client(1)).await.unwrap());
        }
        assert!(take(&connections, client(1)).await.is_none());
        let mapped = Ipv4Addr::new(10, 244, 0, 1).to_ipv6_mapped().into();
        assert!(
            take(&connections, mapped).await.is_none(),
            "the same client"
        );
        assert!(take(&connections, client(2)).await.is_some());
        held.pop();
        assert!(take(&connections, client(1)).await.is_some());
        held.clear();
        assert!(connections.clients.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn what_is_refused_or_over_leaves_its_place() {
        let connections = Connections::new();
        let mut held = Vec::new();
        let clients = u8::try_from(MOST / MOST_OF_ONE).unwrap();
        for number in 0..clients {
            for _ in 0..MOST_OF_ONE {
                held.push(take(&connections, client(number)).await.unwrap());
            }
            if number + 1 < clients {
                assert!(take(&connections, client(number)).await.is_none());
            }
        }
        let waits = connections.place().timeout(std::time::Duration::ZERO);
        assert!(waits.await.is_err(), "all places are taken");
        drop(held.pop());
        assert!(take(&connections, client(200)).await.is_some());
    }
}
