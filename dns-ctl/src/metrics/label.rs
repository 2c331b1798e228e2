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
            /// Every value, in the order of the variants.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

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
        /// The upstreams that answered at all refused or failed; the best such answer was passed on.
        Failed = "failed",
        /// No upstream answered in time, or all failed; an expired answer was given.
        Stale = "stale",
        /// No upstream answered in time.
        Unreachable = "unreachable",
        /// Too many queries were waiting for upstreams already.
        Overload = "overload",
        /// No upstream is configured.
        NoUpstream = "no_upstream",
        /// Every upstream leads back to this server.
        Loop = "loop",
    }
}

label! {
    /// What the cache had for a query.
    CacheLookup {
        /// A fresh answer.
        Hit = "hit",
        /// An expired answer, which was given.
        Stale = "stale",
        /// Nothing, or nothing that was needed.
        Miss = "miss",
    }
}

label! {
    /// Why a try at an upstream brought no answer.
    UpstreamFailure {
        /// Silence.
        Timeout = "timeout",
        /// This host has no free socket; the upstream is not to blame.
        Local = "local",
        /// Nothing can be sent to it.
        Connect = "connect",
        /// It closed the connection.
        Closed = "closed",
        /// The TLS handshake failed.
        Tls = "tls",
        /// It objects to EDNS version 0.
        Edns = "edns",
        /// The answer can't be read.
        Malformed = "malformed",
        /// It says that it can't read the query.
        FormErr = "formerr",
        /// It says that it can't find out.
        ServFail = "servfail",
        /// It says that it does not do this.
        NotImp = "notimp",
        /// It says that it does not want to.
        Refused = "refused",
    }
}

label! {
    /// The kind of object that a source tells about.
    SourceKind {
        /// Service.
        Service = "service",
        /// Namespace.
        Namespace = "namespace",
        /// EndpointSlice.
        EndpointSlice = "endpointslice",
        /// Pod.
        Pod = "pod",
        /// ConfigMap.
        ConfigMap = "configmap",
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
