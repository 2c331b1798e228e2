//! `dns-ctl check`: sees whether `run` would work with the same flags, and changes nothing.
//!
//! Each file looks at one area and judges what it sees; [`report`] shows it. All run at once, each within its
//! time, so that neither an error nor a hang of one hides the others.

mod cluster;
mod dns;
mod folder;
mod instance;
mod interfaces;
mod kernel;
mod listen;
mod report;
mod rights;
mod upstreams;

use std::{
    env,
    future::Future,
    io::{IsTerminal as _, Write as _},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use tokio::{runtime::Runtime, task::spawn_blocking, time::timeout};

use self::{
    cluster::Reached,
    instance::Held,
    report::{Finding, Paper, Report},
};
use crate::{args::Output, config::Config};

/// How long looking at this host may take.
const HERE: Duration = Duration::from_secs(6);
/// How long asking the API server and the upstreams may take, on top of [`FIRST`].
const THERE: Duration = Duration::from_secs(5);
/// How long the first answer of the API server may take, with the credentials for it.
const FIRST: Duration = Duration::from_secs(9);

/// Looks at everything that `run` needs, and prints what was found; exit code 1 if anything fails.
pub fn check(config: Config, output: Output) -> anyhow::Result<ExitCode> {
    let runtime = Runtime::new()?;
    let findings = runtime.block_on(look(Arc::new(config)));
    // What hangs is left behind.
    runtime.shutdown_background();
    let report = Report::new(findings);
    let text = report.render(output, paper())?;
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(if report.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Where the report goes; `NO_COLOR` and a dumb terminal mean what they usually do.
fn paper() -> Paper {
    if std::io::stdout().is_terminal() {
        let is_set = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_dumb = env::var_os("TERM").is_some_and(|value| value == "dumb");
        Paper::Terminal {
            colours: !is_set && !is_dumb,
        }
    } else {
        Paper::Plain
    }
}

/// Looks at everything; findings come in the order in which `run` would need things.
async fn look(config: Arc<Config>) -> Vec<Finding> {
    let (here, there) = tokio::join!(this_host(&config), the_cluster(&config));
    let mut findings = here;
    findings.extend(there);
    findings
}

/// The kernel, folders, interfaces and addresses.
async fn this_host(config: &Arc<Config>) -> Vec<Finding> {
    let shared = || Arc::clone(config);
    let (one, two) = (shared(), shared());
    let release = blocking("kernel", move || kernel::release(one.kernel.as_ref()));
    let rights = blocking("capabilities", move || rights::capabilities(&two));
    let state = config.state_dir.clone();
    let state = blocking("state-dir", move || {
        state.as_deref().map(folder::state).unwrap_or_default()
    });
    let (release, rights, state, kernel, held) = tokio::join!(
        release,
        rights,
        state,
        the_kernels_part(config),
        held(config.kernel.as_ref().map(|kernel| kernel.bpffs.clone())),
    );
    // What another instance holds decides how bad an address in use is.
    let for_listen = shared();
    let held = held.unwrap_or_default();
    let listen = within("listen", HERE, async move {
        listen::listen(&for_listen, held).await
    })
    .await;
    let instance = config
        .kernel
        .as_ref()
        .map(|kernel| instance::judge(held, kernel));
    let mut findings = release;
    findings.extend(rights);
    findings.extend(kernel);
    findings.extend(instance);
    findings.extend(listen);
    findings.extend(state);
    findings
}

/// What another instance holds; `None` if that can't be told in time.
async fn held(bpffs: Option<std::path::PathBuf>) -> Option<Held> {
    let looking = spawn_blocking(move || Held::look(bpffs.as_deref()));
    timeout(HERE, looking).await.ok()?.ok()
}

/// What is needed to answer in the kernel; nothing with `--hook off`.
async fn the_kernels_part(config: &Config) -> Vec<Finding> {
    let Some(kernel) = &config.kernel else {
        return Vec::new();
    };
    let (bpffs, for_interfaces) = (kernel.bpffs.clone(), kernel.clone());
    let (btf, programs, bpffs, interfaces) = tokio::join!(
        blocking("btf", kernel::btf),
        blocking("programs", kernel::programs),
        blocking("bpffs", move || folder::bpffs(&bpffs)),
        within("interfaces", HERE, async move {
            interfaces::interfaces(&for_interfaces).await
        }),
    );
    [btf, programs, bpffs, interfaces].concat()
}

/// The API server or the manifests, and the upstreams.
async fn the_cluster(config: &Arc<Config>) -> Vec<Finding> {
    let opening = timeout(FIRST, cluster::source(Arc::clone(config)));
    let (mut findings, reached) = opening.await.unwrap_or_else(|_| {
        let remedy = "see what holds up the API server";
        let late = Finding::fail("api", "there was no answer in time", remedy);
        (vec![late], None)
    });
    let reached = Arc::new(reached);
    let (for_rbac, wanted) = (Arc::clone(&reached), cluster::wanted(config));
    let (rbac, rest) = tokio::join!(
        within("rbac", THERE, async move {
            cluster::rbac(for_rbac.as_ref().as_ref(), wanted).await
        }),
        names(config, &reached),
    );
    findings.extend(rbac);
    findings.extend(rest);
    findings
}

/// Where clients reach DNS, and who answers for names outside the cluster.
async fn names(config: &Arc<Config>, reached: &Arc<Option<Reached>>) -> Vec<Finding> {
    let wanted = cluster::wanted(config);
    let reached = reached.as_ref().as_ref();
    let ((mut findings, services), config_map) = tokio::join!(
        dns::dns_service(reached, config, &wanted),
        cluster::config_map(reached, &wanted),
    );
    if !config.listen.is_empty() {
        let own = [dns::addresses(&services), config.service_ips.clone()].concat();
        let config = Arc::clone(config);
        let upstreams = within("upstreams", THERE, async move {
            upstreams::upstreams(&config, config_map, &own).await
        });
        findings.extend(upstreams.await);
    }
    findings
}

/// Has a check look that blocks its thread.
async fn blocking(
    check: &'static str,
    look: impl FnOnce() -> Vec<Finding> + Send + 'static,
) -> Vec<Finding> {
    within(check, HERE, async move {
        match spawn_blocking(look).await {
            Ok(findings) => findings,
            Err(error) => vec![broken(check, &error)],
        }
    })
    .await
}

/// Lets a check take so long, and come to grief by itself.
async fn within(
    check: &'static str,
    limit: Duration,
    looking: impl Future<Output = Vec<Finding>> + Send + 'static,
) -> Vec<Finding> {
    match timeout(limit, tokio::spawn(looking)).await {
        Ok(Ok(findings)) => findings,
        Ok(Err(error)) => vec![broken(check, &error)],
        Err(_) => vec![Finding::fail(
            check,
            format!("there was no result within {} s", limit.as_secs()),
            "see what hangs: the kernel's log may tell",
        )],
    }
}

fn broken(check: &'static str, error: &tokio::task::JoinError) -> Finding {
    Finding::fail(
        check,
        format!("this check is broken: {error}"),
        "tell those who make dns-ctl",
    )
}

#[cfg(test)]
mod tests {
    use super::{report::Verdict, *};

    #[tokio::test]
    async fn a_check_that_hangs_or_breaks_is_a_finding() {
        let late = within("a", Duration::ZERO, std::future::pending()).await;
        assert_eq!((late[0].check, late[0].result), ("a", Verdict::Fail));
        let broken = blocking("b", || panic!("on purpose")).await;
        assert!(broken[0].found.contains("is broken"), "{broken:?}");
        let fine = blocking("c", || vec![Finding::pass("c", "d")]).await;
        assert_eq!(fine, [Finding::pass("c", "d")]);
    }
}
