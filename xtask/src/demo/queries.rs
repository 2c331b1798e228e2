//! What a query of the demo is, and how what came of it is judged.

mod list;

use std::net::Ipv4Addr;

use super::{
    answer::{Answer, Found},
    counters::Delta,
};
pub(super) use list::{ALL, LATE};

/// The pod in namespace `default`.
pub(super) const FRONTEND: &str = "frontend";
/// The pod in namespace `shared`.
pub(super) const LOGGER: &str = "logger";
/// A name of the Internet, which the upstream stub knows.
pub(super) const OUTSIDE_NAME: &str = "www.example.org.";
pub(super) const OUTSIDE_ADDRESS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 10);
/// The name of the Service added while dns-ctl runs.
pub(super) const LATE_NAME: &str = "greeter.default.svc.cluster.local.";
pub(super) const LATE_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 96, 1, 40);

/// What dig shall print, and that it asks once and reads no settings of the user's; not part of what is shown.
const DIG_OUTPUT: [&str; 8] = [
    "-r",
    "-u",
    "+noall",
    "+comments",
    "+answer",
    "+stats",
    "+tries=1",
    "+timeout=2",
];

/// A query of the demo.
pub(super) struct Query {
    /// The pod that asks.
    pub(super) pod: &'static str,
    /// The program it asks with.
    pub(super) program: &'static str,
    /// The program's arguments, as far as they are shown.
    arguments: [&'static str; 2],
    /// The right answer.
    pub(super) expected: Expected,
    by: By,
}

/// The right answer.
#[derive(Clone, Copy)]
pub(super) enum Expected {
    /// This address and no other.
    Address(Ipv4Addr),
    /// This name, to which an address points back.
    Name(&'static str),
    /// There is no such name.
    NoName,
    /// There is such a name, but no record of the type.
    NoData,
}

/// Who may answer.
#[derive(Clone, Copy)]
enum By {
    /// The kernel, and nobody else is asked: neither for the name nor for those of the search list before it.
    Kernel,
    /// dns-ctl's server.
    Userspace,
    /// The upstream, after the kernel has denied the names of the search list.
    Outside,
    /// Whoever is asked.
    Anyone,
}

/// The manifest of that Service.
pub(super) fn late_manifest() -> String {
    format!(
        "apiVersion: v1
kind: Service
metadata:
  name: greeter
  namespace: default
spec:
  clusterIP: {LATE_ADDRESS}
  clusterIPs: [{LATE_ADDRESS}]
  selector:
    app: greeter
  ports:
    - name: http
      port: 80
"
    )
}

impl Query {
    /// The query as a person would type it.
    pub(super) fn shown(&self) -> String {
        format!("{} {}", self.program, self.arguments.join(" "))
    }

    /// All arguments of the program.
    pub(super) fn all_arguments(&self) -> Vec<&'static str> {
        let output: &[&str] = if self.program == "dig" {
            &DIG_OUTPUT
        } else {
            &[]
        };
        [output, &self.arguments].concat()
    }

    /// Holds what happened against what is right; the error completes "... in pod frontend: ".
    pub(super) fn judge(&self, answer: &Answer, by: Delta) -> Result<(), String> {
        if !self.expected.is_met(&answer.result) {
            return Err(format!(
                "answered `{}` instead of `{}`",
                answer.result,
                self.expected.as_found()
            ));
        }
        if !self.by.is_met(by) {
            return Err(format!("answered by {by} instead of {}", self.by.shown()));
        }
        Ok(())
    }
}

impl Expected {
    fn is_met(self, found: &Found) -> bool {
        *found == self.as_found()
    }

    fn as_found(self) -> Found {
        match self {
            Self::Address(address) => Found::Addresses(vec![address.into()]),
            Self::Name(name) => Found::Name(name.to_owned()),
            Self::NoName => Found::NoName,
            Self::NoData => Found::NoData,
        }
    }
}

impl By {
    fn is_met(self, by: Delta) -> bool {
        let Delta {
            kernel,
            userspace,
            upstream,
        } = by;
        match self {
            Self::Kernel => kernel >= 1 && (userspace, upstream) == (0, 0),
            Self::Userspace => (kernel, userspace, upstream) == (0, 1, 0),
            Self::Outside => kernel >= 1 && userspace == 0 && upstream >= 1,
            Self::Anyone => kernel + userspace + upstream >= 1,
        }
    }

    fn shown(self) -> &'static str {
        match self {
            Self::Kernel => "the kernel alone",
            Self::Userspace => "dns-ctl's server alone",
            Self::Outside => "the upstream, after the kernel",
            Self::Anyone => "anyone",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::answer::Time, *};

    fn by(kernel: u64, userspace: u64, upstream: u64) -> Delta {
        Delta {
            kernel,
            userspace,
            upstream,
        }
    }

    fn found(result: Found) -> Answer {
        Answer {
            result,
            time: Time::RoundTrip(Duration::ZERO),
        }
    }

    #[test]
    fn judgement_names_what_is_wrong() {
        let cache = &ALL[0];
        let right = found(cache.expected.as_found());
        assert_eq!(cache.judge(&right, by(1, 0, 0)), Ok(()));
        assert_eq!(
            cache.judge(&right, by(0, 1, 0)),
            Err("answered by userspace instead of the kernel alone".to_owned())
        );
        assert_eq!(
            cache.judge(&found(Found::NoName), by(1, 0, 0)),
            Err("answered `no such name` instead of `10.96.1.10`".to_owned())
        );
    }

    #[test]
    fn who_may_answer() {
        for (rule, allowed, refused) in [
            (By::Kernel, by(1, 0, 0), by(1, 1, 0)),
            (By::Kernel, by(6, 0, 0), by(6, 0, 1)),
            (By::Userspace, by(0, 1, 0), by(1, 0, 0)),
            (By::Outside, by(3, 0, 1), by(3, 1, 1)),
            (By::Anyone, by(0, 0, 1), by(0, 0, 0)),
        ] {
            assert!(rule.is_met(allowed), "{} allows {allowed}", rule.shown());
            assert!(!rule.is_met(refused), "{} refuses {refused}", rule.shown());
        }
    }

    #[test]
    fn each_query_tells_dig_what_to_print() {
        for query in ALL {
            assert_eq!(
                query.all_arguments().contains(&"+stats"),
                query.program == "dig"
            );
            assert!(!query.shown().contains("+stats"));
        }
    }
}
