//! What the chart makes of each case: flags that dns-ctl takes, rules that fit what it asks, Services that fit its pods.

use std::{collections::BTreeSet, process::Command as Process, time::Duration};

use anyhow::{Context as _, Result, ensure};
use api_stub::{ApiStub, Request, Verb};
use clap::{CommandFactory as _, Parser as _};
use deploy_tests::{Ask, Release, grants};
use dns_ctl::{
    args::{Cli, Command},
    config::Config,
};
use testbed::{Child, Scratch};

/// Flags that have no value in the chart, each for its reason.
const WITHOUT_VALUE: [(&str, &str); 7] = [
    ("kubeconfig", "a pod has an identity"),
    ("context", "goes with a kubeconfig"),
    ("manifests", "the objects are the cluster's"),
    (
        "bpffs",
        "in the environment, where other commands find it, too",
    ),
    ("resolv-conf", "is the pod's, which kubelet writes"),
    ("help", "no setting"),
    ("version", "no setting"),
];
/// How long dns-ctl may take to ask for all that it wants.
const PATIENCE: Duration = Duration::from_secs(30);

fn run_config(words: &[String]) -> Result<Config> {
    let cli = Cli::try_parse_from(["dns-ctl".to_owned()].iter().chain(words))?;
    let Command::Run(run) = cli.command else {
        anyhow::bail!("{words:?} is no `run`");
    };
    Ok(Config::try_from(*run)?)
}

#[test]
fn dns_ctl_takes_the_flags_of_every_case() -> Result<()> {
    for release in Release::all_rendered()? {
        for addresses in [
            &["192.0.2.1"][..],
            &["2001:db8::1"],
            &["192.0.2.1", "2001:db8::1"],
        ] {
            let arguments = release.arguments(addresses)?;
            run_config(&arguments).with_context(|| format!("{}: {arguments:?}", release.name))?;
        }
    }
    Ok(())
}

#[test]
fn every_flag_of_run_has_a_value_in_the_chart() -> Result<()> {
    let mut given = BTreeSet::new();
    for release in Release::all_rendered()? {
        let arguments = release.arguments(&["192.0.2.1"])?;
        let flags = arguments.iter().filter_map(|word| word.strip_prefix("--"));
        given.extend(flags.map(|flag| flag.split('=').next().unwrap_or_default().to_owned()));
    }
    let cli = Cli::command();
    let run = cli.find_subcommand("run").context("there is `run`")?;
    for flag in run.get_arguments().filter_map(clap::Arg::get_long) {
        let reason = WITHOUT_VALUE.iter().find(|(name, _)| *name == flag);
        assert!(
            given.contains(flag) || reason.is_some(),
            "--{flag} can't be set by a value of the chart"
        );
    }
    Ok(())
}

#[test]
fn the_rules_allow_what_dns_ctl_asks_and_nothing_else() -> Result<()> {
    let releases = Release::all_rendered()?;
    // Each waits for its own dns-ctl most of the time.
    std::thread::scope(|scope| {
        let checks: Vec<_> = releases
            .iter()
            .map(|release| {
                scope.spawn(|| check_rules(release).with_context(|| release.name.clone()))
            })
            .collect();
        let join = |check: std::thread::ScopedJoinHandle<'_, Result<()>>| {
            check.join().expect("it does not panic")
        };
        checks.into_iter().try_for_each(join)
    })
}

fn check_rules(release: &Release) -> Result<()> {
    let grants = grants(release)?;
    if release.name == "cleanup" {
        ensure!(grants.is_empty(), "{grants:?}");
        return Ok(());
    }
    let asks = asked_by_dns_ctl(release)?;
    for ask in &asks {
        let allowed = grants.iter().any(|grant| grant.covers(ask));
        ensure!(allowed, "not allowed: {ask:?}");
    }
    for grant in &grants {
        let needed = asks.iter().any(|ask| {
            grant.covers(ask) && ask.namespace == grant.0.namespace && ask.name == grant.0.name
        });
        ensure!(needed, "wider than needed: {grant:?}");
    }
    Ok(())
}

