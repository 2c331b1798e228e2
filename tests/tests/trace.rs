//! `dns-ctl trace`: what it says of queries to a running instance, by the programs that run there.

use std::{process::Output, thread};

use anyhow::{Context as _, Result, ensure};
use aya::maps::Map;
use dns_common::maps::{Attachment, map_name};
use dns_ctl::attach::{maps::AttachedMap, pins, rung::Rung};
use kxdns_tests::node::{Node, PATIENCE, dns_ctl, manifests, plan, services};
use serde_json::Value;
use testbed::{Scratch, Signal};

const NGINX: &str = "nginx.default.svc.cluster.local";
const SERVICES: [(&str, &str); 1] = [("nginx", "10.96.1.5")];

/// A node with one Service that runs dns-ctl with these flags.
fn node(flags: &[&str]) -> Result<(Scratch, Node)> {
    let folder = manifests(&services(&SERVICES))?;
    let path = folder.path().to_string_lossy().into_owned();
    let node = Node::start(plan().build()?, &["--manifests", &path], flags)?;
    Ok((folder, node))
}

fn trace(node: &Node, arguments: &[&str]) -> Result<Output> {
    let mut command = dns_ctl(&node.bed.node)?;
    command.arg("trace").args(arguments).arg("--bpffs");
    let output = command.arg(node.folder()).output();
    output.context("can't run dns-ctl")
}

/// What it says as JSON, and its exit code.
fn trace_json(node: &Node, arguments: &[&str]) -> Result<(Value, Option<i32>)> {
    let output = trace(node, &[arguments, &["--output", "json"]].concat())?;
    let json = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("trace {arguments:?}: {output:?}"))?;
    Ok((json, output.status.code()))
}

#[test]
fn each_kind_of_answer_and_reason_is_found_by_either_program() -> Result<()> {
    for (hook, program) in [("tcx", "kxdns_tc"), ("xdp-generic", "kxdns_xdp")] {
        let (_folder, node) = node(&["--hook", hook])?;
        for (arguments, verdict, outcome) in [
            (&[NGINX][..], "answered", "a"),
            (&["NGINX.default.svc.Cluster.Local."], "answered", "a"),
            (&[NGINX, "A", "--edns"], "answered", "a"),
            (&[NGINX, "aaaa"], "answered", "nodata"),
            (&[NGINX, "TYPE65"], "answered", "nodata"),
            (
                &["missing.default.svc.cluster.local"],
                "answered",
                "nxdomain",
            ),
            (&["5.1.96.10.in-addr.arpa", "PTR"], "answered", "ptr"),
            (&["www.example.com"], "passed_on", "outside_zones"),
            (&[NGINX, "SRV"], "passed_on", "type_not_held"),
            (&[NGINX, "AXFR"], "passed_on", "type_not_served"),
            (
                &["10-1-2-3.default.pod.cluster.local"],
                "passed_on",
                "by_rule",
            ),
        ] {
            let (json, code) = trace_json(&node, arguments)?;
            let about = format!("{hook} {arguments:?}: {json}");
            let run = &json["runs"][0];
            assert_eq!(run["verdict"], verdict, "{about}");
            assert_eq!(run["outcome"], outcome, "{about}");
            assert_eq!(run["candidates"][0]["label"], outcome, "{about}");
            assert_eq!(run["program"], program, "{about}");
            assert_eq!(run["hooks"], serde_json::json!([hook]), "{about}");
            assert_eq!(json["running"], true, "{about}");
            assert_eq!(json["query"]["to"], "10.96.0.10:53", "{about}");
            assert_eq!(json["runs"].as_array().map(Vec::len), Some(1), "{about}");
            let is_answered = verdict == "answered";
            assert_eq!(code, Some(i32::from(!is_answered)), "{about}");
            assert_eq!(run["answer"].is_null(), !is_answered, "{about}");
            assert_eq!(run["next"].is_null(), is_answered, "{about}");
        }
    }
    Ok(())
}

#[test]
fn the_answer_is_shown_as_a_client_would_get_it() -> Result<()> {
    let (_folder, node) = node(&[])?;
    let name = "Nginx.default.svc.cluster.local.";
    let (json, _) = trace_json(&node, &[name, "A", "--edns=4096"])?;
    assert_eq!(json["query"]["edns"], 4096, "{json}");
    let answer = &json["runs"][0]["answer"];
    assert_eq!(answer["rcode"], "NOERROR", "{json}");
    assert_eq!(
        answer["flags"],
        serde_json::json!(["qr", "aa", "rd", "ra"]),
        "{json}"
    );
    assert_eq!(answer["edns"], 1232, "{json}");
    let record = &answer["answers"][0];
    assert_eq!(record["name"], name, "the letter case stays: {json}");
    assert_eq!(record["type"], "A", "{json}");
    assert_eq!(record["ttl"], 5, "{json}");
    assert_eq!(record["data"], "10.96.1.5", "{json}");

    let (json, _) = trace_json(&node, &[NGINX, "AAAA"])?;
    let answer = &json["runs"][0]["answer"];
    assert!(answer["edns"].is_null(), "{json}");
    assert_eq!(answer["answers"], serde_json::json!([]), "{json}");
    assert_eq!(answer["authorities"][0]["type"], "SOA", "{json}");
    Ok(())
}

