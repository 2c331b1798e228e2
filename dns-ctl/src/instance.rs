//! One instance at a time: the claim of a network namespace, and how another one takes its place.
//!
//! The claim is a listening socket with an abstract name, which the kernel lets go of when the process ends,
//! however it does. Who connects is told whom it talks to, and may ask that process to stop, or for a report of it.

pub(crate) mod report;

use std::{
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixListener as StdListener, UnixStream as StdStream},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use nix::unistd::geteuid;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    task::JoinSet,
    time::{error::Elapsed, sleep, timeout},
};

use crate::version::VERSION;
use report::{Report, is_trusted};

/// The socket's name.
const NAME: &[u8] = b"kxdns";
/// What the other side says to have this one stop.
const TAKEOVER: &str = "takeover";
/// What the other side says to have a report.
const REPORT: &str = "report";
/// What it says to those who may not ask for that.
const REFUSED: &str = "refused";
/// What stands before the folder of its maps, when an instance says who it is.
const MAPS_IN: &str = ", maps in ";
/// Most octets that the other side may say.
const LONGEST: u64 = 4096;
/// How many connections are listened to at a time.
const LISTENERS: usize = 32;
/// How long a connection may take to say something.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long an instance that was asked to stop may take. It may have queries under way.
const STOPPING: Duration = Duration::from_secs(30);
/// How often the claim is tried meanwhile.
const RETRY: Duration = Duration::from_millis(10);

/// Why this network namespace can't be claimed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClaimError {
    /// Another instance has it.
    #[error("another dns-ctl ({0}) has programs on interfaces of this network namespace")]
    Held(String),
    /// It has its maps elsewhere, where nobody would find them.
    #[error(
        "the dns-ctl that runs ({0}) has another folder than this one; give it with --bpffs, too, or stop that one and remove its maps with `dns-ctl uninstall --bpffs`"
    )]
    OtherFolder(String),
    /// This one could not take its place.
    #[error("the dns-ctl that runs ({holder}) stays, because this one could not start: {reason:#}")]
    Unready {
        /// The other.
        holder: String,
        /// Why.
        reason: anyhow::Error,
    },
    /// It was asked to stop, and does not.
    #[error("the dns-ctl that runs ({0}) does not make way within {STOPPING:?}; stop it")]
    Stays(String),
    /// It makes way for its own user only.
    #[error(
        "the dns-ctl that runs ({0}) makes way for its own user only; run this as that user, or stop it"
    )]
    Refused(String),
    /// It goes by itself, but not soon.
    #[error("another dns-ctl of this network namespace is stopping, but takes too long; try again")]
    Lingers,
    /// The system says no.
    #[error("this network namespace can't be claimed: {0}")]
    Io(#[from] io::Error),
}

/// The claim of this network namespace.
#[derive(Debug)]
pub(crate) struct Claim {
    listener: UnixListener,
    /// Where this instance has its maps.
    bpffs: PathBuf,
    /// How it is; one that is only here for a moment does not say.
    report: Option<Report>,
}

/// Another instance has asked for this one's place; it sees the end of this when it is dropped.
#[derive(Debug)]
pub(crate) struct Request {
    _stream: UnixStream,
}

impl Claim {
    /// Makes this the one instance that has programs on interfaces of this network namespace: two would take
    /// each other's for left behind.
    ///
    /// With `takeover`, one that has the claim is asked to stop, and waited for, unless that check fails.
    pub(crate) async fn take(
        bpffs: &Path,
        report: Option<Report>,
        takeover: Option<impl Future<Output = anyhow::Result<()>>>,
    ) -> Result<Self, ClaimError> {
        if let Some(claim) = Self::try_take(bpffs, report.as_ref())? {
            return Ok(claim);
        }
        let Some(Holder {
            text: holder,
            is_own,
            stream,
        }) = greet().await?
        else {
            return Self::wait(bpffs, report.as_ref()).await;
        };
        let Some(check) = takeover else {
            return Err(ClaimError::Held(holder));
        };
        let folder = holder.split_once(MAPS_IN).map(|(_, folder)| folder);
        if folder.is_some_and(|folder| Path::new(folder) != bpffs) {
            return Err(ClaimError::OtherFolder(holder));
        }
        if is_own && let Err(reason) = check.await {
            return Err(ClaimError::Unready { holder, reason });
        }
        // That may have taken longer than the other one listens.
        drop(stream);
        let Some(Holder { stream, .. }) = greet().await? else {
            return Self::wait(bpffs, report.as_ref()).await;
        };
        tracing::info!("taking the place of the dns-ctl that runs ({holder})");
        match ask(stream).await {
            Ok(said) if said.trim_end() == REFUSED => Err(ClaimError::Refused(holder)),
            Ok(_) => Self::wait(bpffs, report.as_ref()).await,
            Err(_) => Err(ClaimError::Stays(holder)),
        }
    }

