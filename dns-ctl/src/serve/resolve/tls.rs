//! TLS for upstreams (RFC 7858): whose certificates are believed.

use std::{fmt, sync::Arc, sync::OnceLock};

use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring},
};

/// Whose signatures an upstream's certificate may have.
#[derive(Clone, Debug, Default)]
pub enum Roots {
    /// Those whom the system trusts, or those in the file that `SSL_CERT_FILE` names.
    #[default]
    System,
    /// These only.
    Given(Arc<RootCertStore>),
}

/// Makes TLS connections; the system's roots are read when the first upstream needs them.
pub(super) struct Tls {
    roots: Roots,
    connector: OnceLock<TlsConnector>,
}

impl Tls {
    pub(super) const fn new(roots: Roots) -> Self {
        Self {
            roots,
            connector: OnceLock::new(),
        }
    }

    /// What connections to all upstreams share, their sessions among it.
    pub(super) fn connector(&self) -> TlsConnector {
        self.connector
            .get_or_init(|| connector(&self.roots))
            .clone()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

fn connector(roots: &Roots) -> TlsConnector {
    let roots = match roots {
        Roots::System => Arc::new(system_roots()),
        Roots::Given(roots) => Arc::clone(roots),
    };
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has cipher suites for the default TLS versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

fn system_roots() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let reasons: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
        tracing::error!(
            error = reasons.join("; "),
            "this system has no root certificates, so no tls:// upstream can be trusted: install its \
             ca-certificates package, or name a file of them in SSL_CERT_FILE"
        );
    }
    roots
}
