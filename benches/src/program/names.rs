//! Names of Services and addresses as clusters have them, of several sorts, as many as are wanted.

/// Names of one sort: as long as each other, and with the same held for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// 24 octets in wire form; an IPv4 address.
    Short,
    /// 40 octets, as those below that say nothing else; an IPv4 address.
    Middle,
    /// 100 octets; an IPv4 address.
    Long,
    /// An IPv6 address.
    Six,
    /// 3 IPv4 addresses, of a headless Service.
    FewFour,
    /// 27 IPv4 addresses, close to the most that fit a message without EDNS.
    ManyFour,
    /// 8 IPv6 addresses.
    ManySix,
    /// 30 octets, the name of an address; the name of [`Sort::Middle`] that it points back to.
    Reverse,
}

/// The cluster domain: all names but those of addresses lie in it.
pub(crate) const DOMAIN: &str = "cluster.local";
/// Namespaces that the Services are in.
const NAMESPACES: usize = 97;

impl Sort {
    /// Every sort.
    pub(crate) const ALL: [Self; 8] = [
        Self::Short,
        Self::Middle,
        Self::Long,
        Self::Six,
        Self::FewFour,
        Self::ManyFour,
        Self::ManySix,
        Self::Reverse,
    ];

    /// The name of that number; its namespace follows from the number.
    pub(crate) fn held(self, number: usize) -> String {
        let first = match self {
            Self::Short | Self::Middle | Self::Long => 's',
            Self::Six => 'i',
            Self::FewFour => 'f',
            Self::ManyFour => 'm',
            Self::ManySix => 'e',
            Self::Reverse => return reverse(number),
        };
        self.service(first, number)
    }

    /// A name of [`Sort::Middle`]'s length in the cluster domain that is not held.
    pub(crate) fn unknown(number: usize) -> String {
        Self::Middle.service('u', number)
    }

    fn service(self, first: char, number: usize) -> String {
        // Digits that follow the first letter of the Service's and of the namespace's label. The short names
        // are without `svc`: with it they would have no place for enough digits.
        let (service, namespace, below) = match self {
            Self::Short => (4, 1, ""),
            Self::Long => (39, 38, ".svc"),
            _ => (9, 8, ".svc"),
        };
        let of = number % NAMESPACES % 36_usize.pow(namespace.min(2));
        let (service, namespace) = (digits(number, service), digits(of, namespace));
        format!("{first}{service}.n{namespace}{below}.{DOMAIN}")
    }
}

/// The name of an address whose four numbers have three digits each.
fn reverse(number: usize) -> String {
    let [a, b, c, d] = [1, 100, 10_000, 1_000_000].map(|unit| 100 + number / unit % 100);
    format!("{a}.{b}.{c}.{d}.in-addr.arpa")
}

/// The number to base 36, with leading zeros.
fn digits(mut number: usize, width: u32) -> String {
    let mut digits: Vec<char> = (0..width)
        .map(|_| {
            let digit = u32::try_from(number % 36).expect("below 36");
            number /= 36;
            char::from_digit(digit, 36).expect("below 36")
        })
        .collect();
    digits.reverse();
    digits.into_iter().collect()
}

/// The name in wire form, root label included.
pub(crate) fn wire(name: &str) -> Vec<u8> {
    let mut wire = Vec::with_capacity(name.len() + 2);
    for label in name.split('.') {
        wire.push(u8::try_from(label.len()).expect("labels here are short"));
        wire.extend_from_slice(label.as_bytes());
    }
    wire.push(0);
    wire
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_have_their_length_and_differ() {
        let mut seen = HashSet::new();
        for number in [0, 1, 35, 36, 97, 333_333] {
            let names = Sort::ALL.map(|sort| (sort, sort.held(number)));
            let unknown = (Sort::Middle, Sort::unknown(number));
            for (sort, name) in names.into_iter().chain([unknown]) {
                let octets = match sort {
                    Sort::Short => 24,
                    Sort::Long => 100,
                    Sort::Reverse => 30,
                    _ => 40,
                };
                assert_eq!(wire(&name).len(), octets, "{name}");
                assert_eq!(wire(&name), packets::fixture::wire(&name));
                assert!(seen.insert(name));
            }
        }
    }
}
