//! A relay of datagrams between clients and another server, as an address translation makes one, which counts them.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use anyhow::{Context as _, Result};

use crate::{
    Namespace,
    sockets::{LARGEST, bind_udp},
};

/// A running relay; it ends when dropped.
#[derive(Debug)]
pub struct Relay {
    state: Arc<State>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct State {
    front: UdpSocket,
    back: UdpSocket,
    server: SocketAddr,
    /// Who asked under which id last.
    clients: Mutex<HashMap<[u8; 2], SocketAddr>>,
    queries: AtomicU64,
    stop: AtomicBool,
}

impl Relay {
    /// Takes datagrams at `address` in a namespace, passes them on to `server`, and takes the answers back.
    ///
    /// Answers find their client by their id, so not more than a few queries should be under way at once.
    pub fn start(namespace: &Namespace, address: SocketAddr, server: SocketAddr) -> Result<Self> {
        let any: IpAddr = match server {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let sockets = namespace.run(|| -> std::io::Result<_> {
            Ok((bind_udp(address)?, bind_udp(SocketAddr::new(any, 0))?))
        })?;
        let (front, back) =
            sockets.with_context(|| format!("can't bind {address} in {}", namespace.name()))?;
        let state = Arc::new(State {
            front,
            back,
            server,
            clients: Mutex::default(),
            queries: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        });
        let threads = [State::forth as fn(&State), State::back]
            .map(|work| {
                let state = Arc::clone(&state);
                thread::spawn(move || work(&state))
            })
            .into();
        Ok(Self { state, threads })
    }

    /// How many datagrams have been passed on to the server.
    #[must_use]
    pub fn queries(&self) -> u64 {
        self.state.queries.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A panic of the thread has been printed; a second one here would end the process.
            let _ = thread.join();
        }
    }
}

impl State {
    fn forth(&self) {
        self.move_datagrams(&self.front, |id, client, bytes| {
            let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
            clients.insert(id, client);
            drop(clients);
            self.queries.fetch_add(1, Ordering::Relaxed);
            let _ = self.back.send_to(bytes, self.server);
        });
    }

    fn back(&self) {
        self.move_datagrams(&self.back, |id, _, bytes| {
            let clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(client) = clients.get(&id) {
                let _ = self.front.send_to(bytes, client);
            }
        });
    }

    fn move_datagrams(&self, from: &UdpSocket, pass: impl Fn([u8; 2], SocketAddr, &[u8])) {
        let mut buffer = vec![0; LARGEST];
        while !self.stop.load(Ordering::Relaxed) {
            // It wakes up from waiting now and then.
            let Ok((length, sender)) = from.recv_from(&mut buffer) else {
                continue;
            };
            if let Some(id) = buffer[..length].first_chunk() {
                pass(*id, sender, &buffer[..length]);
            }
        }
    }
}
