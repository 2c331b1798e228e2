//! What can become of a packet: one list of reasons for counters, metric labels and documents.

/// Declares an enum whose variants have an index, a label and a sentence.
macro_rules! reasons {
    (
        $(#[$attribute:meta])*
        $name:ident { $($variant:ident = $label:literal, $text:literal;)+ }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum $name {
            $(#[doc = $text] $variant,)+
        }

        impl $name {
            /// Every variant, in the order of its index.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The metric label.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label),+ }
            }

            /// The reason in one sentence.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
    };
}

reasons! {
    /// The kind of an answer given in the kernel.
    Hit {
        A = "a", "Answered with IPv4 addresses.";
        Aaaa = "aaaa", "Answered with IPv6 addresses.";
        NoData = "nodata", "Answered that the name has no record of the type.";
        NxDomain = "nxdomain", "Answered that the name does not exist.";
        Ptr = "ptr", "Answered with the name that an address points back to.";
        Truncated = "rate_limited", "Told to ask over TCP, because its client asks more often than it may.";
    }
}

reasons! {
    /// Why a packet was passed on, in the order in which the packet path finds out.
    Miss {
        NotConfigured = "not_configured", "Userspace has not written the maps yet.";
        Truncated = "truncated", "The packet ends before its headers, its question or its OPT record do.";
        NotUnicast = "not_unicast", "The frame goes to a group of stations.";
        NotIp = "not_ip", "The frame carries neither IPv4 nor IPv6, or more than two VLAN tags.";
        IpHeader = "ip_header", "The IP header's version or lengths are wrong.";
        IpOptions = "ip_options", "The IPv4 header has options, or an extension header follows the IPv6 header.";
        NotUdp = "not_udp", "The IP packet carries no UDP.";
        Fragment = "fragment", "The IPv4 packet is a fragment.";
        OtherPort = "other_port", "The packet goes to a port that DNS does not have.";
        OtherAddress = "other_address", "The packet goes to an address and port that are not the cluster's DNS.";
        UdpLength = "udp_length", "The UDP length disagrees with the IP length.";
        NoChecksum = "no_checksum", "The UDP checksum is missing, which IPv6 does not permit.";
        LeaseExpired = "lease_expired", "No dns-ctl has renewed the lease for longer than it was granted.";
        RateLimited = "rate_limited", "Its client asks more often than it may.";
        Response = "response", "The DNS message is a response.";
        Opcode = "opcode", "The opcode is not QUERY.";
        HeaderBits = "header_bits", "The DNS header of the query has bits set that belong to responses.";
        QuestionCount = "question_count", "The message does not have exactly one question.";
        RecordCount = "record_count", "The query carries answer or authority records.";
        Additional = "additional", "The query carries an additional record other than one OPT record.";
        Compressed = "compressed", "The name in the question is compressed.";
        LabelType = "label_type", "A label of the name is longer than 63 octets or of an unknown type.";
        NameTooLong = "name_too_long", "The name is longer than 255 octets.";
        TrailingOctets = "trailing_octets", "Octets follow the question or the OPT record.";
        EdnsVersion = "edns_version", "The version of EDNS is not 0.";
        EdnsOptions = "edns_options", "The EDNS options are malformed, more than eight, or have one that the server checks.";
        Class = "class", "The class is not IN.";
        TypeNotServed = "type_not_served", "The question is for a transfer or another type that no record has.";
        OutsideZones = "outside_zones", "The name is not held, and lies in no cluster domain.";
        ByRule = "by_rule", "The name is one of a pod that only the server can work out.";
        NegativeOff = "negative_off", "There is no such name or record, but the kernel is told not to deny any.";
        Incomplete = "incomplete", "There may be such a name or record: the map is being changed, full, or not filled yet, or nobody has kept it up to date for a minute.";
        OtherName = "other_name", "The map holds another name under the same hash.";
        TypeNotHeld = "type_not_held", "The name is held, but its records of this type are left to the server.";
        Torn = "torn", "The entry was being replaced while it was read.";
        TooLong = "too_long", "The answer is longer than the client takes.";
        NoRoom = "no_room", "The packet could not be made as long as the answer.";
    }
}

reasons! {
    /// Why a packet was dropped.
    Dropped {
        RateLimited = "rate_limited", "Its client asks more often than it may.";
    }
}

impl Hit {
    /// The kind with this number.
    #[inline(always)]
    pub(crate) const fn of(number: u8) -> Self {
        match number {
            0 => Self::A,
            1 => Self::Aaaa,
            2 => Self::NoData,
            3 => Self::NxDomain,
            4 => Self::Ptr,
            _ => Self::Truncated,
        }
    }
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was answered.
    Hit(Hit),
    /// It was passed on.
    Miss(Miss),
    /// It was dropped.
    Dropped(Dropped),
}

/// Number of outcomes: the length of [`crate::maps::Counters`].
pub const OUTCOMES: usize = Hit::ALL.len() + Miss::ALL.len() + Dropped::ALL.len();

/// The kind of program that saw the packet: the index into the map `OUTCOMES`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Hook {
    /// XDP, native or generic.
    Xdp,
    /// tc classifier, attached by tcx or to clsact.
    Tc,
}

impl Hook {
    /// Every hook, in the order of its index.
    pub const ALL: &'static [Self] = &[Self::Xdp, Self::Tc];

    /// The metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Xdp => "xdp",
            Self::Tc => "tc",
        }
    }
}

