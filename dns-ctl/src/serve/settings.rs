//! Which servers are asked for outside names: flags, the node's resolv.conf and a ConfigMap made into one.
//!
//! What a ConfigMap states replaces the flag of the same meaning; resolv.conf counts where neither names
//! upstreams. A source that is wrong is told once, and what it last said well is kept. Nothing here reads a
//! file; [`watch`] does.

pub mod config_map;
pub mod watch;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    slice,
};

use super::upstream::{
    Routes, StubDomain, Upstream, UpstreamError, check_not_own, upstreams as parse_resolv_conf,
};
use crate::zone::object::ObjectKey;

/// What was asked for on the command line.
#[derive(Clone, Debug)]
pub struct Given {
    /// `--upstream`; empty: those of `resolv_conf`.
    pub upstreams: Vec<Upstream>,
    /// `--stub-domain`.
    pub stubs: Vec<StubDomain>,
    /// `--resolv-conf`.
    pub resolv_conf: PathBuf,
    /// `--config-map`, as it is called in warnings.
    pub config_map: Option<ObjectKey>,
    /// The addresses this server listens on: to ask there would be to ask itself.
    pub listen: Vec<SocketAddr>,
}

/// All sources as they last were, and what they come to.
#[derive(Debug)]
pub struct Settings {
    given: Given,
    is_local: fn(IpAddr) -> bool,
    resolv_conf: Source<Vec<Upstream>>,
    config_map: Source<config_map::Stated>,
}

/// A source: what it last said well, and what has been told about it.
#[derive(Debug, Default)]
struct Source<T> {
    good: T,
    told: BTreeSet<String>,
}

impl Settings {
    /// Only the flags; `is_local` says whether an address belongs to this host.
    ///
    /// A flag that names this server itself is an error; another source's is only left out.
    pub fn new(given: Given, is_local: fn(IpAddr) -> bool) -> Result<Self, UpstreamError> {
        check_not_own(&given.upstreams, &given.listen, is_local)?;
        for stub in &given.stubs {
            check_not_own(&stub.upstreams, &given.listen, is_local)?;
        }
        Ok(Self {
            given,
            is_local,
            resolv_conf: Source::default(),
            config_map: Source::default(),
        })
    }

    /// The file that [`Self::take_resolv_conf`] wants to know about; `None` if flags name the upstreams.
    #[must_use]
    pub fn resolv_conf(&self) -> Option<&Path> {
        self.given
            .upstreams
            .is_empty()
            .then_some(self.given.resolv_conf.as_path())
    }

    /// Takes what was read of resolv.conf; returns what has to be told and was not told before.
    ///
    /// A file without a server that can be asked does not replace one that had some.
    pub fn take_resolv_conf(&mut self, read: io::Result<String>) -> Vec<String> {
        let (found, mut problems) = match read {
            Ok(text) => {
                let parsed = parse_resolv_conf(&text);
                let (found, own) = self.without_own(parsed.upstreams);
                let mut problems = parsed.ignored;
                problems.extend(own);
                if found.is_empty() {
                    problems.push("it names no server that can be asked".to_owned());
                }
                (found, problems)
            }
            Err(error) => (Vec::new(), vec![format!("it can't be read: {error}")]),
        };
        if !found.is_empty() {
            self.resolv_conf.good = found;
        } else if !self.resolv_conf.good.is_empty() {
            problems.push("the servers it named before are still asked".to_owned());
        }
        let file = self.given.resolv_conf.display();
        let problems = problems.iter().map(|text| format!("{file}: {text}"));
        self.resolv_conf.tell(problems.collect())
    }

    /// Takes the ConfigMap's data, `None` if there is no such ConfigMap; returns what has to be told and was
    /// not told before.
    pub fn take_config_map(&mut self, data: Option<&BTreeMap<String, String>>) -> Vec<String> {
        let parsed = data.map_or_else(|| Ok(config_map::Stated::default()), config_map::parse);
        let problems = match parsed {
            Ok(mut stated) => {
                let mut problems = std::mem::take(&mut stated.ignored);
                let (stated, own) = self.stated_without_own(stated);
                problems.extend(own);
                self.config_map.good = stated;
                problems
            }
            Err(mistakes) => {
                let mut problems: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
                problems.push("nothing of it is taken until that is put right".to_owned());
                problems
            }
        };
        let name = match &self.given.config_map {
            Some(key) => format!("ConfigMap {key}"),
            None => "ConfigMap".to_owned(),
        };
        let problems = problems.iter().map(|text| format!("{name}: {text}"));
        self.config_map.tell(problems.collect())
    }

    /// What all sources come to.
    #[must_use]
    pub fn routes(&self) -> Routes {
        let stated = &self.config_map.good;
        let by_flags = match self.resolv_conf() {
            Some(_) => &self.resolv_conf.good,
            None => &self.given.upstreams,
        };
        Routes {
            stubs: stated.stubs.as_ref().unwrap_or(&self.given.stubs).clone(),
            upstreams: stated.upstreams.as_ref().unwrap_or(by_flags).clone(),
        }
    }

    fn stated_without_own(&self, stated: config_map::Stated) -> (config_map::Stated, Vec<String>) {
        let mut problems = Vec::new();
        let upstreams = stated.upstreams.and_then(|upstreams| {
            let (upstreams, own) = self.without_own(upstreams);
            problems.extend(own);
            // As if the key were not there: no server at all can't be what was meant.
            (!upstreams.is_empty()).then_some(upstreams)
        });
        let stubs = stated.stubs.map(|stubs| {
            let mut kept = Vec::with_capacity(stubs.len());
            for stub in stubs {
                let (upstreams, own) = self.without_own(stub.upstreams);
                problems.extend(own);
                if upstreams.is_empty() {
                    problems.push(format!(
                        "{} has no other server, so its names are asked where all others are",
                        stub.domain
                    ));
                } else {
                    kept.push(StubDomain { upstreams, ..stub });
                }
            }
            kept
        });
        let stated = config_map::Stated {
            stubs,
            upstreams,
            ignored: Vec::new(),
        };
        (stated, problems)
    }

    /// The upstreams that are not this server itself, and a sentence for each that is.
    fn without_own(&self, upstreams: Vec<Upstream>) -> (Vec<Upstream>, Vec<String>) {
        let mut problems = Vec::new();
        let kept = upstreams
            .into_iter()
            .filter(|upstream| {
                let check =
                    check_not_own(slice::from_ref(upstream), &self.given.listen, self.is_local);
                if let Err(UpstreamError::OwnAddress { upstream, listen }) = &check {
                    problems.push(format!(
                        "{upstream} is this server's own listen address {listen}, and is left out"
                    ));
                }
                check.is_ok()
            })
            .collect();
        (kept, problems)
    }
}

impl<T> Source<T> {
    /// Those of the problems that are new; one that is gone will be new when it comes again.
    fn tell(&mut self, problems: Vec<String>) -> Vec<String> {
        let known = std::mem::replace(&mut self.told, problems.iter().cloned().collect());
        problems
            .into_iter()
            .filter(|problem| !known.contains(problem))
            .collect()
    }
}

#[cfg(test)]
mod tests;
