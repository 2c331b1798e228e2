//! The directive `bind`: the addresses that are served.

use std::net::{IpAddr, SocketAddr};

use super::{
    account::Fate,
    corefile::Directive,
    flags::Flags,
    translate::{Plugin, Scope},
};

/// A `bind` line.
pub(super) struct Bind<'a> {
    pub(super) scope: &'a Scope<'a>,
    pub(super) flags: &'a mut Flags,
}

impl Plugin for Bind<'_> {
    fn option(&mut self, _: &Directive) -> Fate {
        Fate::missing("addresses are named, not left out; write those to be served with --listen")
    }

    fn directive(&mut self, directive: &Directive) -> Fate {
        let (mut carried, mut problems) = (Vec::new(), Vec::new());
        for text in &directive.arguments {
            let Ok(ip) = text.parse::<IpAddr>() else {
                problems.push(format!(
                    "{text} is not an address; write the addresses to be served with --listen"
                ));
                continue;
            };
            for port in self.scope.ports() {
                let address = SocketAddr::new(ip, port);
                if !self.flags.listen.contains(&address) {
                    self.flags.listen.push(address);
                }
                carried.push(format!("--listen {address}"));
            }
        }
        if directive.arguments.is_empty() {
            problems.push("CoreDNS wants an address here".to_owned());
        }
        Fate::carried_but(carried.join(" "), &problems)
    }
}

/// Leaves out addresses that a wildcard of the same family and port serves already.
pub(super) fn settle(listen: &mut Vec<SocketAddr>) {
    let wildcards: Vec<_> = listen
        .iter()
        .copied()
        .filter(|address| address.ip().is_unspecified())
        .collect();
    listen.retain(|address| {
        address.ip().is_unspecified()
            || !wildcards.iter().any(|wildcard| {
                wildcard.port() == address.port() && wildcard.is_ipv4() == address.is_ipv4()
            })
    });
}
