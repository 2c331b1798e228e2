//! Upstreams over TLS, with certificates that are for them and others.

use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use tokio::net::TcpListener;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{RootCertStore, ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};

use super::{
    upstream::{Does, State, Upstream},
    *,
};
use crate::serve::resolve::tls::Roots;

/// Someone who signs certificates.
struct Issuer(CertifiedIssuer<'static, KeyPair>);

/// An upstream over TLS; it ends with this value.
struct TlsUpstream {
    /// Address and port.
    address: String,
    state: Arc<State>,
    _task: JoinSet<()>,
}

impl Issuer {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn roots(&self) -> Roots {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        Roots::Given(Arc::new(roots))
    }

    /// A server with a certificate for `names`.
    async fn upstream(&self, names: &[&str], does: Does) -> TlsUpstream {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(names).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap().der().clone();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = State::new(does);
        let mut task = JoinSet::new();
        let served = Arc::clone(&state);
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, state) = (acceptor.clone(), Arc::clone(&served));
                connections.spawn(async move {
                    if let Ok(tls) = acceptor.accept(tcp).await {
                        state.serve(tls).await;
                    }
                });
            }
        });
        TlsUpstream {
            address,
            state,
            _task: task,
        }
    }
}

fn trusting(issuer: &Issuer, upstreams: &[&str]) -> (Arc<Resolver>, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::new());
    let (routes, roots) = (routes(upstreams), issuer.roots());
    let resolver = Resolver::with_roots(LIMITS, routes, Arc::clone(&metrics), roots);
    (resolver, metrics)
}

#[tokio::test]
async fn a_certificate_for_the_name_or_the_address_is_believed() {
    let issuer = Issuer::new();
    let server = issuer
        .upstream(&["dns.example", "127.0.0.1"], Does::Answer(5))
        .await;
    for text in [
        format!("tls://{}", server.address),
        format!("tls://{}#dns.example", server.address),
    ] {
        let (resolver, metrics) = trusting(&issuer, &[&text]);
        let before = server.state.connections();
        let mut clients = JoinSet::new();
        for number in 0..10 {
            let resolver = Arc::clone(&resolver);
            clients.spawn(async move {
                let name = format!("n{number}.example.");
                let response = resolver.resolve(&question(&name)).await.unwrap();
                assert_eq!(last_octet(&response), Some(5));
            });
        }
        clients.join_all().await;
        assert_eq!(server.state.connections() - before, 1, "shared");
        has_line(
            &metrics,
            &format!(r#"kxdns_server_upstream_latency_seconds_count{{upstream="{text}"}} 10"#),
        );
    }
}

#[tokio::test]
async fn another_certificate_is_not() {
    let (issuer, stranger) = (Issuer::new(), Issuer::new());
    let named = issuer.upstream(&["dns.example"], Does::Answer(5)).await;
    let unsigned = stranger.upstream(&["127.0.0.1"], Does::Answer(5)).await;
    // No TLS at all.
    let plain = Upstream::start(Does::Answer(5)).await;
    // The last column: how often it is tried. Who is silent is tried twice.
    for (case, text, reason, tries) in [
        (
            "other name",
            format!("tls://{}#other.example", named.address),
            "tls",
            1,
        ),
        ("no address", format!("tls://{}", named.address), "tls", 1),
        (
            "other issuer",
            format!("tls://{}", unsigned.address),
            "tls",
            1,
        ),
        // It takes the handshake for a long query, and waits for the rest.
        ("no TLS", format!("tls://{}", plain.address), "timeout", 2),
        ("nobody", format!("tls://{}", dead().await), "connect", 1),
    ] {
        let (resolver, metrics) = trusting(&issuer, &[&text]);
        let cause = resolved(&resolver).await.unwrap_err();
        assert_eq!(cause, Cause::Unreachable, "{case}");
        let labels = format!(r#"{{upstream="{text}",reason="{reason}"}}"#);
        has_line(
            &metrics,
            &format!("kxdns_server_upstream_failures_total{labels} {tries}"),
        );
        // A good one beside it answers.
        let good = Upstream::start(Does::Answer(6)).await;
        let (resolver, _) = trusting(&issuer, &[&text, &good.address]);
        assert_eq!(
            last_octet(&resolved(&resolver).await.unwrap()),
            Some(6),
            "{case}"
        );
    }
}

#[tokio::test]
async fn a_connection_that_was_closed_is_opened_again() {
    let issuer = Issuer::new();
    let server = issuer
        .upstream(&["127.0.0.1"], Does::TruncatedThenAnswerAndClose(5))
        .await;
    let (resolver, _) = trusting(&issuer, &[&format!("tls://{}", server.address)]);
    for number in 0..3 {
        let name = format!("n{number}.example.");
        let response = resolver.resolve(&question(&name)).await.unwrap();
        assert_eq!(last_octet(&response), Some(5));
    }
    assert!(server.state.connections() >= 3);
}
