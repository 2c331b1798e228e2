//! What each task needs on the machine, whether it is there, and its installation.

mod debian;
mod python;
mod rust;

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;
use testbed::output;

pub(crate) use python::environment;

use crate::{terminal, workspace::Workspace};

/// The task for which things are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Purpose {
    /// Building the kernel object, and dns-ctl with it.
    Build,
    /// The demo.
    Demo,
    /// The tests that do not need root.
    HostTest,
    /// All tests.
    Test,
    /// The bench of the server beside CoreDNS.
    BenchServer,
    /// The bench of other traffic.
    BenchNeighbours,
    /// The bench of queries from a pod.
    BenchPod,
    /// The bench of native XDP beside Knot.
    BenchWire,
    /// The bench of the controller beside CoreDNS.
    BenchScale,
    /// The image.
    Image,
    /// The Helm chart and the manifests.
    Chart,
    /// The check of the dependencies.
    Deny,
}

/// One thing a task needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Requirement {
    name: &'static str,
    why: &'static str,
    kind: Kind,
}

/// How to see whether a thing is there, and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The crate that installs itself as a program.
    BpfLinker,
    /// The component of the Rust toolchain.
    RustSrc,
    /// A program on PATH, from the Debian package of this name.
    Program { package: &'static str },
    /// A module of Python, from the Debian package of this name.
    PythonModule { package: &'static str },
    /// A program of a Debian package that is only unpacked: installed, it would start a service. Libraries that the
    /// package demands are installed.
    Unpacked { package: &'static str },
    /// A shared library, from the Debian package of this name.
    Library { package: &'static str },
    /// A file, from the Debian package of this name.
    File {
        path: &'static str,
        package: &'static str,
    },
}

const BPF_LINKER: Requirement = Requirement {
    name: "bpf-linker",
    why: "links the kernel programs",
    kind: Kind::BpfLinker,
};
const RUST_SRC: Requirement = Requirement {
    name: "rust-src",
    why: "the source of `core`, compiled for the kernel",
    kind: Kind::RustSrc,
};
const IP: Requirement = program("ip", "iproute2", "makes network namespaces and links");
const NSENTER: Requirement = program("nsenter", "util-linux", "runs programs in a namespace");
const DIG: Requirement = program(
    "dig",
    "bind9-dnsutils",
    "asks for names and shows all of the answer",
);
const GETENT: Requirement = program("getent", "libc-bin", "resolves names as applications do");
const ETHTOOL: Requirement = program("ethtool", "ethtool", "turns offloads on and off");
const TCPDUMP: Requirement = program("tcpdump", "tcpdump", "checks checksums on the wire");
const DNSPERF: Requirement = program("dnsperf", "dnsperf", "asks many times at once");
const IPERF3: Requirement = program("iperf3", "iperf3", "sends as much over TCP as can be");
const KXDPGUN: Requirement = program("kxdpgun", "knot-dnsutils", "asks at the full speed of XDP");
const BPFTOOL: Requirement = program("bpftool", "bpftool", "shows what is attached");
const TMUX: Requirement = program(
    "tmux",
    "tmux",
    "is the terminal that `dns-ctl top` draws on",
);
const PGREP: Requirement = program("pgrep", "procps", "finds the program in that terminal");
const NPM: Requirement = program("npm", "npm", "fetches CoreDNS, the peer");
const BUILDAH: Requirement = program("buildah", "buildah", "puts the image together");
const STRIP: Requirement = program(
    "strip",
    "binutils",
    "takes from a program what does not run",
);
const CRUN: Requirement = program("crun", "crun", "runs dns-ctl as a container");
const PYTHON: Requirement = program("python3", "python3", "runs tools of Python's registry");
const VENV: Requirement = Requirement {
    name: "ensurepip",
    why: "makes virtual environments of Python",
    kind: Kind::PythonModule {
        package: "python3-venv",
    },
};

const PROMETHEUS: Requirement = Requirement {
    name: "prometheus",
    why: "is asked what the dashboard and the alerts ask",
    kind: Kind::Unpacked {
        package: "prometheus",
    },
};
const UNBOUND: Requirement = Requirement {
    name: "unbound",
    why: "answers the same names, as a peer",
    kind: Kind::Unpacked { package: "unbound" },
};
const DNSMASQ: Requirement = program(
    "dnsmasq",
    "dnsmasq-base",
    "answers the same names, as a peer",
);
const KNOTD: Requirement = Requirement {
    name: "knotd",
    why: "is the peer on the wire",
    kind: Kind::Unpacked { package: "knot" },
};
const LIBURCU: Requirement = Requirement {
    name: "liburcu.so.8",
    why: "is what knotd needs that kxdpgun does not",
    kind: Kind::Library {
        package: "liburcu8",
    },
};
const AUTHORITIES: Requirement = Requirement {
    name: "ca-certificates",
    why: "goes into the image, to check upstreams' certificates with",
    kind: Kind::File {
        path: "/etc/ssl/certs/ca-certificates.crt",
        package: "ca-certificates",
    },
};

const fn program(name: &'static str, package: &'static str, why: &'static str) -> Requirement {
    Requirement {
        name,
        why,
        kind: Kind::Program { package },
    }
}

impl Purpose {
    fn requirements(self) -> &'static [Requirement] {
        match self {
            Self::Build => &[BPF_LINKER, RUST_SRC],
            Self::Demo => &[BPF_LINKER, RUST_SRC, IP, NSENTER, DIG, GETENT],
            Self::HostTest => &[BPF_LINKER, RUST_SRC, NPM],
            Self::Test => &[
                BPF_LINKER, RUST_SRC, NPM, IP, NSENTER, DIG, GETENT, ETHTOOL, TCPDUMP, DNSPERF,
                KXDPGUN, BPFTOOL, CRUN, TMUX, PGREP, PROMETHEUS,
            ],
            Self::BenchServer => &[BPF_LINKER, RUST_SRC, NPM, IP, NSENTER, DNSPERF],
            Self::BenchNeighbours => &[BPF_LINKER, RUST_SRC, IP, NSENTER, IPERF3],
            Self::BenchPod => &[
                BPF_LINKER, RUST_SRC, NPM, IP, NSENTER, DNSPERF, UNBOUND, DNSMASQ,
            ],
            Self::BenchWire => &[
                BPF_LINKER, RUST_SRC, IP, NSENTER, ETHTOOL, KXDPGUN, KNOTD, LIBURCU,
            ],
            Self::BenchScale => &[BPF_LINKER, RUST_SRC, NPM, IP, NSENTER],
            Self::Image => &[BPF_LINKER, RUST_SRC, BUILDAH, STRIP, CRUN, AUTHORITIES],
            Self::Chart | Self::Deny => &[PYTHON, VENV],
        }
    }
}

/// Installs what is missing for a purpose, and says what it does.
pub(crate) fn ensure(workspace: &Workspace, purpose: Purpose) -> Result<()> {
    let requirements = purpose.requirements();
    let missing = missing(workspace, requirements)?;
    if missing.is_empty() {
        let names: Vec<_> = requirements
            .iter()
            .map(|requirement| requirement.name)
            .collect();
        let line = format!("prerequisites are all there: {}", names.join(", "));
        println!("{}", terminal::dim(&line));
        return Ok(());
    }
    println!("missing, to be installed now:");
    for requirement in &missing {
        println!("  {:<12} {}", requirement.name, requirement.why);
    }
    install(workspace, &missing)?;

    let still: Vec<_> = self::missing(workspace, &missing)?
        .iter()
        .map(|requirement| requirement.name)
        .collect();
    ensure!(
        still.is_empty(),
        "installed, but still not found: {}; are /usr/sbin and cargo's bin folder on PATH?",
        still.join(", ")
    );
    Ok(())
}

/// Those that are not there.
fn missing(workspace: &Workspace, requirements: &[Requirement]) -> Result<Vec<Requirement>> {
    let tools = ebpf_object::missing_tools(&workspace.root)?;
    let is_missing = |requirement: &Requirement| match requirement.kind {
        Kind::BpfLinker => tools.contains(&ebpf_object::MissingTool::BpfLinker),
        Kind::RustSrc => tools.contains(&ebpf_object::MissingTool::RustSrc),
        Kind::Program { .. } => !ebpf_object::is_program(requirement.name),
        Kind::Library { .. } => !has_library(requirement.name),
        Kind::PythonModule { .. } => !has_python_module(requirement.name),
        Kind::Unpacked { package } => {
            testbed::find_unpacked(&workspace.target_dir, package, requirement.name).is_none()
        }
        Kind::File { path, .. } => !Path::new(path).exists(),
    };
    Ok(requirements.iter().copied().filter(is_missing).collect())
}

/// Whether programs find a shared library by this name.
fn has_library(name: &str) -> bool {
    let known = output(Command::new("ldconfig").arg("-p")).unwrap_or_default();
    known.lines().any(|line| line.trim().starts_with(name))
}

fn has_python_module(name: &str) -> bool {
    let import = format!("import {name}");
    output(Command::new("python3").args(["-c", &import])).is_ok()
}

/// Installs them, all Debian packages at once and first: what follows may need them.
fn install(workspace: &Workspace, missing: &[Requirement]) -> Result<()> {
    let packages: Vec<_> = missing
        .iter()
        .filter_map(|requirement| match requirement.kind {
            Kind::Program { package }
            | Kind::PythonModule { package }
            | Kind::Library { package }
            | Kind::File { package, .. } => Some(package),
            Kind::BpfLinker | Kind::RustSrc | Kind::Unpacked { .. } => None,
        })
        .collect();
    if !packages.is_empty() {
        debian::install(&packages)?;
    }
    for requirement in missing {
        match requirement.kind {
            Kind::BpfLinker => rust::install_bpf_linker(workspace),
            Kind::RustSrc => rust::install_rust_src(workspace),
            Kind::Unpacked { package } => {
                let folder = testbed::unpacked_folder(&workspace.target_dir, package);
                debian::unpack(package, &folder)
            }
            Kind::Program { .. }
            | Kind::PythonModule { .. }
            | Kind::Library { .. }
            | Kind::File { .. } => Ok(()),
        }
        .with_context(|| format!("can't install {}", requirement.name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_need_all_that_anything_else_needs() {
        let test = Purpose::Test.requirements();
        for purpose in [
            Purpose::Build,
            Purpose::Demo,
            Purpose::HostTest,
            Purpose::BenchServer,
            Purpose::BenchScale,
        ] {
            for requirement in purpose.requirements() {
                assert!(
                    test.contains(requirement),
                    "{} is missing",
                    requirement.name
                );
            }
        }
    }

    #[test]
    fn a_program_nobody_has_is_missing() {
        let workspace = Workspace::find().unwrap();
        let nobodys = program("kxdns-nobody-has-this", "none", "a test");
        let shell = program("sh", "dash", "a test");
        assert_eq!(missing(&workspace, &[nobodys, shell]).unwrap(), [nobodys]);
    }
}
