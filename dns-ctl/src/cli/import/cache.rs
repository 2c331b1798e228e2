//! The directive `cache`: how long and how many answers are kept.

use super::{
    account::Fate,
    corefile::Directive,
    duration::seconds,
    flags::Flags,
    translate::{Plugin, Scope},
    zone::Cover,
};

/// What CoreDNS keeps of each kind unless told otherwise.
const USUAL_CAPACITY: u32 = 9984;
/// The most that `--cache-max-ttl` takes, in seconds.
const LONGEST: u32 = 604_800;
/// The most that `--cache-max-negative-ttl` takes, in seconds.
const LONGEST_DENIAL: u32 = 10_800;
/// How long an expired answer is given by CoreDNS if only `serve_stale` is written, in seconds.
const USUAL_STALE: u32 = 3600;

const MAX_TTL: &str = "--cache-max-ttl";
const MAX_NEGATIVE_TTL: &str = "--cache-max-negative-ttl";

/// A `cache` line.
pub(super) struct Cache<'a> {
    scope: &'a Scope<'a>,
    flags: &'a mut Flags,
    success: Kept,
    denial: Kept,
    prefetch: bool,
    stale: bool,
}

/// What an option says about one kind of answers.
#[derive(Clone, Copy, Default)]
struct Kept {
    capacity: Option<u32>,
    has_ttl: bool,
}

impl<'a> Cache<'a> {
    pub(super) fn new(scope: &'a Scope<'a>, flags: &'a mut Flags) -> Self {
        Self {
            scope,
            flags,
            success: Kept::default(),
            denial: Kept::default(),
            prefetch: false,
            stale: false,
        }
    }

    /// `success` or `denial` with CAPACITY, TTL and MINTTL.
    fn kept(&mut self, option: &Directive, flag: &'static str) -> Fate {
        let numbers: Result<Vec<u32>, _> =
            option.arguments.iter().map(|text| text.parse()).collect();
        let (capacity, ttl, shortest) = match numbers.as_deref() {
            Ok(&[capacity]) => (capacity, None, None),
            Ok(&[capacity, ttl]) if ttl > 0 => (capacity, Some(ttl), None),
            Ok(&[capacity, ttl, shortest]) if ttl > 0 => (capacity, Some(ttl), Some(shortest)),
            _ => return Fate::missing("CoreDNS takes a number of answers and their TTLs here"),
        };
        let kept = Kept {
            capacity: Some(capacity),
            has_ttl: ttl.is_some(),
        };
        match flag {
            MAX_TTL => self.success = kept,
            _ => self.denial = kept,
        }
        let (mut carried, mut problems) = (vec!["its part of --cache-size".to_owned()], Vec::new());
        if let Some(ttl) = ttl {
            sort(self.ttl(flag, ttl, option), &mut carried, &mut problems);
        }
        if shortest.is_some_and(|shortest| shortest > 0) {
            problems.push("a short TTL is not made longer".to_owned());
        }
        Fate::carried_but(carried.join(", "), &problems)
    }

    /// A longest TTL, as far as the flag goes.
    fn ttl(&mut self, flag: &'static str, ttl: u32, line: &Directive) -> Fate {
        let longest = if flag == MAX_TTL {
            LONGEST
        } else {
            LONGEST_DENIAL
        };
        match self
            .flags
            .set(flag, &ttl.min(longest).to_string(), &line.place)
        {
            Fate::Carried(text) if ttl > longest => {
                Fate::carried_but(text, &[format!("{flag} takes {longest} at most")])
            }
            fate => fate,
        }
    }

    fn prefetch(&mut self, option: &Directive) -> Fate {
        let Some(Ok(uses)) = option.arguments.first().map(|text| text.parse::<u32>()) else {
            return Fate::missing("CoreDNS takes a number of uses here");
        };
        self.prefetch = true;
        match self
            .flags
            .set("--prefetch", &uses.to_string(), &option.place)
        {
            Fate::Carried(text) if option.arguments.len() > 1 => Fate::carried_but(
                text,
                &[
                    "how close together the uses lie, and when it is asked again, can't be set"
                        .to_owned(),
                ],
            ),
            fate => fate,
        }
    }