/// What dns-ctl asks of an API server when it runs, and when it checks, with the flags of a release.
fn asked_by_dns_ctl(release: &Release) -> Result<Vec<Ask>> {
    let api = ApiStub::start()?;
    let folder = Scratch::new("rules")?;
    let kubeconfig = folder.path().join("kubeconfig");
    api.write_kubeconfig(&kubeconfig)?;
    // Without what needs root; none of it has anything to do with the API server.
    let elsewhere = [
        "hook",
        "interface",
        "exclude-interface",
        "tcx-order",
        "kernel-negative",
        "rate-limit",
        "rate-burst",
        "rate-over",
        "takeover",
        "state-dir",
        "listen",
        "metrics-listen",
        "probe",
        "lameduck",
    ];
    let mut words = release.arguments(&["127.0.0.1"])?;
    words.retain(|word| {
        let flag = word.trim_start_matches('-').split('=').next();
        !flag.is_some_and(|flag| elsewhere.contains(&flag))
    });
    let kubeconfig = format!("--kubeconfig={}", kubeconfig.display());
    let here = [
        "--hook=off",
        "--listen=127.0.0.1:0",
        "--metrics-listen=127.0.0.1:0",
        "--lameduck=0",
        &kubeconfig,
    ];
    words.extend(here.map(ToOwned::to_owned));
    let program = testbed::program("dns-ctl")?;
    let command = |verb: &str| {
        let mut command = Process::new(&program);
        testbed::remove_settings(&mut command);
        command.arg(verb).args(&words[1..]);
        command
    };
    let mut child = Child::spawn("dns-ctl", &mut command("run"))?;
    let wanted = expected_watches(&words)?;
    child.wait_for("all watches", PATIENCE, || {
        let open = api.counters().open_watches;
        ensure!(open >= wanted, "{open} of {wanted}");
        Ok(Some(()))
    })?;
    let mut check = Child::spawn("dns-ctl check", &mut command("check"))?;
    check.wait(PATIENCE)?;
    let asks: Result<BTreeSet<Ask>> = api
        .requests()
        .iter()
        .filter(|request| request.verb != Verb::Other)
        .map(ask)
        .collect();
    Ok(asks?.into_iter().collect())
}

/// How many lists dns-ctl follows: namespaces, Services, two of EndpointSlices or more, and what is asked for besides.
fn expected_watches(words: &[String]) -> Result<u64> {
    let config = run_config(words)?;
    let pods = words.iter().any(|word| word == "--pods=verified");
    let slices = config.policy.slice_lists().len();
    let others = usize::from(pods) + usize::from(config.resolving.config_map.is_some());
    Ok(u64::try_from(2 + slices + others)?)
}

/// What a request asks, read from its path as the API server does.
fn ask(request: &Request) -> Result<Ask> {
    let (path, query) = request
        .target
        .split_once('?')
        .unwrap_or((&request.target, ""));
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (group, rest) = match parts[..] {
        ["api", _, ref rest @ ..] => ("", rest),
        ["apis", group, _, ref rest @ ..] => (group, rest),
        _ => anyhow::bail!("`{path}` is no path of an object"),
    };
    let (namespace, resource, name) = match *rest {
        ["namespaces", namespace, resource] => (namespace, resource, ""),
        ["namespaces", namespace, resource, name] => (namespace, resource, name),
        [resource] => ("", resource, ""),
        [resource, name] => ("", resource, name),
        _ => anyhow::bail!("`{path}` is no path of an object"),
    };
    // A list of what has one name counts as a question for that one.
    let fields = query
        .split('&')
        .find_map(|part| part.strip_prefix("fieldSelector="));
    let fields = fields
        .map(|fields| fields.replace("%3D", "="))
        .unwrap_or_default();
    let selected = fields
        .strip_prefix("metadata.name=")
        .filter(|name| !name.contains(['=', ',']));
    let verb = match request.verb {
        Verb::Get => "get",
        Verb::List => "list",
        Verb::Watch => "watch",
        Verb::Write | Verb::Other => {
            anyhow::bail!("{} {path}: dns-ctl writes nothing", request.method)
        }
    };
    Ok(Ask {
        group: group.to_owned(),
        resource: resource.to_owned(),
        namespace: namespace.to_owned(),
        name: selected.unwrap_or(name).to_owned(),
        verb: verb.to_owned(),
    })
}

