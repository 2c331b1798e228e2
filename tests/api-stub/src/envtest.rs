//! A real API server from `kube-apiserver` and `etcd` programs, by the envtest convention.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::core::address::Ranges;
use crate::kubeconfig::kubeconfig;
use crate::process::Process;
use crate::wait_until;

/// The variable that names the directory of the programs.
pub const ASSETS: &str = "KUBEBUILDER_ASSETS";

/// The only user's token: the server listens on 127.0.0.1 and lives as long as a test.
const TOKEN: &str = "kxdns-test";

/// How long etcd and the API server may each take to listen.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where the two programs are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assets {
    /// The `etcd` program.
    pub etcd: PathBuf,
    /// The `kube-apiserver` program.
    pub apiserver: PathBuf,
}

impl Assets {
    /// The programs in the directory `KUBEBUILDER_ASSETS` names; `None` if the variable is not set or empty.
    pub fn from_env() -> Result<Option<Self>> {
        match std::env::var_os(ASSETS) {
            Some(folder) if !folder.is_empty() => Self::in_folder(Path::new(&folder)).map(Some),
            _ => Ok(None),
        }
    }

    /// The programs in a directory.
    pub fn in_folder(folder: &Path) -> Result<Self> {
        let find = |name: &str| {
            let path = folder.join(name);
            ensure!(
                path.is_file(),
                "{ASSETS} is {}, but there is no program {name} in it; unset it to use the API stub",
                folder.display()
            );
            Ok(path)
        };
        Ok(Self {
            etcd: find("etcd")?,
            apiserver: find("kube-apiserver")?,
        })
    }
}

/// A running API server and its etcd; both are killed when this is dropped.
#[derive(Debug)]
pub struct Envtest {
    // Dropped in this order: the server before its store, the files last.
    _apiserver: Process,
    _etcd: Process,
    _folder: TempDir,
    url: String,
}

impl Envtest {
    /// Starts both programs and waits until the API server accepts connections.
    pub fn start(assets: &Assets) -> Result<Self> {
        let folder = TempDir::new().context("cannot make a directory for the API server")?;
        let [client, peer, secure] = free_ports()?;
        let mut etcd = Process::start(
            Command::new(&assets.etcd).args(etcd_arguments(folder.path(), client, peer)),
            &folder.path().join("etcd.log"),
        )?;
        wait_listening("etcd", &mut etcd, client)?;
        service_account_key(&key_path(folder.path()))?;
        fs::write(token_path(folder.path()), token_line())
            .context("cannot write the token file")?;
        let mut apiserver = Process::start(
            Command::new(&assets.apiserver).args(apiserver_arguments(
                folder.path(),
                client,
                secure,
            )),
            &folder.path().join("kube-apiserver.log"),
        )?;
        wait_listening("kube-apiserver", &mut apiserver, secure)?;
        let url = format!("https://127.0.0.1:{secure}");
        Ok(Self {
            _apiserver: apiserver,
            _etcd: etcd,
            _folder: folder,
            url,
        })
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A kubeconfig that points at it.
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        kubeconfig(&self.url, Some(TOKEN))
    }
}

fn key_path(folder: &Path) -> PathBuf {
    folder.join("service-account.key")
}

fn token_path(folder: &Path) -> PathBuf {
    folder.join("tokens.csv")
}

/// One line of the static token file: token, user, user id, groups.
fn token_line() -> String {
    format!("{TOKEN},test,test,\"system:masters\"\n")
}

fn etcd_arguments(folder: &Path, client: u16, peer: u16) -> Vec<String> {
    vec![
        format!("--data-dir={}", folder.join("etcd").display()),
        format!("--listen-client-urls=http://127.0.0.1:{client}"),
        format!("--advertise-client-urls=http://127.0.0.1:{client}"),
        format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
        // The data is thrown away with the test.
        "--unsafe-no-fsync=true".into(),
    ]
}

