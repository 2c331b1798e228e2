//! What a snapshot is of: the source of its objects and all that decides which of them are asked for.

use std::{
    env,
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
};

use ring::digest::{SHA256, digest};

use crate::{
    config::{Config, Source},
    kube::selector::LabelSelector,
    zone::name::Domain,
};

/// What a snapshot is of, as text; one of another scope says nothing of the names that are served here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope(String);

/// What outside the flags decides which API server is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The variable `KUBECONFIG`.
    pub kubeconfig: Option<OsString>,
    /// The kubeconfig in the home folder, if there is one.
    pub home_kubeconfig: Option<PathBuf>,
    /// The variable `KUBERNETES_SERVICE_HOST`.
    pub service_host: Option<OsString>,
}

impl Surroundings {
    /// Those of this process.
    #[must_use]
    pub fn read() -> Self {
        Self {
            kubeconfig: env::var_os("KUBECONFIG"),
            home_kubeconfig: env::home_dir()
                .map(|home| home.join(".kube").join("config"))
                .filter(|path| path.exists()),
            service_host: env::var_os("KUBERNETES_SERVICE_HOST"),
        }
    }
}

impl Scope {
    /// The scope of what `config` asks for.
    #[must_use]
    pub fn of(config: &Config, surroundings: &Surroundings) -> Self {
        let policy = &config.policy;
        let selector = |selector: &Option<LabelSelector>| {
            let selector = selector.as_ref();
            selector.map_or_else(|| "all".to_owned(), |it| quoted(it.to_string()))
        };
        let namespaces = policy.namespaces.as_ref();
        let namespaces = namespaces.map_or_else(|| "all".to_owned(), quoted);
        Self(format!(
            "source={}; namespaces={namespaces}; namespace-selector={}; service-selector={}; slices={:?}; \
             pods={:?}; endpoints={:?}; ignore-empty-services={}",
            source(&config.source, surroundings),
            selector(&config.selectors.namespaces),
            selector(&config.selectors.services),
            policy.slice_lists(),
            policy.pods,
            policy.endpoints,
            policy.ignore_empty_services,
        ))
    }

    /// The scope of this text.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// A digest of the text, and of the domains under which names are served.
    #[must_use]
    pub fn digest(&self, domains: &[Domain]) -> u64 {
        let text = format!("{}; domains={domains:?}", self.0);
        let digest = digest(&SHA256, text.as_bytes());
        let first = digest.as_ref().iter().take(size_of::<u64>());
        first.fold(0, |word, &octet| word << 8 | u64::from(octet))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text as it is written in Rust, where every text has one form.
fn quoted(text: impl fmt::Debug) -> String {
    format!("{text:?}")
}

/// Where objects come from, looked for in the order of [`crate::kube::client::connect`].
///
/// What comes from outside is quoted, so that no path reads like another source.
fn source(source: &Source, surroundings: &Surroundings) -> String {
    let (kubeconfig, context) = match source {
        Source::Manifests(path) => return format!("manifests {}", quoted(path)),
        Source::Api {
            kubeconfig,
            context,
        } => (kubeconfig.as_deref(), context.as_deref()),
    };
    let from_env = surroundings.kubeconfig.as_deref().map(Path::new);
    let found = kubeconfig
        .or(from_env)
        .or(surroundings.home_kubeconfig.as_deref());
    match (found, context) {
        (Some(path), Some(context)) => {
            format!("kubeconfig {} context {}", quoted(path), quoted(context))
        }
        (Some(path), None) => format!("kubeconfig {}", quoted(path)),
        (None, _) => {
            let host = surroundings.service_host.as_deref();
            format!("in-cluster {}", quoted(host.unwrap_or_default()))
        }
    }
}

#[cfg(test)]
mod tests;
