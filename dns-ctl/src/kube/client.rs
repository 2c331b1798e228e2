//! Connects to the API server: finds the configuration and makes a client of it.

use std::{
    env,
    path::{Path, PathBuf},
};

use kube::{
    Client, Config,
    config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError},
};

use super::connection;

/// Why there is no connection to an API server.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig is not there.
    #[error(
        "kubeconfig {} does not exist: give the right file with --kubeconfig, or manifests with \
         --manifests", .0.display()
    )]
    Missing(PathBuf),
    /// The kubeconfig can't be read.
    #[error("kubeconfig {} can't be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The kubeconfig is not YAML of the right form.
    #[error(
        "{place}:{line}: not a kubeconfig: {message}; correct it, or give another with --kubeconfig"
    )]
    Syntax {
        /// The file, or where it was named.
        place: String,
        /// Line in the file, from 1.
        line: u64,
        /// What is wrong.
        message: String,
    },
    /// No context of that name.
    #[error("{place} has no context `{context}`; it has {known}")]
    NoContext {
        /// The file, or where it was named.
        place: String,
        /// The name asked for.
        context: String,
        /// The contexts there are, in words.
        known: String,
    },
    /// No context is chosen.
    #[error("{place} names no current context: choose one with --context; it has {known}")]
    NoCurrentContext {
        /// The file, or where it was named.
        place: String,
        /// The contexts there are, in words.
        known: String,
    },
    /// Something that the context refers to is missing or bad.
    #[error("{place} can't be used: {source}")]
    Incomplete {
        /// The file, or where it was named.
        place: String,
        /// What is wrong.
        source: KubeconfigError,
    },
    /// There is no kubeconfig and this is not a pod.
    #[error(
        "no API server is known: this is not a pod ({0}), KUBECONFIG is not set and there is no \
         ~/.kube/config; give --kubeconfig FILE, or --manifests PATH to do without"
    )]
    Nowhere(InClusterError),
    /// No client can be made of the configuration.
    #[error("the API server's configuration can't be used: {0}")]
    Client(#[from] kube::Error),
}

/// A client for the API server of `kubeconfig`, or of `KUBECONFIG`, `~/.kube/config` or the pod's
/// service account, whichever is found first. Nothing is sent yet.
pub async fn connect(
    kubeconfig: Option<&Path>,
    context: Option<&str>,
) -> Result<Client, ConnectError> {
    let config = match find(kubeconfig)? {
        Some((place, kubeconfig)) => load(place, kubeconfig, context).await?,
        None => Config::incluster().map_err(ConnectError::Nowhere)?,
    };
    tracing::info!(server = %config.cluster_url, "using the API server");
    Ok(connection::client(config)?)
}

/// The kubeconfig and where it is; `None` if there is none.
fn find(given: Option<&Path>) -> Result<Option<(String, Kubeconfig)>, ConnectError> {
    if let Some(path) = given {
        return read(path).map(Some);
    }
    if env::var_os("KUBECONFIG").is_some() {
        let place = "the file named by KUBECONFIG".to_owned();
        let found = Kubeconfig::from_env().map_err(|error| unusable(&place, error))?;
        if let Some(kubeconfig) = found {
            return Ok(Some((place, kubeconfig)));
        }
    }
    env::home_dir()
        .map(|home| home.join(".kube").join("config"))
        .filter(|path| path.exists())
        .map(|path| read(&path))
        .transpose()
}

fn read(path: &Path) -> Result<(String, Kubeconfig), ConnectError> {
    let place = path.display().to_string();
    match Kubeconfig::read_from(path) {
        Ok(kubeconfig) => Ok((place, kubeconfig)),
        Err(error) => Err(unusable(&place, error)),
    }
}

async fn load(
    place: String,
    kubeconfig: Kubeconfig,
    context: Option<&str>,
) -> Result<Config, ConnectError> {
    let known = contexts(&kubeconfig);
    let options = KubeConfigOptions {
        context: context.map(ToOwned::to_owned),
        ..KubeConfigOptions::default()
    };
    Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|error| match error {
            KubeconfigError::LoadContext(context) => ConnectError::NoContext {
                place,
                context,
                known,
            },
            KubeconfigError::CurrentContextNotSet => {
                ConnectError::NoCurrentContext { place, known }
            }
            error => unusable(&place, error),
        })
}

fn unusable(place: &str, error: KubeconfigError) -> ConnectError {
    match error {
        KubeconfigError::ReadConfig(source, path) => match source.kind() {
            std::io::ErrorKind::NotFound => ConnectError::Missing(path),
            _ => ConnectError::Unreadable { path, source },
        },
        KubeconfigError::Parse(error) => ConnectError::Syntax {
            place: place.to_owned(),
            line: error.location().map_or(1, |location| location.line()),
            message: super::manifest::message(&error),
        },
        source => ConnectError::Incomplete {
            place: place.to_owned(),
            source,
        },
    }
}

/// The contexts of a kubeconfig, in words.
fn contexts(kubeconfig: &Kubeconfig) -> String {
    let names: Vec<_> = kubeconfig
        .contexts
        .iter()
        .map(|context| format!("`{}`", context.name))
        .collect();
    if names.is_empty() {
        "no contexts".to_owned()
    } else {
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const GOOD: &str = "\
apiVersion: v1
kind: Config
current-context: blue
contexts:
- name: blue
  context: {cluster: one, user: me}
- name: green
  context: {cluster: gone, user: me}
clusters:
- name: one
  cluster: {server: 'http://192.0.2.1:8080'}
users:
- name: me
  user: {}
";

    async fn error(text: &str, context: Option<&str>) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        let error = connect(Some(file.path()), context).await.err().unwrap();
        error
            .to_string()
            .replace(&file.path().display().to_string(), "FILE")
    }

    #[tokio::test]
    async fn a_good_kubeconfig_gives_a_client() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), GOOD).unwrap();
        for context in [None, Some("blue")] {
            assert!(connect(Some(file.path()), context).await.is_ok());
        }
    }

    #[tokio::test]
    async fn errors_name_the_file_and_what_to_do() {
        let no_current = GOOD.replace("current-context: blue\n", "");
        let bad_syntax = GOOD.replace("contexts:", "contexts: [");
        for (case, text, context, expected) in [
            (
                "no such context",
                GOOD,
                Some("red"),
                "FILE has no context `red`; it has `blue`, `green`",
            ),
            (
                "no current context",
                &no_current,
                None,
                "FILE names no current context: choose one with --context; it has `blue`, `green`",
            ),
            (
                "empty",
                "",
                None,
                "FILE names no current context: choose one with --context; it has no contexts",
            ),
            (
                "cluster missing",
                GOOD,
                Some("green"),
                "FILE can't be used: failed to load the cluster of context: gone",
            ),
            ("syntax", &bad_syntax, None, "FILE:5: not a kubeconfig: "),
        ] {
            let got = error(text, context).await;
            assert!(got.starts_with(expected), "{case}: {got}");
        }
        let error = connect(Some(Path::new("/no/such/file")), None)
            .await
            .err()
            .unwrap();
        let text = error.to_string();
        assert!(
            text.contains("/no/such/file does not exist") && text.contains("--manifests"),
            "{text}"
        );
    }
}
