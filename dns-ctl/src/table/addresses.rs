//! Which addresses and ports the kernel answers for.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr, SocketAddrV4},
};

use dns_common::maps::{Config, MAX_SERVICES};

use crate::zone::{DNS_PORT, Zone};

/// Which addresses and ports the kernel answers for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Services {
    /// The addresses and ports; IPv4 addresses as such, never mapped into IPv6.
    pub sockets: BTreeSet<SocketAddr>,
    /// The first one of IPv4: a DNS Service's address, if there is such a one.
    pub usual: Option<SocketAddrV4>,
    /// How many more there are than the kernel has room for.
    pub left_out: usize,
}

/// The addresses and ports at which clients reach DNS: `fixed`, or else the DNS Services' own; those of `listen`
/// that another host or pod can reach; and, if asked for, the DNS Services' endpoints.
///
/// If they are too many, Services' addresses come first, then those of `listen`, then endpoints, each kind in order.
#[must_use]
pub fn wanted_services(
    fixed: &[IpAddr],
    zone: &Zone,
    listen: &[SocketAddr],
    answer_endpoints: bool,
) -> Services {
    let addresses = if fixed.is_empty() {
        zone.dns_addresses()
    } else {
        fixed
    };
    let services = addresses
        .iter()
        .map(|&address| SocketAddr::new(address, DNS_PORT));
    let listen = listen.iter().copied().filter(is_reachable);
    let endpoints = if answer_endpoints {
        zone.dns_endpoints()
    } else {
        &[]
    };
    let kinds = [
        sorted(services),
        sorted(listen),
        sorted(endpoints.iter().copied()),
    ];
    first_of(kinds, MAX_SERVICES as usize)
}

/// As many as there is room for, beginning with the first kind.
fn first_of(kinds: [BTreeSet<SocketAddr>; 3], room: usize) -> Services {
    let mut wanted = Services::default();
    let mut left_out = BTreeSet::new();
    for kind in kinds {
        for socket in kind {
            if wanted.sockets.len() < room {
                wanted.sockets.insert(socket);
                if let SocketAddr::V4(socket) = socket {
                    wanted.usual.get_or_insert(socket);
                }
            } else if !wanted.sockets.contains(&socket) {
                left_out.insert(socket);
            }
        }
    }
    wanted.left_out = left_out.len();
    wanted
}

/// The set of these sockets' ports, as the kernel programs have it ([`Config::ports`]).
#[must_use]
pub fn ports_mask(sockets: &BTreeSet<SocketAddr>) -> u64 {
    let bits = sockets.iter().map(|socket| Config::port_bit(socket.port()));
    bits.fold(0, |mask, bit| mask | bit)
}

/// Whether packets to it may come in by an interface.
fn is_reachable(socket: &SocketAddr) -> bool {
    let address = socket.ip().to_canonical();
    !address.is_unspecified() && !address.is_loopback() && socket.port() != 0
}

