//! Reverse names: which address a name below `in-addr.arpa` or `ip6.arpa` stands for.

use std::net::IpAddr;

use hickory_proto::rr::Name;

/// The address that `name` stands for (RFC 1035, section 3.5; RFC 3596, section 2.5); `None` for networks
/// and for all other names.
#[must_use]
pub fn address(name: &Name) -> Option<IpAddr> {
    // Most names are told apart by their number of labels.
    if !matches!(name.iter().len(), 6 | 34) {
        return None;
    }
    let network = name.parse_arpa_name().ok()?;
    let address = network.addr();
    // Numbers can be written in more ways than one; only one of them is the name of the address.
    (network.prefix_len() == network.max_prefix_len() && Name::from(address) == *name)
        .then_some(address)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(name: &str) -> Option<IpAddr> {
        address(&Name::from_ascii(name).unwrap())
    }

    #[test]
    fn whole_addresses_only() {
        let v6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.F.ip6.arpa.";
        for (name, expected) in [
            ("10.0.96.10.in-addr.arpa.", Some("10.96.0.10")),
            ("10.0.96.10.IN-ADDR.ARPA.", Some("10.96.0.10")),
            (v6, Some("fd00::1")),
            ("0.96.10.in-addr.arpa.", None),
            ("1.10.0.96.10.in-addr.arpa.", None),
            ("256.0.96.10.in-addr.arpa.", None),
            ("010.0.96.10.in-addr.arpa.", None),
            ("0-25.0.96.10.in-addr.arpa.", None),
            ("a.0.96.10.in-addr.arpa.", None),
            ("10.0.96.10.in-addr.example.", None),
            ("in-addr.arpa.", None),
            (".", None),
        ] {
            assert_eq!(
                read(name),
                expected.map(|text| text.parse().unwrap()),
                "{name}"
            );
        }
    }

    proptest! {
        #[test]
        fn the_reverse_of_an_address_leads_back(ip: IpAddr) {
            prop_assert_eq!(address(&Name::from(ip)), Some(ip));
        }
    }
}
