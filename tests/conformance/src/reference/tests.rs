//! Every row comes up, and no other difference passes for one.

use super::*;
use crate::question::Transport;

/// The questions of some clusters, with the answers that the account gives for both servers.
fn cases(seeds: std::ops::Range<u64>) -> impl Iterator<Item = (ClusterPlan, Vec<Case>)> {
    seeds.map(|seed| {
        let plan = ClusterPlan::generate(seed);
        let says = |question: &Question, rows: Rows| {
            let plan = &plan;
            Reference {
                plan,
                rows,
                depth: 0,
            }
            .answer(question)
        };
        let cases = Question::generate(&plan, 500)
            .into_iter()
            .map(|question| Case {
                theirs: says(&question, Rows::new()),
                ours: says(&question, Row::ALL.into()),
                question,
            });
        let cases = cases.collect();
        (plan, cases)
    })
}

#[test]
fn every_row_is_the_reason_for_some_difference() {
    let mut seen = Rows::new();
    for (plan, cases) in cases(0..40) {
        for case in &cases {
            match judge(&plan, case) {
                Verdict::Equal => {}
                Verdict::Explained(rows) => {
                    assert!(!rows.is_empty(), "{}: {case:?}", plan.seed);
                    seen.extend(rows);
                }
                Verdict::Unexplained(_) => panic!("{}: {case:?}", plan.seed),
            }
        }
    }
    let missing: Vec<_> = Row::ALL.iter().filter(|row| !seen.contains(row)).collect();
    assert!(missing.is_empty(), "{missing:?} never come up");
}

/// A way to be wrong.
type Fault = (&'static str, fn(&mut Said));

const FAULTS: [Fault; 7] = [
    ("another response code", |it| {
        it.rcode = ResponseCode::Refused;
    }),
    ("AA turned", |it| it.authoritative ^= true),
    ("no answers", |it| it.answers.clear()),
    ("a TTL", |it| {
        for line in it.answers.iter_mut().chain(&mut it.authorities) {
            line.ttl += 1;
        }
    }),
    ("data", |it| {
        for line in &mut it.answers {
            line.data.push('x');
        }
    }),
    ("no SOA", |it| it.authorities.clear()),
    ("no glue", |it| it.additionals.clear()),
];

#[test]
fn a_fault_of_either_server_is_found() {
    let mut found = [0; FAULTS.len()];
    for (plan, cases) in cases(0..4) {
        for case in &cases {
            for ((name, spoil), found) in FAULTS.iter().zip(&mut found) {
                for ours in [true, false] {
                    let mut case = case.clone();
                    let before = case.clone();
                    spoil(if ours {
                        &mut case.ours
                    } else {
                        &mut case.theirs
                    });
                    let is_changed = (&case.ours, &case.theirs) != (&before.ours, &before.theirs);
                    // A fault may make equal what was not; then nobody can tell.
                    if !is_changed || case.ours == case.theirs {
                        continue;
                    }
                    *found += 1;
                    let verdict = judge(&plan, &case);
                    assert!(
                        matches!(verdict, Verdict::Unexplained(_)),
                        "{name}: {} {case:?}",
                        plan.seed
                    );
                }
            }
        }
    }
    assert!(found.iter().all(|&count| count > 50), "{found:?}");
}

/// What the account says for both servers, spelt out for one question of each sort.
#[test]
fn the_account_is_as_documented() {
    use ResponseCode::{NXDomain, NoError};
    let plan = ClusterPlan::generate(0);
    let domain = &plan.settings.domains[0];
    let answer = |name: &str, record_type, rows: Rows| {
        let question = Question {
            kind: crate::question::Kind::Fixed,
            name: Name::from_ascii(format!("{name}{domain}.")).unwrap(),
            record_type,
            transport: Transport::Tcp,
        };
        let said = Reference {
            plan: &plan,
            rows,
            depth: 0,
        }
        .answer(&question);
        (said.rcode, said.answers.len(), said.authorities.len())
    };
    for (name, record_type, theirs, ours) in [
        ("", RecordType::SOA, (NoError, 1, 0), (NoError, 1, 0)),
        ("", RecordType::TXT, (NXDomain, 0, 1), (NoError, 0, 1)),
        ("", RecordType::A, (NoError, 0, 1), (NoError, 0, 1)),
        (
            "dns-version.",
            RecordType::TXT,
            (NoError, 1, 0),
            (NoError, 1, 0),
        ),
        (
            "dns-version.",
            RecordType::A,
            (NXDomain, 0, 1),
            (NoError, 0, 1),
        ),
        (
            "nothing.",
            RecordType::A,
            (NXDomain, 0, 1),
            (NXDomain, 0, 1),
        ),
        (
            "nothing.",
            RecordType::SOA,
            (NoError, 0, 1),
            (NXDomain, 0, 1),
        ),
        ("svc.", RecordType::AAAA, (NoError, 0, 1), (NoError, 0, 1)),
        (
            "service.kxdns-markers.svc.",
            RecordType::A,
            (NoError, 1, 0),
            (NoError, 1, 0),
        ),
        (
            "_tcp.service.kxdns-markers.svc.",
            RecordType::A,
            (NXDomain, 0, 1),
            (NoError, 0, 1),
        ),
        (
            "_http._tcp.service.kxdns-markers.svc.",
            RecordType::SRV,
            (NoError, 1, 0),
            (NoError, 1, 0),
        ),
        (
            "_http._tcp.service.kxdns-markers.svc.",
            RecordType::A,
            (NoError, 1, 0),
            (NoError, 0, 1),
        ),
        (
            "http.tcp.service.kxdns-markers.svc.",
            RecordType::SRV,
            (NoError, 1, 0),
            (NXDomain, 0, 1),
        ),
    ] {
        let both = (
            answer(name, record_type, Rows::new()),
            answer(name, record_type, Row::ALL.into()),
        );
        assert_eq!(both, (theirs, ours), "{name} {record_type}");
    }
}