#[test]
fn rules_differ_by_what_is_served() -> Result<()> {
    for (name, expected) in [
        ("accelerate", "endpointslices namespaces services"),
        ("endpoints-all", "endpointslices namespaces services"),
        ("pods-verified", "endpointslices namespaces pods services"),
        (
            "config-map",
            "configmaps@kube-system/kube-dns endpointslices namespaces services",
        ),
        (
            "one-namespace",
            "configmaps@dns/stub-domains endpointslices@shop/ namespaces@/shop pods@shop/ services@shop/",
        ),
        ("cleanup", ""),
    ] {
        let releases = Release::all_rendered()?;
        let release = releases
            .iter()
            .find(|release| release.name == name)
            .context(name)?;
        let mut found = BTreeSet::new();
        for grant in grants(release)? {
            let Ask {
                resource,
                namespace,
                name,
                verb,
                ..
            } = grant.0;
            assert!(["list", "watch"].contains(&&*verb), "{verb}");
            let place = if namespace.is_empty() && name.is_empty() {
                String::new()
            } else {
                format!("@{namespace}/{name}")
            };
            found.insert(format!("{resource}{place}"));
        }
        let found: Vec<String> = found.into_iter().collect();
        assert_eq!(found.join(" "), expected, "{name}");
    }
    Ok(())
}

#[test]
fn services_and_monitors_find_the_pods() -> Result<()> {
    let selects = |selector: &serde_json::Value, labels: &serde_json::Value| {
        let pairs = selector.as_object().context("a selector")?;
        anyhow::Ok(!pairs.is_empty() && pairs.iter().all(|(key, value)| labels[key] == *value))
    };
    for release in Release::all_rendered()? {
        let pod = release.pod()?;
        let labels = &pod["metadata"]["labels"];
        // Else the Service of the DNS that is there would send it queries before it is asked to.
        assert_ne!(labels["k8s-app"], "kube-dns", "{}", release.name);
        for service in release.of("Service") {
            assert!(
                selects(&service["spec"]["selector"], labels)?,
                "{}",
                release.name
            );
        }
        for monitor in release.of("ServiceMonitor") {
            let found = release.of("Service").filter(|service| {
                let named = &monitor["spec"]["selector"]["matchLabels"];
                selects(named, &service["metadata"]["labels"]).unwrap_or(false)
                    && service["spec"]["ports"][0]["name"]
                        == monitor["spec"]["endpoints"][0]["port"]
            });
            assert_eq!(found.count(), 1, "{}", release.name);
        }
        for rule in release.of("PrometheusRule") {
            assert!(rule["spec"]["groups"].is_array(), "{rule}");
        }
    }
    Ok(())
}

#[test]
fn a_container_has_the_capabilities_that_its_flags_need() -> Result<()> {
    for (name, expected) in [
        ("accelerate", &["BPF", "NET_ADMIN", "PERFMON"][..]),
        (
            "serve",
            &["BPF", "NET_ADMIN", "PERFMON", "NET_BIND_SERVICE"],
        ),
        ("server-alone", &["NET_BIND_SERVICE"]),
        ("cleanup", &["BPF", "NET_ADMIN", "PERFMON"]),
    ] {
        let releases = Release::all_rendered()?;
        let release = releases
            .iter()
            .find(|release| release.name == name)
            .context(name)?;
        let context = &release.container()?["securityContext"];
        assert_eq!(
            context["capabilities"]["add"],
            serde_json::json!(expected),
            "{name}"
        );
        assert_eq!(
            context["capabilities"]["drop"],
            serde_json::json!(["ALL"]),
            "{name}"
        );
        assert_eq!(context["allowPrivilegeEscalation"], false, "{name}");
        assert_eq!(context["readOnlyRootFilesystem"], true, "{name}");
    }
    Ok(())
}

#[test]
fn a_pod_may_take_as_long_to_stop_as_its_flags_say() -> Result<()> {
    for release in Release::all_rendered()? {
        let config = run_config(&release.arguments(&["192.0.2.1"])?)?;
        let stopping = config.stopping.lameduck + config.stopping.grace;
        let given = release.pod()?["spec"]["terminationGracePeriodSeconds"].as_u64();
        let given = given.context("a grace period")?;
        assert!(
            given >= stopping.as_secs() + 10,
            "{}: {given}",
            release.name
        );
    }
    Ok(())
}
