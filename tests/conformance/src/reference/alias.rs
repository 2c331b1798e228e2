//! Services that are other names.

use std::str::FromStr as _;

use hickory_proto::{
    op::ResponseCode,
    rr::{Name, RecordType},
};

use super::{Place, Reference, failure, node::Node, positive};
use crate::{
    row::Row,
    said::{Line, Said},
    upstream,
};

/// Most aliases that are followed one after another.
const MAX_ALIASES: usize = 8;
/// How often `CoreDNS` asks itself because of one question.
const MAX_DEPTH: usize = 10;

/// Where aliases lead.
struct Walk<'p> {
    /// The aliases.
    lines: Vec<Line>,
    /// How many of them lead to one another within the zone of the first.
    inside: usize,
    /// Whether the others lead out of it.
    left: bool,
    /// Where they first get to in another cluster domain.
    elsewhere: Option<(Name, Place<'p>)>,
    /// What is at the end; `None` if there is no end.
    end: Option<Said>,
}

impl<'p> Reference<'p> {
    /// What an alias comes to for a type.
    pub(super) fn alias(
        &self,
        owner: &str,
        place: &Place<'_>,
        target: &str,
        record_type: RecordType,
    ) -> Said {
        match record_type {
            RecordType::CNAME => positive(vec![self.cname(owner, target)]),
            RecordType::ANY => self.no_data(place.domain),
            RecordType::A | RecordType::AAAA => self.follow(owner, place, target, record_type),
            _ if self.on(Row::AliasTypes) => self.follow(owner, place, target, record_type),
            _ => self.no_data(place.domain),
        }
    }

    fn follow(
        &self,
        owner: &str,
        place: &Place<'_>,
        target: &str,
        record_type: RecordType,
    ) -> Said {
        let mut walk = self.walk(owner, place, target, record_type);
        match walk.end.take() {
            None if self.on(Row::AliasCircle) => failure(),
            Some(end) if end.rcode == ResponseCode::ServFail && self.on(Row::AliasFailure) => {
                failure()
            }
            Some(end) if self.on(Row::AliasDeadEnd) || !end.answers.is_empty() => {
                walk.lines.extend(end.answers);
                Said {
                    rcode: end.rcode,
                    authorities: end.authorities,
                    additionals: end.additionals,
                    ..positive(walk.lines)
                }
            }
            _ => self.without_end(place, walk, record_type),
        }
    }

    /// What `CoreDNS` tells of aliases that lead nowhere: those in the zone of the first together with the one that
    /// leads out of it, and what it would answer, by itself, to a question for that one's target.
    fn without_end(&self, place: &Place<'_>, walk: Walk<'_>, record_type: RecordType) -> Said {
        let Walk {
            mut lines,
            inside,
            left,
            elsewhere,
            ..
        } = walk;
        if !left {
            return self.no_data(place.domain);
        }
        lines.truncate(inside + 1);
        if let Some((name, next)) = elsewhere
            && self.depth < MAX_DEPTH
        {
            let again = Self {
                rows: self.rows.clone(),
                depth: self.depth + 1,
                ..*self
            };
            lines.extend(again.in_cluster(&name, &next, record_type).answers);
        }
        positive(lines)
    }

    fn walk(
        &self,
        owner: &str,
        place: &Place<'_>,
        target: &str,
        record_type: RecordType,
    ) -> Walk<'p> {
        let mut walk = Walk {
            lines: vec![self.cname(owner, target)],
            inside: 0,
            left: false,
            elsewhere: None,
            end: None,
        };
        let mut target = target.to_owned();
        while walk.lines.len() <= MAX_ALIASES {
            let name = Name::from_str(&absolute(&target)).expect("targets are names");
            let Some(next) = self.place(&name) else {
                walk.left = true;
                walk.end = Some(upstream::answer(&name, record_type));
                return walk;
            };
            if next.domain != place.domain && !walk.left {
                walk.left = true;
                walk.elsewhere = Some((name.clone(), next.clone()));
            }
            if !walk.left {
                walk.inside = walk.lines.len();
            }
            let Node::Alias(further) = self.node(&next, record_type) else {
                walk.end = Some(self.in_cluster(&name, &next, record_type));
                return walk;
            };
            walk.lines.push(self.cname(&absolute(&target), &further));
            target = further;
        }
        walk
    }

    fn cname(&self, owner: &str, target: &str) -> Line {
        self.line(owner, RecordType::CNAME, absolute(target))
    }
}

fn absolute(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.'))
}
