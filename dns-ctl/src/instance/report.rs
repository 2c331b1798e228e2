//! How a running instance is, as it tells those who ask at its claim: whether it is ready, and its metrics.

use std::{
    fmt, fs,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            fs::MetadataExt as _,
            net::{SocketAddr, UnixStream},
        },
    },
    path::Path,
    sync::Arc,
};

use nix::{
    sys::socket::{getsockopt, sockopt::PeerCredentials},
    unistd::geteuid,
};

use super::{LONGEST, MAPS_IN, NAME, PATIENCE, REPORT};
use crate::metrics::{Metrics, http::Readiness};

/// What stands before a reason for not being ready.
const MISSING: &str = "missing: ";
/// The last line of a report.
const END: &str = "# EOF";
/// Most octets of a report.
const MOST: u64 = 4 << 20;

/// Makes the report of this process; clones make the same.
#[derive(Clone)]
pub(crate) struct Report {
    metrics: Arc<Metrics>,
    readiness: Arc<Readiness>,
}

/// What another process reports.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Its version and process, as `version 1, process 2`.
    pub(crate) who: String,
    /// Why it is not ready; empty if it is.
    pub(crate) missing: Vec<String>,
    /// Its metrics, as `OpenMetrics`.
    pub(crate) metrics: String,
}

impl Report {
    pub(crate) fn new(metrics: &Arc<Metrics>, readiness: &Arc<Readiness>) -> Self {
        Self {
            metrics: Arc::clone(metrics),
            readiness: Arc::clone(readiness),
        }
    }

    /// How this process is now.
    pub(super) fn text(&self) -> String {
        let missing = self.readiness.missing().into_iter();
        let lines = missing.map(|reason| format!("{MISSING}{reason}\n"));
        lines.chain([self.metrics.render()]).collect()
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report").finish_non_exhaustive()
    }
}

/// Asks the instance of this network namespace; an error if there is none with its maps in this folder, or if it
/// does not report, as one that is starting or of another version.
pub(crate) fn hear(bpffs: &Path) -> io::Result<Heard> {
    let mut stream = UnixStream::connect_addr(&SocketAddr::from_abstract_name(NAME)?)?;
    let peer = getsockopt(&stream, PeerCredentials)?.uid();
    if !is_trusted(peer, geteuid().as_raw(), fs::metadata(bpffs)?.uid()) {
        return Err(io::Error::other(format!("it is user {peer}'s")));
    }
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(format!("{REPORT}\n").as_bytes())?;
    let mut stream = BufReader::new(stream);
    let mut hello = String::new();
    (&mut stream).take(LONGEST).read_line(&mut hello)?;
    let Some((who, folder)) = hello.trim_end().split_once(MAPS_IN) else {
        return Err(io::Error::other("it does not say who it is"));
    };
    if Path::new(folder) != bpffs {
        return Err(io::Error::other(format!("it has its maps in {folder}")));
    }
    let mut text = String::new();
    stream.take(MOST).read_to_string(&mut text)?;
    read(who, &text).ok_or_else(|| io::Error::other("it does not report how it is"))
}

/// Whether a user's process is told the report, or believed: root's, this one's user's, or that of who has made the folder.
///
/// Abstract names have no owner: anybody here may ask, again and again; or have taken the name, to say that all is well, to
/// say nothing for hours, or to write to this terminal.
pub(super) const fn is_trusted(peer: u32, own: u32, maker: u32) -> bool {
    peer == 0 || peer == own || peer == maker
}

/// Reads a report; `None` if it is not a whole one.
fn read(who: &str, text: &str) -> Option<Heard> {
    if text.lines().next_back() != Some(END) {
        return None;
    }
    let (missing, metrics): (Vec<_>, Vec<_>) =
        text.lines().partition(|line| line.starts_with(MISSING));
    Some(Heard {
        who: who.to_owned(),
        missing: missing
            .iter()
            .filter_map(|line| line.strip_prefix(MISSING))
            .map(str::to_owned)
            .collect(),
        metrics: metrics.join("\n"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_oneself_and_the_folder_s_maker_are_trusted() {
        for (peer, own, maker, expected) in [
            (0, 0, 0, true),
            (0, 1000, 1000, true),
            (1000, 1000, 0, true),
            (1000, 0, 1000, true),
            (65_534, 0, 0, false),
            (65_534, 0, 1000, false),
        ] {
            assert_eq!(is_trusted(peer, own, maker), expected, "{peer}");
        }
    }

    #[test]
    fn a_report_is_read_as_it_was_written() {
        let (metrics, readiness) = (Arc::new(Metrics::new()), Arc::new(Readiness::default()));
        let report = Report::new(&metrics, &readiness);
        readiness.set_synced(true);
        let text = report.text();
        let heard = read("version 1, process 2", &text).unwrap();
        assert_eq!(heard.missing, ["the DNS listeners are not bound yet"]);
        assert!(heard.metrics.contains("\nkxdns_synced 0\n"));
        assert!(!heard.metrics.contains(MISSING));
        readiness.set_listening(true);
        assert!(read("", &report.text()).unwrap().missing.is_empty());
        assert_eq!(read("", &text[..text.len() - 2]), None, "a part of it");
        assert_eq!(read("", ""), None);
    }
}
