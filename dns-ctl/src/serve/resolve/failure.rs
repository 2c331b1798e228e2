//! Why a try at an upstream came to nothing.

use std::io;

use nix::libc::{EADDRNOTAVAIL, EMFILE, ENFILE, ENOBUFS, ENOMEM};

use super::message::Malformed;
use crate::metrics::label::UpstreamFailure;

/// Why an upstream gave no readable answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// It stayed silent.
    #[error("no answer in time")]
    Timeout,
    /// This host has no socket to ask with: that says nothing of the upstream.
    #[error("this host has no socket for it: {0}")]
    Local(String),
    /// Nothing could be sent to it.
    #[error("it can't be reached: {0}")]
    Connect(String),
    /// The connection broke or was closed before the answer.
    #[error("it closed the connection without an answer")]
    Closed,
    /// The TLS handshake failed.
    #[error("TLS: {0}")]
    Tls(String),
    /// It objects to EDNS version 0, which every server that knows EDNS speaks.
    #[error("it does not understand EDNS version 0")]
    Edns,
    /// The answer can't be read.
    #[error("its answer is malformed: {0}")]
    Malformed(#[from] Malformed),
}

impl Failure {
    /// The metric label.
    pub(super) const fn label(&self) -> UpstreamFailure {
        match self {
            Self::Timeout => UpstreamFailure::Timeout,
            Self::Local(_) => UpstreamFailure::Local,
            Self::Connect(_) => UpstreamFailure::Connect,
            Self::Closed => UpstreamFailure::Closed,
            Self::Tls(_) => UpstreamFailure::Tls,
            Self::Edns => UpstreamFailure::Edns,
            Self::Malformed(_) => UpstreamFailure::Malformed,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(EMFILE | ENFILE | ENOBUFS | ENOMEM | EADDRNOTAVAIL) => {
                Self::Local(error.to_string())
            }
            _ => Self::Connect(error.to_string()),
        }
    }
}
