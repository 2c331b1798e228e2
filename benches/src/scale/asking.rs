//! Asks for the address of a Service, as a pod does, and tells whether the answer has the one that is awaited.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    time::Duration,
};

use anyhow::{Context as _, Result};
use hickory_proto::rr::RecordType;
use testbed::Namespace;

/// A socket in a pod.
#[derive(Debug)]
pub(super) struct Asker {
    socket: UdpSocket,
}

impl Asker {
    /// A socket towards a server, that waits so long for an answer.
    pub(super) fn new(pod: &Namespace, server: SocketAddr, patience: Duration) -> Result<Self> {
        let socket = pod.run(|| -> io::Result<_> {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            socket.connect(server)?;
            socket.set_read_timeout(Some(patience))?;
            Ok(socket)
        })?;
        Ok(Self {
            socket: socket.context("can't open a socket in the pod")?,
        })
    }

    /// Asks once; whether an answer came that ends in this address.
    ///
    /// A server that is not there yet is no error.
    pub(super) fn has(&self, query: &[u8], address: Ipv4Addr) -> bool {
        let mut buffer = [0; 1500];
        let asked = self.socket.send(query);
        let length = asked.and_then(|_| self.socket.recv(&mut buffer));
        length.is_ok_and(|length| is_answer(&buffer[..length], query, address))
    }
}

/// The query for a name's address.
pub(super) fn query(id: u16, name: &str) -> Result<Vec<u8>> {
    testbed::query(id, name, RecordType::A)
}

/// Whether a message answers the query with this address at its end: a single record.
fn is_answer(message: &[u8], query: &[u8], address: Ipv4Addr) -> bool {
    let id = |message: &[u8]| message.get(..2).map(<[u8]>::to_vec);
    // One answer, and nothing behind it.
    id(message) == id(query)
        && message.get(6..12) == Some(&[0, 1, 0, 0, 0, 0])
        && message.ends_with(&address.octets())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_awaited_address_of_the_same_query_counts() {
        let address = Ipv4Addr::new(10, 1, 2, 3);
        let query = query(7, "a.b.").unwrap();
        let mut answer = query.clone();
        answer[7] = 1;
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 10, 1, 2, 3]);
        assert!(is_answer(&answer, &query, address));
        assert!(!is_answer(&answer, &query, Ipv4Addr::LOCALHOST));
        let other = super::query(8, "a.b.").unwrap();
        assert!(!is_answer(&answer, &other, address));
        assert!(!is_answer(&query, &query, address));
    }
}
