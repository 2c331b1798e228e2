//! A start that does not fail, but waits: the API server is away, or has not been told to let dns-ctl read.

use anyhow::{Result, ensure};
use api_stub::{ApiStub, Failure, Kind};
use kxdns_tests::{
    node::{PATIENCE, plan},
    site::Site,
};

const SERVICES: &[(&str, &str)] = &[("web", "10.96.30.1")];

/// Starts a site with something wrong, and checks that it waits, and says for what: `words` are in the line
/// that has the first of them.
fn waits(flags: &[&str], wrong: impl FnOnce(&ApiStub), words: &[&str]) -> Result<Site> {
    let mut site = Site::prepare(plan().build()?, SERVICES, flags, wrong)?;
    let line = site.node.child.wait_for_line(words[0], PATIENCE)?;
    for word in words.iter().chain(&["WARN"]) {
        ensure!(line.contains(word), "{word}: {line}");
    }
    site.node.wait_until_placed()?;
    let reply = site.node.page("/readyz")?;
    ensure!(reply.status == 503, "it says that it is ready");
    ensure!(reply.body.contains("not known yet"), "{}", reply.body);
    ensure!(
        site.node.page("/healthz")?.status == 200,
        "waiting is no failure"
    );
    for service in ["web", "nobody"] {
        site.unknown(service)?;
    }
    ensure!(site.node.hits()? == 0, "the kernel has answered");
    Ok(site)
}

/// Nothing is wrong any more: all is as if nothing had been.
fn goes_on(mut site: Site) -> Result<()> {
    site.node.wait_until_ready()?;
    site.in_kernel("web", Some("10.96.30.1"))?;
    site.in_kernel("nobody", None)?;
    site.terminate()
}

#[test]
fn the_api_server_is_away() -> Result<()> {
    let words = [
        "can't read services",
        "trying again",
        "check its address",
        "refused",
    ];
    let site = waits(&[], ApiStub::go_away, &words)?;
    let address = site.api.address().to_string();
    let said = site.node.child.output();
    assert!(said.contains(&address), "{said}");
    site.come_back()?;
    goes_on(site)
}

#[test]
fn it_may_not_read_services() -> Result<()> {
    for (flags, role) in [
        (&[][..], "bind a ClusterRole"),
        (
            &["--namespace", "default"],
            "bind a Role in the namespace default",
        ),
    ] {
        let words = [
            "forbids listing or watching services",
            role,
            "resources [services]",
            "verbs [list, watch]",
        ];
        let site = waits(flags, |api| api.forbid(Kind::Service), &words)?;
        site.api.clear_faults();
        goes_on(site)?;
    }
    Ok(())
}

#[test]
fn its_credentials_are_not_accepted() -> Result<()> {
    let wrong = |api: &ApiStub| api.fail_next(1000, Failure::Unauthorized);
    let words = [
        "does not accept the credentials",
        "renew the token or the kubeconfig",
    ];
    let site = waits(&[], wrong, &words)?;
    site.api.clear_faults();
    goes_on(site)
}

#[test]
fn it_can_be_stopped_meanwhile() -> Result<()> {
    let flags = ["--on-exit", "remove"];
    let mut site = waits(&flags, ApiStub::go_away, &["can't read services"])?;
    site.terminate()?;
    assert!(!site.node.folder().exists());
    Ok(())
}