#[test]
fn people_get_lines_with_the_reason_and_a_hint() -> Result<()> {
    let (_folder, node) = node(&["--kernel-negative", "off"])?;
    for (arguments, words) in [
        (
            &[NGINX][..],
            &[
                "kxdns_tc, attached by tcx",
                "answered in the kernel",
                "a: Answered with IPv4 addresses.",
                ";; ANSWER SECTION:",
                "\t5\tIN\tA\t10.96.1.5",
            ][..],
        ),
        (
            &[NGINX, "AAAA"],
            &["passed on", "negative_off: ", "--kernel-negative on"],
        ),
        (
            &["www.example.com"],
            &[
                "passed on",
                "outside_zones: ",
                "accelerate",
                "--cluster-domain",
            ],
        ),
    ] {
        let output = trace(&node, arguments)?;
        let said = String::from_utf8_lossy(&output.stdout);
        for word in words {
            assert!(said.contains(word), "{arguments:?}: no `{word}`: {said}");
        }
        assert!(output.stderr.is_empty(), "{output:?}");
    }
    Ok(())
}

#[test]
fn ipv6_needs_an_address_to_ask() -> Result<()> {
    let (_folder, first) = node(&[])?;
    let output = trace(&first, &[NGINX, "--ipv6"])?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(output.stdout.is_empty(), "{output:?}");
    for word in ["no IPv6 address", "--service-ip", "without --ipv6"] {
        assert!(said.contains(word), "no `{word}`: {said}");
    }
    drop(first);
    for hook in ["tcx", "xdp-generic"] {
        let flags = ["--service-ip", "10.96.0.10,fd00::a", "--hook", hook];
        let (_folder, second) = node(&flags)?;
        let (json, code) = trace_json(&second, &[NGINX, "--ipv6"])?;
        assert_eq!(json["query"]["to"], "[fd00::a]:53", "{json}");
        assert_eq!(json["query"]["from"], "[2001:db8::1]:53053", "{json}");
        assert_eq!(json["runs"][0]["outcome"], "a", "{json}");
        assert_eq!(code, Some(0), "{json}");
    }
    Ok(())
}

#[test]
fn a_trace_is_counted_and_finds_its_reason_among_other_packets() -> Result<()> {
    let (_folder, node) = node(&[])?;
    assert_eq!(node.hits()?, 0);
    trace(&node, &[NGINX])?;
    assert_eq!(node.hits()?, 1, "nobody else asks");
    assert_eq!(node.misses("outside_zones")?, 0);
    let (json, _) = trace_json(&node, &["www.example.com"])?;
    assert_eq!(json["runs"][0]["outcome"], "outside_zones", "{json}");
    let counted = node.misses("outside_zones")?;
    assert!((1..=32).contains(&counted), "{counted}");

    let query = testbed::query(7, &format!("{NGINX}."), hickory_proto::rr::RecordType::SRV)?;
    thread::scope(|scope| -> Result<()> {
        let asker = scope.spawn(|| -> Result<()> {
            // SRV is passed on to the server for another reason.
            for _ in 0..2000 {
                node.ask(&query)?;
            }
            Ok(())
        });
        let mut traces = 0;
        while !asker.is_finished() {
            let (json, _) = trace_json(&node, &["www.example.com"])?;
            let candidates = json["runs"][0]["candidates"].to_string();
            ensure!(candidates.contains("outside_zones"), "{json}");
            traces += 1;
        }
        asker.join().expect("the asker does not panic")?;
        ensure!(traces > 0, "no trace ran among the queries");
        Ok(())
    })
}

/// As with two interfaces of different drivers, and with none.
#[test]
fn every_program_in_use_is_run_and_tc_if_there_is_none() -> Result<()> {
    let (_folder, node) = node(&[])?;
    let map = Map::from_map_data(pins::open(&node.folder(), map_name::ATTACHED)?)?;
    let mut attached = AttachedMap::try_from(map)?;
    let other = Attachment {
        name: [0; 16],
        rung: Rung::XdpNative as u32,
        flags: 0,
    };
    attached.insert(u32::MAX, bytemuck::cast::<_, [u32; 6]>(other), 0)?;
    let (json, code) = trace_json(&node, &[NGINX])?;
    let runs = json["runs"].as_array().context("`runs` is an array")?;
    let programs: Vec<_> = runs.iter().map(|run| &run["program"]).collect();
    assert_eq!(programs, ["kxdns_xdp", "kxdns_tc"], "{json}");
    assert_eq!(runs[0]["hooks"], serde_json::json!(["xdp-native"]));
    assert!(runs.iter().all(|run| run["outcome"] == "a"), "{json}");
    assert_eq!(code, Some(0));

    for index in attached.keys().collect::<Result<Vec<_>, _>>()? {
        attached.remove(&index)?;
    }
    let output = trace(&node, &[NGINX])?;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("kxdns_tc, attached to no interface"),
        "{said}"
    );
    Ok(())
}

#[test]
fn without_an_instance_it_says_so() -> Result<()> {
    let (_folder, mut node) = node(&[])?;
    node.child.signal(Signal::SIGKILL)?;
    node.child.wait(PATIENCE)?;
    let (json, _) = trace_json(&node, &[NGINX])?;
    assert_eq!(json["running"], false, "{json}");
    let output = trace(&node, &[NGINX])?;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("left behind"), "{said}");

    let mut command = dns_ctl(&node.bed.node)?;
    command.args(["trace", NGINX, "--bpffs"]);
    let output = command.arg(node.bpffs.path().join("other")).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("no dns-ctl has its maps in"), "{said}");
    for wrong in [&["a..b"][..], &[NGINX, "NOTYPE"], &[]] {
        let output = trace(&node, wrong)?;
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {output:?}");
    }
    Ok(())
}