fn apiserver_arguments(folder: &Path, etcd: u16, secure: u16) -> Vec<String> {
    let key = key_path(folder).display().to_string();
    vec![
        format!("--etcd-servers=http://127.0.0.1:{etcd}"),
        // It makes a certificate of its own here.
        format!("--cert-dir={}", folder.display()),
        "--bind-address=127.0.0.1".into(),
        "--advertise-address=127.0.0.1".into(),
        // It would publish 127.0.0.1, which endpoints must not hold.
        "--endpoint-reconciler-type=none".into(),
        format!("--secure-port={secure}"),
        format!("--token-auth-file={}", token_path(folder).display()),
        "--authorization-mode=AlwaysAllow".into(),
        format!("--service-account-issuer=https://127.0.0.1:{secure}/"),
        format!("--service-account-key-file={key}"),
        format!("--service-account-signing-key-file={key}"),
        // Its accounts are made by a controller that does not run here.
        "--disable-admission-plugins=ServiceAccount".into(),
        format!("--service-cluster-ip-range={}", Ranges::default().told()),
        "--allow-privileged=true".into(),
    ]
}

fn service_account_key(path: &Path) -> Result<()> {
    let mut command = Command::new("openssl");
    command
        .args([
            "genpkey",
            "-algorithm",
            "RSA",
            "-pkeyopt",
            "rsa_keygen_bits:2048",
            "-out",
        ])
        .arg(path);
    let output = command.output().context(
        "cannot run openssl, which makes the API server's signing key: is it installed?",
    )?;
    ensure!(
        output.status.success(),
        "openssl made no key: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// Ports that are free at this moment, held together so that they differ.
fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let held: Vec<_> = (0..N)
        .map(|_| TcpListener::bind("127.0.0.1:0"))
        .collect::<Result<_, _>>()
        .context("no free port")?;
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&held) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}

fn wait_listening(name: &str, process: &mut Process, port: u16) -> Result<()> {
    let state = wait_until(PATIENCE, || match process.exited() {
        Some(status) => Some(Err(status)),
        None => std::net::TcpStream::connect(("127.0.0.1", port))
            .is_ok()
            .then_some(Ok(())),
    });
    match state {
        Some(Ok(())) => Ok(()),
        Some(Err(status)) => bail!(
            "{name} ended ({status}); its last words:\n{}",
            process.last_words(20)
        ),
        None => bail!(
            "{name} does not listen after {PATIENCE:?}; its last words:\n{}",
            process.last_words(20)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_programs_are_named() {
        let folder = TempDir::new().unwrap();
        let error = Assets::in_folder(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("no program etcd") && error.contains("unset it"),
            "{error}"
        );
        fs::write(folder.path().join("etcd"), "").unwrap();
        let error = Assets::in_folder(folder.path()).unwrap_err().to_string();
        assert!(error.contains("no program kube-apiserver"), "{error}");
        fs::write(folder.path().join("kube-apiserver"), "").unwrap();
        Assets::in_folder(folder.path()).unwrap();
    }

    #[test]
    fn a_program_that_ends_is_reported_with_its_words() {
        let folder = TempDir::new().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo etcd says no; exit 3"]);
        let mut process = Process::start(&mut command, &folder.path().join("log")).unwrap();
        let [port] = free_ports().unwrap();
        let error = wait_listening("etcd", &mut process, port)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("exit status: 3") && error.contains("etcd says no"),
            "{error}"
        );
    }

    #[test]
    fn arguments_point_at_each_other() {
        let folder = Path::new("/somewhere");
        let etcd = etcd_arguments(folder, 1, 2);
        let apiserver = apiserver_arguments(folder, 1, 3);
        assert!(etcd.contains(&"--listen-client-urls=http://127.0.0.1:1".into()));
        assert!(etcd.contains(&"--listen-peer-urls=http://127.0.0.1:2".into()));
        for expected in [
            "--etcd-servers=http://127.0.0.1:1",
            "--secure-port=3",
            "--token-auth-file=/somewhere/tokens.csv",
            "--service-account-key-file=/somewhere/service-account.key",
            "--service-cluster-ip-range=10.96.0.0/12,fd00:10:96::/108",
        ] {
            assert!(apiserver.contains(&expected.into()), "{expected}");
        }
        assert_eq!(token_line(), "kxdns-test,test,test,\"system:masters\"\n");
    }

    #[test]
    fn signing_key_is_made() {
        let folder = TempDir::new().unwrap();
        service_account_key(&key_path(folder.path())).unwrap();
        let pem = fs::read_to_string(key_path(folder.path())).unwrap();
        assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----"), "{pem}");
    }
}
