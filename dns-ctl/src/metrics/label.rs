//! The values that metric labels may have: a closed list for each label, so that no client can add one.

/// Makes an enum whose variants are a label's values.
macro_rules! label {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            /// The text of the label.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }
    };
}

label! {
    /// How a request came in.
    Transport {
        /// In a datagram.
        Udp = "udp",
        /// In a connection.
        Tcp = "tcp",
    }
}

label! {
    /// Whether a question is about the cluster.
    Area {
        /// The name is in a served cluster domain.
        Cluster = "cluster",
        /// The name is anywhere else.
        Outside = "outside",
        /// The question was not looked at.
        Unknown = "unknown",
    }
}

label! {
    /// The record type asked for; rare types share one value.
    QueryType {
        /// IPv4 address.
        A = "A",
        /// IPv6 address.
        Aaaa = "AAAA",
        /// Any type.
        Any = "ANY",
        /// Alias.
        Cname = "CNAME",
        /// HTTPS service binding.
        Https = "HTTPS",
        /// Mail exchange.
        Mx = "MX",
        /// Name server.
        Ns = "NS",
        /// Pointer.
        Ptr = "PTR",
        /// Start of authority.
        Soa = "SOA",
        /// Service location.
        Srv = "SRV",
        /// Text.
        Txt = "TXT",
        /// Every other type, and questions that can't be read.
        Other = "other",
    }
}

label! {
    /// The response code of a reply.
    Rcode {
        /// No error.
        NoError = "NOERROR",
        /// The request can't be read.
        FormErr = "FORMERR",
        /// The server can't answer.
        ServFail = "SERVFAIL",
        /// The name does not exist.
        NxDomain = "NXDOMAIN",
        /// The operation is not known.
        NotImp = "NOTIMP",
        /// The server does not want to answer.
        Refused = "REFUSED",
        /// The EDNS version is not known.
        BadVers = "BADVERS",
        /// Every other code.
        Other = "other",
    }
}

label! {
    /// What became of a query that was passed to the upstreams.
    Forwarded {
        /// An upstream gave a usable answer.
        Answered = "answered",
        /// The upstreams that answered at all refused or failed; the first such answer was passed on.
        Failed = "failed",
        /// No upstream answered in time.
        Unreachable = "unreachable",
        /// Too many queries were waiting for upstreams already.
        Overload = "overload",
        /// No upstream is configured.
        NoUpstream = "no_upstream",
    }
}

label! {
    /// The kind of object that a source tells about.
    SourceKind {
        /// Service.
        Service = "service",
        /// Namespace.
        Namespace = "namespace",
        /// Manifest files.
        Manifest = "manifest",
    }
}

label! {
    /// A step of a list-and-watch.
    SourceEvent {
        /// A list begins.
        Init = "init",
        /// An object of a list.
        InitApply = "init_apply",
        /// A list is complete.
        InitDone = "init_done",
        /// An object is new or changed.
        Apply = "apply",
        /// An object is gone.
        Delete = "delete",
    }
}