impl Outcome {
    /// Every outcome, in the order of its index.
    pub fn all() -> impl Iterator<Item = Self> {
        let hits = Hit::ALL.iter().copied().map(Self::Hit);
        let misses = Miss::ALL.iter().copied().map(Self::Miss);
        let dropped = Dropped::ALL.iter().copied().map(Self::Dropped);
        hits.chain(misses).chain(dropped)
    }

    /// Index into [`crate::maps::Counters`].
    #[inline(always)]
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Hit(hit) => hit as usize,
            Self::Miss(miss) => Hit::ALL.len() + miss as usize,
            Self::Dropped(dropped) => Hit::ALL.len() + Miss::ALL.len() + dropped as usize,
        }
    }
}

/// Index of the first outcome of a miss that a query to the cluster's DNS can have.
const FIRST_OF_QUERIES: usize = Outcome::Miss(Miss::LeaseExpired).index();
const RESPONSE: usize = Outcome::Miss(Miss::Response).index();

impl Outcome {
    /// Whether the packet was a query to the cluster's DNS, well-formed or not: those that came no further than the
    /// headers below DNS, and responses, are not taken for queries.
    #[inline(always)]
    #[must_use]
    pub const fn is_query(self) -> bool {
        matches!(self, Self::Hit(_)) || self.index() >= FIRST_OF_QUERIES && self.index() != RESPONSE
    }
}

impl Outcome {
    /// Whether it was answered.
    #[must_use]
    pub const fn is_hit(self) -> bool {
        matches!(self, Self::Hit(_))
    }

    /// The metric labels: what was done, and the kind or reason.
    #[must_use]
    pub const fn labels(self) -> (&'static str, &'static str) {
        match self {
            Self::Hit(hit) => ("hit", hit.label()),
            Self::Miss(miss) => ("miss", miss.label()),
            Self::Dropped(dropped) => ("drop", dropped.label()),
        }
    }

    /// The kind or reason in one sentence.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Hit(hit) => hit.text(),
            Self::Miss(miss) => miss.text(),
            Self::Dropped(dropped) => dropped.text(),
        }
    }
}

impl From<Miss> for Outcome {
    #[inline(always)]
    fn from(miss: Miss) -> Self {
        Self::Miss(miss)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_found_by_its_number() {
        for &hit in Hit::ALL {
            assert_eq!(Hit::of(hit as u8), hit);
        }
    }

    #[test]
    fn indices_count_up_and_labels_differ() {
        for (at, outcome) in Outcome::all().enumerate() {
            assert_eq!(outcome.index(), at);
        }
        assert_eq!(Outcome::all().count(), OUTCOMES);
        for (at, miss) in Miss::ALL.iter().enumerate() {
            let same = |other: &&Miss| other.label() == miss.label();
            assert_eq!(Miss::ALL.iter().position(|other| same(&other)), Some(at));
        }
    }
}
