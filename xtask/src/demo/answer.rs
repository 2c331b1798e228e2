//! What a program found: read from what getent and dig print.

use std::{fmt, net::IpAddr, process::Output, str, time::Duration};

use anyhow::{Context as _, Result, bail};

/// The exit code by which getent says that there is no such name.
const GETENT_NOT_FOUND: i32 = 2;

/// What a program found out about a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// What came back.
    pub(super) result: Found,
    /// How long it took.
    pub(super) time: Time,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Addresses, in the order of the answer.
    Addresses(Vec<IpAddr>),
    /// The name that an address points back to.
    Name(String),
    /// The name exists, but has no such record.
    NoData,
    /// There is no such name (getent can't tell this from [`Found::NoData`]).
    NoName,
    /// Something else, in the program's words.
    Other(String),
}

/// How long it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Time {
    /// From query to answer, by the program's own clock.
    RoundTrip(Duration),
    /// The whole run of a program that does not tell.
    Run(Duration),
}

/// Reads a program's output; `elapsed` is how long it ran.
pub(super) fn read(program: &str, output: &Output, elapsed: Duration) -> Result<Answer> {
    let text =
        str::from_utf8(&output.stdout).with_context(|| format!("{program} prints no text"))?;
    let code = output.status.code();
    match program {
        "getent" => Ok(Answer {
            result: match code {
                Some(0) => Found::Addresses(getent_addresses(text)),
                Some(GETENT_NOT_FOUND) => Found::NoName,
                _ => Found::Other(failure(output)),
            },
            time: Time::Run(elapsed),
        }),
        "dig" => Ok(dig_answer(text).unwrap_or_else(|| Answer {
            result: Found::Other(failure(output)),
            time: Time::Run(elapsed),
        })),
        _ => bail!("the output of {program} is unknown here"),
    }
}

/// The addresses of getent's lines, each once: `ahosts` has a line per socket type.
fn getent_addresses(text: &str) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for line in text.lines() {
        if let Some(address) = line
            .split_whitespace()
            .next()
            .and_then(|word| word.parse().ok())
            && !addresses.contains(&address)
        {
            addresses.push(address);
        }
    }
    addresses
}

/// What dig prints with `+noall +comments +answer +stats`; `None` if there was no reply.
fn dig_answer(text: &str) -> Option<Answer> {
    let code = between(text, "status: ", ",")?;
    let microseconds = between(text, "Query time: ", " usec")?.parse().ok()?;
    let addresses: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with(';'))
        .filter_map(|line| line.split_whitespace().last()?.parse().ok())
        .collect();
    let pointer = text
        .lines()
        .find_map(|line| Some(line.split_once("PTR")?.1.trim().to_owned()));
    let result = match code {
        "NOERROR" if addresses.is_empty() => pointer.map_or(Found::NoData, Found::Name),
        "NOERROR" => Found::Addresses(addresses),
        "NXDOMAIN" => Found::NoName,
        other => Found::Other(other.to_owned()),
    };
    Some(Answer {
        result,
        time: Time::RoundTrip(Duration::from_micros(microseconds)),
    })
}

/// The text between two others, on their first occurrence.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once(after)?.0)
}

/// A failed program's words, on one line.
fn failure(output: &Output) -> String {
    let words: Vec<_> = [&output.stdout, &output.stderr]
        .iter()
        .map(|stream| String::from_utf8_lossy(stream).trim().replace('\n', " "))
        .filter(|words| !words.is_empty())
        .collect();
    format!("{} {}", output.status, words.join(" "))
        .trim()
        .to_owned()
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Addresses(addresses) => {
                let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
                f.write_str(&addresses.join(" "))
            }
            Self::Name(name) => f.write_str(name),
            Self::NoData => f.write_str("no such record"),
            Self::NoName => f.write_str("no such name"),
            Self::Other(words) => f.write_str(words),
        }
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RoundTrip(time) => write!(f, "{} µs", time.as_micros()),
            Self::Run(time) => write!(f, "{:.1} ms*", time.as_secs_f64() * 1000.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::ExitStatusExt as _, process::ExitStatus};

    use super::*;

    fn printed(code: i32, text: &str) -> Output {
        Output {
            status: ExitStatus::from_raw(code << 8),
            stdout: text.into(),
            stderr: Vec::new(),
        }
    }

    fn addresses(list: &[&str]) -> Found {
        Found::Addresses(list.iter().map(|text| text.parse().unwrap()).collect())
    }

    #[test]
    fn getent_is_read() {
        let ahosts =
            "10.96.1.10      STREAM cache\n10.96.1.10      DGRAM  \n10.96.1.10      RAW    \n";
        for (code, text, expected) in [
            (0, ahosts, addresses(&["10.96.1.10"])),
            (
                0,
                "fd00::1         search.shared\n",
                addresses(&["fd00::1"]),
            ),
            (2, "", Found::NoName),
            (1, "", Found::Other("exit status: 1".to_owned())),
        ] {
            let answer = read("getent", &printed(code, text), Duration::from_millis(2)).unwrap();
            assert_eq!(answer.result, expected, "{text}");
            assert_eq!(answer.time.to_string(), "2.0 ms*");
        }
    }

    #[test]
    fn dig_is_read() {
        let head = |code: &str| {
            format!(
                ";; Got answer:\n;; ->>HEADER<<- opcode: QUERY, status: {code}, id: 5\n;; flags: qr aa rd; QUERY: 1\n\n"
            )
        };
        let tail = "\n;; Query time: 43 usec\n;; SERVER: 10.96.0.10#53(10.96.0.10) (UDP)\n";
        let record = "cache.default.svc.cluster.local. 5 IN A 10.96.1.10\n";
        for (text, expected) in [
            (head("NOERROR") + record + tail, addresses(&["10.96.1.10"])),
            (
                head("NOERROR") + "10.1.96.10.in-addr.arpa. 5 IN PTR cache.\n" + tail,
                Found::Name("cache.".to_owned()),
            ),
            (head("NOERROR") + tail, Found::NoData),
            (head("NXDOMAIN") + tail, Found::NoName),
            (head("SERVFAIL") + tail, Found::Other("SERVFAIL".to_owned())),
        ] {
            let answer = read("dig", &printed(0, &text), Duration::ZERO).unwrap();
            assert_eq!(answer.result, expected, "{text}");
            assert_eq!(answer.time.to_string(), "43 µs");
        }
        let silence = printed(9, ";; no servers could be reached\n");
        let answer = read("dig", &silence, Duration::ZERO).unwrap();
        assert_eq!(
            answer.result,
            Found::Other("exit status: 9 ;; no servers could be reached".to_owned())
        );
    }
}
