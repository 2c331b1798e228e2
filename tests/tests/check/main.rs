//! `dns-ctl check` tells before a start what would stand in its way, and changes nothing.

mod bed;

use std::{
    fs,
    net::{TcpListener, UdpSocket},
    path::Path,
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use api_stub::{Cluster, Failure, Kind, Verb, sample};
use kxdns_tests::node::{
    Node, POD_INTERFACE, SERVICE, SERVICE_IP, dns_ctl, manifests, plan, services,
};
use serde_json::json;
use testbed::{Table, Upstream};

use bed::{Bed, NOBODY, Report, UPSTREAM, local, outcome, traces};

#[test]
fn a_node_that_is_as_it_should_be_passes_and_stays_as_it_is() -> Result<()> {
    let bed = Bed::new(Cluster::start)?;
    let before = traces(&bed)?;
    let state = bed.folder.path().join("state");
    let report = bed.check(&[
        ("--state-dir", &state.to_string_lossy()),
        ("--metrics-listen", "127.0.0.1:9153"),
        ("--pods", "verified"),
        ("--config-map", "kube-system/kube-dns"),
    ])?;
    report.expect(0, &[])?;
    let mut checks: Vec<_> = report.lines()?.iter().map(|line| &line["check"]).collect();
    checks.dedup();
    let expected = json!([
        "kernel",
        "capabilities",
        "btf",
        "programs",
        "bpffs",
        "interfaces",
        "instance",
        "listen",
        "metrics",
        "state-dir",
        "api",
        "rbac",
        "dns-service",
        "upstreams"
    ]);
    ensure!(json!(checks) == expected, "{checks:?}");
    for line in report.lines()? {
        let fields = line.as_object().context("a line is an object")?;
        let names: Vec<_> = fields.keys().map(String::as_str).collect();
        ensure!(names == ["check", "found", "remedy", "result"], "{line}");
        ensure!(fields["remedy"].is_null(), "{line}");
    }
    ensure!(traces(&bed)? == before, "{before}\n{}", traces(&bed)?);
    ensure!(bed.upstream.queries() > 0);

    let mut plain = bed.command(&[("--output", "")])?;
    let (code, text) = outcome(&mut plain)?;
    ensure!(code == Some(0), "{text}");
    ensure!(text.contains("pass  programs "), "{text}");
    ensure!(text.contains(&format!("{POD_INTERFACE}: tcx")), "{text}");
    ensure!(!text.contains('\u{1b}'), "{text:?}");
    Ok(())
}

#[test]
fn each_obstacle_is_one_failure_with_its_remedy() -> Result<()> {
    let bed = Bed::with_stub()?;
    let elsewhere = bed.folder.path().to_string_lossy().into_owned();
    let nobody = NOBODY.to_string();
    let both = format!("{NOBODY},{UPSTREAM}");
    let missing = format!("{elsewhere}/missing");
    let file = bed.folder.write("file", "")?;
    let file = file.to_string_lossy().into_owned();
    let _taken = bed.node.node.run(|| TcpListener::bind(local(5353)))??;
    for (flags, code, problems) in [
        (
            ("--bpffs", elsewhere.as_str()),
            1,
            ("bpffs", "fail", "mount -t bpf"),
        ),
        (
            ("--listen", "127.0.0.1:5353"),
            1,
            ("listen", "fail", "in use by another process"),
        ),
        (
            ("--metrics-listen", "127.0.0.1:5353"),
            1,
            ("metrics", "fail", "--metrics-listen"),
        ),
        (
            ("--upstream", &nobody),
            1,
            ("upstreams", "fail", "127.0.0.1:5399 does not answer"),
        ),
        (
            ("--upstream", &both),
            0,
            ("upstreams", "warn", "127.0.0.1:5399 does not answer"),
        ),
        (
            ("--stub-domain", "acme.local=127.0.0.1:5399"),
            1,
            ("upstreams", "fail", "for acme.local"),
        ),
        (
            ("--interface", "eth7"),
            1,
            ("interfaces", "fail", POD_INTERFACE),
        ),
        (("--interface", "cali*"), 0, ("interfaces", "warn", "cali*")),
        (
            ("--state-dir", &file),
            1,
            ("state-dir", "fail", "is not a folder"),
        ),
        (
            ("--service-ip", ""),
            0,
            ("dns-service", "warn", "k8s-app=kube-dns"),
        ),
    ] {
        bed.check(&[flags])?
            .expect(code, &[problems])
            .with_context(|| format!("{flags:?}"))?;
    }
    let report = bed.check(&[("--kubeconfig", &missing)])?;
    let not_asked = ("rbac", "warn", "not looked at");
    report.expect(1, &[("api", "fail", "does not exist"), not_asked])
}

#[test]
fn flags_that_contradict_each_other_are_refused_as_run_refuses_them() -> Result<()> {
    let bed = Bed::with_stub()?;
    for flags in [("--hook", "off"), ("--ttl", "9999"), ("--no-such", "flag")] {
        let (code, said) = outcome(&mut bed.command(&[flags])?)?;
        ensure!(code == Some(2), "{flags:?}: {said}");
        ensure!(said.contains(flags.0), "{said}");
    }
    Ok(())
}

#[test]
fn missing_privileges_are_named() -> Result<()> {
    let bed = Bed::with_stub()?;
    let whole = bed.command(&[("--listen", "127.0.0.1:53")])?;
    let dropped = "-bpf,-sys_admin,-perfmon,-net_admin,-net_bind_service";
    let mut command = bed.node.node.command("setpriv");
    // The arguments begin with the way into the namespace, which this command has gone already.
    let arguments = whole
        .get_args()
        .skip_while(|word| !word.as_encoded_bytes().ends_with(b"dns-ctl"));
    command
        .arg(format!("--bounding-set={dropped}"))
        .args(arguments);
    let names = "CAP_BPF and CAP_PERFMON and CAP_NET_ADMIN";
    Report::of(&mut command)?.expect(
        1,
        &[
            ("capabilities", "fail", names),
            ("capabilities", "fail", "CAP_NET_BIND_SERVICE"),
            ("programs", "fail", names),
            ("listen", "fail", "CAP_NET_BIND_SERVICE"),
        ],
    )
}

#[test]
fn a_read_only_bpffs_and_a_foreign_folder_on_it_are_told() -> Result<()> {
    let bed = Bed::with_stub()?;
    let foreign = bed.bpffs.path().join("somebody");
    fs::create_dir_all(foreign.join("else"))?;
    let report = bed.check(&[("--bpffs", &foreign.to_string_lossy())])?;
    report.expect(1, &[("bpffs", "fail", "else is not of dns-ctl")])?;
    read_only(bed.bpffs.path())?;
    let report = bed.check(&[])?;
    report.expect(1, &[("bpffs", "fail", "mounted read-only")])
}

fn read_only(path: &Path) -> Result<()> {
    let mut mount = Command::new("mount");
    testbed::output(mount.args(["-o", "remount,ro,bind"]).arg(path))?;
    Ok(())
}

#[test]
fn a_kind_that_may_not_be_read_is_named_with_the_rule() -> Result<()> {
    let bed = Bed::with_stub()?;
    bed.stub()?.forbid(Kind::EndpointSlice);
    let rule =
        r#"apiGroups [\"discovery.k8s.io\"], resources [endpointslices], verbs [list, watch]"#;
    let report = bed.check(&[])?;
    report.expect(1, &[("rbac", "fail", rule)])?;
    // A single namespace takes a Role there.
    let report = bed.check(&[("--namespace", "default")])?;
    let found = "forbids to list endpointslices in the namespace default";
    report.expect(1, &[("rbac", "fail", found)])?;
    bed.stub()?.clear_faults();
    bed.stub()?.fail_next_of(Verb::Watch, 1, Failure::Forbidden);
    let report = bed.check(&[])?;
    report.expect(1, &[("rbac", "fail", "forbids to watch")])?;
    bed.check(&[])?.expect(0, &[])
}

#[test]
fn an_api_server_that_is_away_hides_nothing_else() -> Result<()> {
    let bed = Bed::with_stub()?;
    bed.stub()?.go_away();
    let report = bed.check(&[("--upstream", &NOBODY.to_string())])?;
    report.expect(
        1,
        &[
            ("api", "fail", "network policies"),
            ("rbac", "warn", "not looked at"),
            ("upstreams", "fail", "does not answer"),
        ],
    )
}

/// Sockets that take everything and say nothing: the time of each check is bounded.
#[test]
fn silence_everywhere_is_told_and_waited_for_only_so_long() -> Result<()> {
    let bed = Bed::with_stub()?;
    let _api = bed.node.node.run(|| TcpListener::bind(local(6443)))??;
    let _upstream = bed.node.node.run(|| UdpSocket::bind(NOBODY))??;
    let text = fs::read_to_string(&bed.kubeconfig)?;
    let silent = text.replace(&bed.cluster.url(), "http://127.0.0.1:6443");
    ensure!(silent != text, "{text}");
    let silent = bed.folder.write("silent", &silent)?;
    let report = bed.check(&[
        ("--kubeconfig", &silent.to_string_lossy()),
        ("--upstream", &NOBODY.to_string()),
    ])?;
    report.expect(
        1,
        &[
            ("api", "fail", "has not answered within"),
            ("rbac", "warn", "not looked at"),
            ("upstreams", "fail", "no answer in time"),
        ],
    )
}

#[test]
fn the_dns_service_is_found_and_is_no_upstream() -> Result<()> {
    let bed = Bed::with_stub()?;
    let mut kube_dns = sample::service("kube-system", "kube-dns", &SERVICE_IP.to_string());
    kube_dns["metadata"]["labels"] = json!({ "k8s-app": "kube-dns" });
    bed.node.node.run(|| bed.cluster.create(&kube_dns))??;
    bed.check(&[("--service-ip", "")])?.expect(0, &[])?;
    let listen = ("--listen", "127.0.0.1:5354");
    let report = bed.check(&[listen, ("--upstream", &SERVICE_IP.to_string())])?;
    report.expect(1, &[("upstreams", "fail", "leads back here")])
}

#[test]
fn manifests_are_read_with_their_mistakes() -> Result<()> {
    let bed = Bed::with_stub()?;
    let folder = manifests(&services(&[("nginx", "10.96.1.5")]))?;
    let path = folder.path().to_string_lossy().into_owned();
    let source = [("--kubeconfig", ""), ("--manifests", path.as_str())];
    bed.check(&source)?.expect(0, &[])?;
    folder.write(
        "broken.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: [\n",
    )?;
    let report = bed.check(&source)?;
    report.expect(0, &[("manifests", "warn", "broken.yaml:")])?;
    let gone = [("--kubeconfig", ""), ("--manifests", "/nonexistent")];
    let report = bed.check(&gone)?;
    let not_asked = ("rbac", "warn", "not looked at");
    report.expect(1, &[("manifests", "fail", "/nonexistent"), not_asked])
}

#[test]
fn an_instance_that_runs_is_a_warning() -> Result<()> {
    let folder = manifests(&services(&[("nginx", "10.96.1.5")]))?;
    let path = folder.path().to_string_lossy().into_owned();
    let node = Node::start(plan().build()?, &["--manifests", &path], &[])?;
    let _upstream = Upstream::start(&node.bed.node, UPSTREAM, Table::new())?;
    let check = |flags: &[&str]| -> Result<Report> {
        let mut command = dns_ctl(&node.bed.node)?;
        command.args(["check", "--manifests", &path, "--output", "json"]);
        command.args(["--interface", POD_INTERFACE]);
        command.args(["--service-ip", &SERVICE_IP.to_string()]);
        command.args(["--listen", &SERVICE.to_string()]);
        command.args(["--upstream", &UPSTREAM.to_string(), "--bpffs"]);
        Report::of(command.arg(node.folder()).args(flags))
    };
    let in_use = ("listen", "warn", "by the other dns-ctl");
    check(&[])?.expect(0, &[("instance", "warn", "--takeover"), in_use])?;
    check(&["--takeover"])?.expect(0, &[in_use])?;
    ensure!(node.status()?["running"] == true);
    Ok(())
}
