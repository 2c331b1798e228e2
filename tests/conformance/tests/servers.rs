//! CoreDNS and dns-ctl say the same of generated clusters, except where they are meant not to.

use conformance::{
    campaign::{Campaign, Tally},
    question::Kind,
    server::Subject,
};

/// Clusters that are always tried: each has shown something when the account was written.
const FIXED: [u64; 10] = [1, 22, 47, 51, 56, 86, 1086, 1168, 1177, 3113];
/// How many clusters are tried, and how many questions are asked about each, unless the environment says otherwise.
const CLUSTERS: usize = 50;
const QUESTIONS: usize = 500;
/// After so many questions, every kind should have come up.
const ENOUGH: usize = 5000;

fn check(campaign: &Campaign, tally: &Tally) {
    println!("seeds: {:?}", campaign.seeds);
    println!("{tally}");
    assert!(
        tally.unexplained.is_empty(),
        "{} answers differ in a way that docs/compatibility.md does not explain",
        tally.unexplained.len()
    );
    assert_eq!(tally.questions(), campaign.seeds.len() * campaign.questions);
    if tally.questions() >= ENOUGH {
        for (_, kind) in Kind::ALL {
            assert!(tally.kinds.contains_key(&kind), "{kind:?} was never asked");
        }
    }
}

#[test]
fn dns_ctl_says_what_coredns_says() -> anyhow::Result<()> {
    let campaign = Campaign::from_env(&FIXED, CLUSTERS, QUESTIONS)?;
    let tally = campaign.run([Subject::CoreDns, Subject::DnsCtl])?;
    check(&campaign, &tally);
    Ok(())
}

/// The judge is not fooled by chance: what one server says twice, or two instances of it, is the same.
#[test]
fn coredns_says_what_coredns_says() -> anyhow::Result<()> {
    let campaign = Campaign {
        seeds: FIXED.to_vec(),
        questions: 200,
    };
    let tally = campaign.run([Subject::CoreDns, Subject::CoreDns])?;
    assert_eq!(tally.equal, tally.questions(), "{tally}");
    Ok(())
}
