//! DSCP of a query goes into its answer, ECN does not (RFC 3168, RFC 8200).

use anyhow::{Context as _, Result, ensure};
use hickory_proto::rr::RecordType;
use kxdns_tests::node::{ANSWER, plan};
use packets::oracle::Network;

use crate::{
    bed::{Bed, HOOKS, SERVERS},
    capture::{Capture, Seen},
    question::{DOMAIN, Question},
};

/// DSCP and ECN of queries: none, expedited forwarding (RFC 3246), every bit; with each ECN mark.
const CLASSES: [u8; 7] = [0x00, 0x01, 0x02, 0x03, 0xb8, 0xbb, 0xff];

#[test]
fn dscp_is_kept_and_ecn_is_cleared() -> Result<()> {
    let question = Question::new(&format!("nginx.{DOMAIN}"), RecordType::A, "a");
    for hook in HOOKS {
        let bed = Bed::start(plan(), hook, &[])?;
        let capture = Capture::start(bed.node.pod())?;
        let before = bed.counts()?;
        let mut expected = Vec::new();
        for server in SERVERS {
            let client = bed.client(server)?;
            for class in CLASSES {
                client.set_traffic_class(class)?;
                let id = u16::from(class) << 8 | u16::from(server.is_ipv6());
                client.send(server, &question.query(id, false))?;
                let reply = client.receive(ANSWER)?.context("no answer")?;
                ensure!(reply.bytes[..2] == id.to_be_bytes(), "another answer");
                expected.push((id, server.is_ipv6(), class & 0xfc));
            }
        }
        let count = expected.len();
        let counts = bed.counts()?;
        assert_eq!(counts.hits_since(&before), [("a", count as u64)], "{hook}");
        let seen = capture.answers(count)?;
        let classes: Vec<_> = seen.iter().map(class).collect::<Result<_>>()?;
        assert_eq!(classes, expected, "{hook}");
        for answer in seen {
            answer.expect_right_checksums().context(hook)?;
        }
    }
    Ok(())
}

/// Id, whether it came over IPv6, DSCP and ECN of an answer.
fn class(seen: &Seen) -> Result<(u16, bool, u8)> {
    let id = seen.id()?;
    Ok(match seen.open()?.network {
        Network::V4(ip) => {
            let (dscp, ecn) = (ip.header.dscp.value(), ip.header.ecn.value());
            (id, false, dscp << 2 | ecn)
        }
        Network::V6(ip) => (id, true, ip.traffic_class),
    })
}