    fn stale(&mut self, option: &Directive) -> Fate {
        let (duration, mode) = match option.arguments.as_slice() {
            [] => (Some(USUAL_STALE), None),
            [duration] => (seconds(duration), None),
            [duration, mode] => (seconds(duration), Some(mode.as_str())),
            _ => (None, None),
        };
        let Some(duration) = duration else {
            return Fate::missing("CoreDNS takes a duration here, such as 1h");
        };
        self.stale = true;
        let fate = self.flags.set(
            "--serve-stale",
            &duration.min(LONGEST).to_string(),
            &option.place,
        );
        match fate {
            Fate::Carried(text) if duration > LONGEST => {
                Fate::carried_but(text, &[format!("--serve-stale takes {LONGEST} at most")])
            }
            Fate::Carried(text) if mode == Some("immediate") => Fate::carried_but(
                text,
                &[
                    "an expired answer is given once the upstreams do not answer, not before"
                        .to_owned(),
                ],
            ),
            fate => fate,
        }
    }

    fn disable(&self, option: &Directive) -> Fate {
        let own = |name: &String| {
            Cover::parse(name).is_ok_and(|cover| {
                cover != Cover::Root
                    && cover
                        .domains()
                        .iter()
                        .all(|domain| self.flags.domains.iter().any(|own| own.contains(domain)))
            })
        };
        if option.arguments.len() > 1 && option.arguments.iter().skip(1).all(own) {
            return Fate::built_in(
                "the cluster's names are held in memory, and never in the cache",
            );
        }
        Fate::missing(
            "the cache can't be turned off for a kind of answers, or for a domain; --cache-size 0 turns it off",
        )
    }

    /// What the line itself says, and what it says by leaving something out.
    fn whole(&mut self, directive: &Directive) -> Fate {
        let (mut carried, mut problems) = (Vec::new(), Vec::new());
        let mut zones = directive.arguments.as_slice();
        if let [first, rest @ ..] = zones
            && let Ok(ttl) = first.parse::<u32>()
        {
            zones = rest;
            if ttl == 0 {
                return Fate::missing("CoreDNS takes no TTL of 0 here");
            }
            if !self.success.has_ttl {
                sort(
                    self.ttl(MAX_TTL, ttl, directive),
                    &mut carried,
                    &mut problems,
                );
            }
            if !self.denial.has_ttl {
                let fate = self.ttl(MAX_NEGATIVE_TTL, ttl, directive);
                sort(fate, &mut carried, &mut problems);
            }
        }
        if !zones.is_empty() && !zones.iter().any(|zone| zone == ".") {
            problems.push("the cache is for all names outside the cluster".to_owned());
        }
        let mut values = Vec::new();
        if self.success.capacity.is_some() || self.denial.capacity.is_some() {
            let capacity = |kept: Kept| kept.capacity.unwrap_or(USUAL_CAPACITY);
            let size = u64::from(capacity(self.success)) + u64::from(capacity(self.denial));
            values.push(("--cache-size", size.to_string()));
        }
        // What CoreDNS does only when it is asked to, kxdns does by default.
        for (said, flag) in [(self.prefetch, "--prefetch"), (self.stale, "--serve-stale")] {
            if !said {
                values.push((flag, "0".to_owned()));
            }
        }
        let fate = self.flags.set_all(&values, &directive.place);
        sort(fate, &mut carried, &mut problems);
        Fate::carried_but(carried.join(" "), &problems)
    }
}

/// Puts a fate's text to its like.
fn sort(fate: Fate, carried: &mut Vec<String>, problems: &mut Vec<String>) {
    match fate {
        Fate::Carried(text) if text.is_empty() => {}
        Fate::Carried(text) => carried.push(text),
        Fate::BuiltIn(text) | Fate::Missing(text) => problems.push(text),
    }
}

impl Plugin for Cache<'_> {
    fn option(&mut self, option: &Directive) -> Fate {
        if self.scope.passes_to_cluster {
            return Fate::built_in(CLUSTER_NAMES);
        }
        match option.name.as_str() {
            "success" => self.kept(option, MAX_TTL),
            "denial" => self.kept(option, MAX_NEGATIVE_TTL),
            "prefetch" => self.prefetch(option),
            "serve_stale" => self.stale(option),
            "disable" => self.disable(option),
            "servfail" => {
                Fate::missing("a failure is kept for a second only, and that can't be set")
            }
            "keepttl" => {
                Fate::missing("the TTL of a kept answer always says how long it is still good")
            }
            _ => Fate::missing("not an option that kxdns knows"),
        }
    }

    fn directive(&mut self, directive: &Directive) -> Fate {
        if self.scope.passes_to_cluster {
            return Fate::built_in(CLUSTER_NAMES);
        }
        self.whole(directive)
    }
}

/// Why a block of the cluster's names needs no cache.
const CLUSTER_NAMES: &str = "the cluster's names are held in memory, and need no cache";