    /// Waits until another instance asks for this one's place.
    pub(crate) async fn requested(&self) -> Request {
        // One that says nothing must not keep others from being heard.
        let mut served = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if served.len() < LISTENERS => match accepted {
                    Ok((stream, _)) => {
                        served.spawn(serve(stream, self.bpffs.clone(), self.report.clone()));
                    }
                    Err(error) => {
                        tracing::debug!(%error, "a connection could not be accepted");
                        sleep(PATIENCE).await;
                    }
                },
                Some(heard) = served.join_next() => match heard {
                    Ok(Ok(Some(request))) => return request,
                    Ok(Ok(None)) => {}
                    Ok(Err(error)) => tracing::debug!(%error, "a connection to this instance"),
                    Err(panic) => tracing::error!(%panic, "a connection to this instance"),
                },
            }
        }
    }

    fn try_take(bpffs: &Path, report: Option<&Report>) -> io::Result<Option<Self>> {
        match StdListener::bind_addr(&SocketAddr::from_abstract_name(NAME)?) {
            Ok(listener) => {
                listener.set_nonblocking(true)?;
                Ok(Some(Self {
                    listener: UnixListener::from_std(listener)?,
                    bpffs: bpffs.to_owned(),
                    report: report.cloned(),
                }))
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Waits for one that is just going.
    async fn wait(bpffs: &Path, report: Option<&Report>) -> Result<Self, ClaimError> {
        let claim = async {
            loop {
                if let Some(claim) = Self::try_take(bpffs, report)? {
                    return Ok(claim);
                }
                sleep(RETRY).await;
            }
        };
        timeout(STOPPING, claim)
            .await
            .unwrap_or(Err(ClaimError::Lingers))
    }
}

/// The instance that has the claim.
struct Holder {
    /// Who it is, in words.
    text: String,
    /// Whether it is this user's.
    is_own: bool,
    /// A connection to it.
    stream: BufReader<UnixStream>,
}

/// The instance that has the claim; `None` if there is none any more.
async fn greet() -> io::Result<Option<Holder>> {
    let connected = SocketAddr::from_abstract_name(NAME)
        .and_then(|name| StdStream::connect_addr(&name))
        .and_then(|stream| stream.set_nonblocking(true).map(|()| stream))
        .and_then(UnixStream::from_std);
    let stream = match connected {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(None),
        result => result?,
    };
    let peer = stream.peer_cred()?;
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    let is_own = peer.uid() == geteuid().as_raw();
    let said = timeout(PATIENCE, (&mut stream).take(LONGEST).read_line(&mut line)).await;
    let text = match said {
        // Abstract names have no owner: anybody here may have taken this one.
        _ if !is_own => format!(
            "or process {} of user {}",
            peer.pid().unwrap_or_default(),
            peer.uid()
        ),
        Ok(Ok(1..)) => line.trim_end().to_owned(),
        _ => "which does not say who it is".to_owned(),
    };
    Ok(Some(Holder {
        text,
        is_own,
        stream,
    }))
}

/// Asks for the place, and waits until the other side has gone, or has said something; an error if it does
/// neither.
async fn ask(mut stream: BufReader<UnixStream>) -> Result<String, Elapsed> {
    let mut said = String::new();
    let asked = async {
        stream.write_all(format!("{TAKEOVER}\n").as_bytes()).await?;
        (&mut stream).take(LONGEST).read_line(&mut said).await
    };
    // A connection that breaks is one to a process that has gone.
    let _broken = timeout(STOPPING, asked).await?;
    Ok(said)
}

/// Says who this is, and hears what the other side wants.
async fn serve(
    stream: UnixStream,
    bpffs: PathBuf,
    report: Option<Report>,
) -> io::Result<Option<Request>> {
    let peer = stream.peer_cred()?;
    let mut stream = BufReader::new(stream);
    let (process, bpffs) = (std::process::id(), bpffs.display());
    let hello = format!("version {VERSION}, process {process}{MAPS_IN}{bpffs}\n");
    stream.write_all(hello.as_bytes()).await?;
    let mut line = String::new();
    let heard = timeout(PATIENCE, (&mut stream).take(LONGEST).read_line(&mut line)).await;
    let wish = line.trim_end();
    let wants = matches!(heard, Ok(Ok(1..))) && wish == TAKEOVER;
    let own = geteuid().as_raw();
    if let Some(report) = report
        && wish == REPORT
        && is_trusted(peer.uid(), own, own)
    {
        let text = report.text();
        let written = timeout(PATIENCE, stream.write_all(text.as_bytes()));
        written.await.map_err(io::Error::from)??;
        return Ok(None);
    }
    if wants && peer.uid() != own {
        tracing::warn!(
            user = peer.uid(),
            "another user's process asks for this one's place: refused"
        );
        stream.write_all(format!("{REFUSED}\n").as_bytes()).await?;
        return Ok(None);
    }
    Ok(wants.then(|| Request {
        _stream: stream.into_inner(),
    }))
}