/// Each of the sockets once, in the form that packets have: no scope, no flow, no mapped address.
fn sorted(sockets: impl Iterator<Item = SocketAddr>) -> BTreeSet<SocketAddr> {
    sockets
        .map(|socket| SocketAddr::new(socket.ip().to_canonical(), socket.port()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zone::{
        Policy,
        fixture::{Cluster, ip, ips, ports, service, slice},
        object::Service,
    };

    /// A zone with the DNS Service at two addresses, and this many endpoints.
    fn zone(endpoints: usize) -> Zone {
        let addresses: Vec<_> = (0..endpoints).map(|it| format!("10.1.0.{it}")).collect();
        let addresses: Vec<_> = addresses.iter().map(String::as_str).collect();
        let dns = Service {
            ports: ports(&["dns/udp/53"]),
            ..service("dns.kube-system", ips(&["10.0.0.10", "fd00::10"]))
        };
        let cluster = Cluster {
            services: vec![dns],
            slices: vec![slice(
                "dns-1.kube-system",
                "dns",
                &addresses,
                &["dns/udp/1053"],
            )],
            ..Cluster::default()
        };
        let policy = Policy {
            dns_endpoints: true,
            ignore_empty_services: true,
            ..Policy::default()
        };
        cluster.listed(&policy).zone().clone()
    }

    fn sockets(texts: &[&str]) -> BTreeSet<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn each_source_adds_its_own() {
        let zone = zone(2);
        let listen = [
            "0.0.0.0:53",
            "[::]:53",
            "127.0.0.1:53",
            "[::1]:53",
            "[::ffff:127.0.0.1]:53",
            "[::ffff:0.0.0.0]:53",
            "169.254.20.10:5300",
            "169.254.20.11:0",
            "[::ffff:10.9.9.9]:53",
            "[fe80::1%7]:53",
        ];
        let listen: Vec<SocketAddr> = listen.iter().map(|text| text.parse().unwrap()).collect();
        let own = ["169.254.20.10:5300", "10.9.9.9:53", "[fe80::1]:53"];
        let dns = ["10.0.0.10:53", "[fd00::10]:53"];
        let endpoints = ["10.1.0.0:1053", "10.1.0.1:1053"];
        for (case, fixed, listen, answer_endpoints, expected) in [
            ("of the Service", vec![], &[][..], false, vec![&dns[..]]),
            (
                "fixed",
                vec![ip("10.0.0.9")],
                &[],
                false,
                vec![&["10.0.0.9:53"]],
            ),
            (
                "fixed and mapped",
                vec![ip("::ffff:10.0.0.9"), ip("10.0.0.9")],
                &[],
                false,
                vec![&["10.0.0.9:53"]],
            ),
            ("listening", vec![], &listen, false, vec![&dns, &own]),
            ("endpoints", vec![], &[], true, vec![&dns, &endpoints]),
            (
                "all",
                vec![ip("10.0.0.9")],
                &listen,
                true,
                vec![&["10.0.0.9:53"], &own, &endpoints],
            ),
        ] {
            let wanted = wanted_services(&fixed, &zone, listen, answer_endpoints);
            assert_eq!(wanted.sockets, sockets(&expected.concat()), "{case}");
            assert_eq!(wanted.left_out, 0, "{case}");
            let usual = wanted.usual.map(SocketAddr::V4);
            assert_eq!(usual, expected[0][0].parse().ok(), "{case}");
        }
        let none = wanted_services(&[], &Zone::default(), &[], true);
        assert_eq!(none, Services::default());
    }

    #[test]
    fn what_there_is_no_room_for_is_counted() {
        let endpoints = ["10.1.0.1:1053", "10.1.0.2:1053", "10.1.0.3:1053"];
        let kinds = || {
            [
                sockets(&["10.0.0.10:53", "[fd00::10]:53"]),
                sockets(&["10.9.9.9:53", "10.1.0.3:1053"]),
                sockets(&endpoints),
            ]
        };
        // The order of endpoints decides, so that nodes agree and nothing flaps; what is wanted twice takes one
        // place.
        for (room, left_out, last) in [
            (6, 0, "10.1.0.2:1053"),
            (5, 1, "10.1.0.1:1053"),
            (4, 2, "10.9.9.9:53"),
            (1, 5, "10.0.0.10:53"),
        ] {
            let wanted = first_of(kinds(), room);
            assert_eq!((wanted.sockets.len(), wanted.left_out), (room, left_out));
            assert!(wanted.sockets.contains(&last.parse().unwrap()), "{room}");
        }
    }

    #[test]
    fn every_port_is_in_the_mask() {
        let mask = ports_mask(&sockets(&["10.0.0.1:53", "10.0.0.2:53", "[fd00::1]:1053"]));
        assert_eq!(mask, Config::port_bit(53) | Config::port_bit(1053));
        assert_eq!(ports_mask(&BTreeSet::new()), 0);
    }
}
