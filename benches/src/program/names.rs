//! Names of Services as clusters have them, of three lengths, as many as are wanted.

/// Names of one length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// 24 octets in wire form.
    Short,
    /// 40 octets in wire form.
    Middle,
    /// 100 octets in wire form.
    Long,
}

/// Namespaces that the Services are in.
const NAMESPACES: usize = 97;

impl Length {
    /// Every length.
    pub(crate) const ALL: [Self; 3] = [Self::Short, Self::Middle, Self::Long];

    /// Octets of the names in wire form, root label included.
    #[cfg(test)]
    pub(crate) const fn octets(self) -> usize {
        match self {
            Self::Short => 24,
            Self::Middle => 40,
            Self::Long => 100,
        }
    }

    /// The name of the Service of that number; its namespace follows from the number.
    pub(crate) fn held(self, number: usize) -> String {
        self.name('s', number)
    }

    /// A name that differs from every one that [`Length::held`] gives.
    pub(crate) fn unknown(self, number: usize) -> String {
        self.name('u', number)
    }

    fn name(self, first: char, number: usize) -> String {
        // Digits that follow the first letter of the Service's and of the namespace's label.
        let (service, namespace, domain) = match self {
            Self::Short => (4, 1, "k8s.local"),
            Self::Middle => (9, 8, "cluster.local"),
            Self::Long => (39, 38, "cluster.local"),
        };
        let of = number % NAMESPACES % 36_usize.pow(namespace.min(2));
        let (service, namespace) = (digits(number, service), digits(of, namespace));
        format!("{first}{service}.n{namespace}.svc.{domain}")
    }
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
        for length in Length::ALL {
            let mut seen = HashSet::new();
            for number in [0, 1, 35, 36, 97, 333_333] {
                for name in [length.held(number), length.unknown(number)] {
                    assert_eq!(wire(&name).len(), length.octets(), "{name}");
                    assert_eq!(wire(&name), packets::fixture::wire(&name));
                    assert!(seen.insert(name));
                }
            }
        }
    }
}
