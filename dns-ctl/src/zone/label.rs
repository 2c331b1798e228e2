//! Labels that stand for addresses: `10-1-2-3` and `fd00--1`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The label of an address: its text with `-` for each separator, as kube-dns and CoreDNS write it.
#[must_use]
pub fn of_address(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string().replace('.', "-"),
        IpAddr::V6(address) => {
            let mut label = address.to_string().replace(':', "-");
            // A host name must not end in a hyphen (RFC 1123, section 2.1).
            if label.ends_with('-') {
                label.push('0');
            }
            label
        }
    }
}

/// The address that a label stands for, in any way of writing it; `None` if it stands for none.
#[must_use]
pub fn to_address(label: &[u8]) -> Option<IpAddr> {
    let label = std::str::from_utf8(label).ok()?;
    // Separators only: a dot inside a label must not pass for one.
    if label.contains(['.', ':']) {
        return None;
    }
    if label.matches('-').count() == 3 && !label.contains("--") {
        let address: Ipv4Addr = label.replace('-', ".").parse().ok()?;
        return Some(address.into());
    }
    let address: Ipv6Addr = label.replace('-', ":").parse().ok()?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_written_as_labels() {
        for (address, label) in [
            ("10.1.2.3", "10-1-2-3"),
            ("fd00::1", "fd00--1"),
            ("fd00::", "fd00--0"),
            ("1:2:3:4:5:6:7:8", "1-2-3-4-5-6-7-8"),
        ] {
            assert_eq!(of_address(address.parse().unwrap()), label);
        }
    }

    #[test]
    fn other_labels_stand_for_no_address() {
        for label in [
            "",
            "nginx",
            "1-2-3",
            "1-2-3-4-5",
            "1-2-3-256",
            "01-2-3-4",
            "1--2--3",
            "-",
            "1.2.3.4",
            "fd00::1",
            "fd00--1--2",
        ] {
            assert_eq!(to_address(label.as_bytes()), None, "{label}");
        }
        let long_form = "FD00-0-0-0-0-0-0-1".as_bytes();
        assert_eq!(to_address(long_form), Some("fd00::1".parse().unwrap()));
        assert_eq!(to_address(b"\xff-1-2-3"), None);
    }

    proptest! {
        #[test]
        fn a_label_leads_back_to_its_address(address: IpAddr) {
            let address = address.to_canonical();
            prop_assert_eq!(to_address(of_address(address).as_bytes()), Some(address));
        }

        #[test]
        fn any_label_is_read_without_a_panic(label: Vec<u8>) {
            let _ = to_address(&label);
        }
    }
}
