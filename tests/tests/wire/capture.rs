//! What comes in at the pod's interface, as tcpdump sees it: its verdict on checksums, and the octets.

use std::{
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use kxdns_tests::node::{ANSWER, PATIENCE};
use packets::oracle::{self, Opened};
use testbed::{Child, Namespace};

/// How tcpdump is run: all of a frame in words and in octets, VLAN tags put back.
const ARGUMENTS: [&str; 9] = [
    "-i",
    "eth0",
    "-Q",
    "in",
    "-nexxvv",
    "-l",
    "--immediate-mode",
    "--buffer-size=16384",
    // Of DNS over TCP nothing is to be seen, and frames with a VLAN tag pass this, whatever they carry.
    "not tcp and not arp and not icmp6",
];

/// How often its output is looked at.
const POLL: Duration = Duration::from_millis(5);

/// A running tcpdump; it ends when dropped.
pub(crate) struct Capture(Child);

/// A frame from port 53.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// What tcpdump says of it.
    pub(crate) text: String,
    /// Its octets.
    pub(crate) frame: Vec<u8>,
}

impl Capture {
    /// Begins to watch.
    pub(crate) fn start(pod: &Namespace) -> Result<Self> {
        let mut command = pod.command("tcpdump");
        command.args(ARGUMENTS).stdin(Stdio::null());
        let mut child = Child::spawn("tcpdump", &mut command)?;
        child.wait_for_line("listening on", PATIENCE)?;
        Ok(Self(child))
    }

    /// Waits until so many frames have come from port 53, and gives all of them.
    pub(crate) fn answers(&self, count: usize) -> Result<Vec<Seen>> {
        let deadline = Instant::now() + ANSWER;
        loop {
            let text = self.0.output();
            let seen = answers(&text);
            if seen.len() >= count {
                return Ok(seen);
            }
            let late = Instant::now() > deadline;
            ensure!(!late, "{} of {count} answers in\n{text}", seen.len());
            thread::sleep(POLL);
        }
    }
}

impl Seen {
    /// Its parts.
    pub(crate) fn open(&self) -> Result<Opened<'_>> {
        oracle::open(&self.frame)
            .map_err(anyhow::Error::msg)
            .with_context(|| self.text.clone())
    }

    /// The id of its DNS message.
    pub(crate) fn id(&self) -> Result<u16> {
        let id = self.open()?.payload.first_chunk().copied();
        Ok(u16::from_be_bytes(id.context("no DNS header")?))
    }

    /// Checks that tcpdump and etherparse find its checksums right.
    pub(crate) fn expect_right_checksums(&self) -> Result<()> {
        let text = &self.text;
        ensure!(!text.contains("bad cksum"), "an IPv4 header: {text}");
        ensure!(!text.contains("bad udp cksum"), "{text}");
        ensure!(text.contains("udp sum ok"), "{text}");
        oracle::check_udp_checksum(&self.frame)
            .map_err(anyhow::Error::msg)
            .with_context(|| text.clone())
    }
}

/// The whole frames from port 53 in tcpdump's words.
fn answers(text: &str) -> Vec<Seen> {
    let mut seen: Vec<Seen> = Vec::new();
    for line in text.lines() {
        if let Some((_, octets)) = line.trim_start().split_once(":  ")
            && line.trim_start().starts_with("0x")
        {
            if let Some(last) = seen.last_mut() {
                last.frame.extend(octets_of(octets));
            }
        } else if line.starts_with(char::is_whitespace) {
            if let Some(last) = seen.last_mut() {
                last.text.push_str(line);
            }
        } else {
            seen.push(Seen {
                text: line.to_owned(),
                frame: vec![],
            });
        }
    }
    seen.retain(|it| it.is_whole() && it.open().is_ok_and(|opened| opened.ports.0 == 53));
    seen
}

impl Seen {
    /// Whether all octets have been printed.
    fn is_whole(&self) -> bool {
        let length = self.text.split_once(" length ").map(|(_, rest)| rest);
        let length = length.and_then(|rest| rest.split([':', ',']).next());
        length.and_then(|length| length.parse().ok()) == Some(self.frame.len())
    }
}

/// The octets of groups such as `0a00 01`.
fn octets_of(groups: &str) -> Vec<u8> {
    let digits: Vec<u8> = groups
        .chars()
        .filter_map(|digit| digit.to_digit(16))
        .filter_map(|digit| u8::try_from(digit).ok())
        .collect();
    digits
        .chunks_exact(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}
