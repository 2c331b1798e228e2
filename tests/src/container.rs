//! dns-ctl as a container, as its DaemonSet has a container runtime run it.

use std::{
    collections::BTreeMap,
    env, fs,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use deploy_tests::Release;
use serde_json::{Value, json};
use testbed::{Bpffs, Child, Scratch, Topology};

use crate::node::{ANSWER, Build, PATIENCE};

/// Where `cargo xtask image --test` has what is in the image; else this build of dns-ctl runs on the machine's libraries.
const IMAGE: &str = "KXDNS_IMAGE_ROOT";
/// The profile that is shipped.
const SECCOMP: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../deploy/seccomp/dns-ctl.json"
);
/// What crun needs: it knows no mix of both kinds of control groups, and makes none here.
const RUNTIME: &str = "umount -R /sys/fs/cgroup 2>/dev/null; mount -t cgroup2 none /sys/fs/cgroup && exec crun \"$@\"";

/// A container of a release's pod, to be started in a node.
#[derive(Debug)]
pub struct Container {
    id: String,
    bundle: Scratch,
    state: Scratch,
}

/// What the node gives a container.
#[derive(Debug)]
pub struct Host<'a> {
    /// The node's network namespace.
    pub bed: &'a Topology,
    /// Its BPF file system.
    pub bpffs: &'a Bpffs,
    /// The folder that stands for the node's own files: `state`, `manifests`, and what is in /etc of the container.
    pub files: &'a Path,
    /// Its address.
    pub address: IpAddr,
}

impl Container {
    /// Prepares a container of the pod: of those in `list` (`containers`, `initContainers`) the first.
    pub fn prepare(release: &Release, list: &str, host: &Host<'_>) -> Result<Self> {
        let bundle = Scratch::new("bundle")?;
        let root = bundle.path().join("root");
        fs::create_dir(&root)?;
        let config = config(release, list, host, &root)?;
        bundle.write("config.json", &config.to_string())?;
        let id = bundle.path().file_name().context("a folder has a name")?;
        Ok(Self {
            id: id.to_string_lossy().into_owned(),
            bundle,
            state: Scratch::new("crun")?,
        })
    }

    /// Has the kernel refuse a system call, as a profile of a container runtime may.
    pub fn forbid(&self, call: &str) -> Result<()> {
        let file = self.bundle.path().join("config.json");
        let mut config: Value = serde_json::from_str(&fs::read_to_string(&file)?)?;
        config["linux"]["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{ "names": [call], "action": "SCMP_ACT_ERRNO" }],
        });
        Ok(fs::write(file, config.to_string())?)
    }

    /// Starts it.
    pub fn start(&self) -> Result<Child> {
        let bundle = self.bundle.path().to_string_lossy();
        Child::spawn(
            &self.id,
            &mut self.runtime(&["run", "--bundle", &bundle, &self.id]),
        )
    }

    /// What `dns-ctl` says in it, as `kubectl exec` would have it.
    pub fn exec(&self, arguments: &[&str]) -> Result<String> {
        let mut words = vec!["exec", &self.id, "/dns-ctl"];
        words.extend(arguments);
        testbed::output(&mut self.runtime(&words))
    }

    fn runtime(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c", RUNTIME, "crun", "--root"])
            .arg(self.state.path())
            .arg("--cgroup-manager=disabled")
            .args(arguments);
        command
    }
}

/// What a container runtime makes of a pod.
fn config(release: &Release, list: &str, host: &Host<'_>, root: &Path) -> Result<Value> {
    let pod = &release.pod()?["spec"];
    ensure!(pod["hostNetwork"] == true, "the pod has the node's network");
    let container = &pod[list][0];
    let security = &container["securityContext"];
    let capabilities: Vec<String> = security["capabilities"]["add"]
        .as_array()
        .context("capabilities are added")?
        .iter()
        .filter_map(|name| Some(format!("CAP_{}", name.as_str()?)))
        .collect();
    ensure!(
        security["capabilities"]["drop"] == json!(["ALL"]),
        "{security}"
    );
    let words = container["args"]
        .as_array()
        .context("there are arguments")?;
    let address = host.address.to_string();
    let words = words.iter().filter_map(Value::as_str).map(|word| {
        word.replace("$(HOST_IPS)", &address)
            .replace("$(HOST_IP)", &address)
    });
    let mut environment = vec!["MALLOC_ARENA_MAX=1".to_owned()];
    for variable in container["env"].as_array().into_iter().flatten() {
        if let (Some(name), Some(value)) = (variable["name"].as_str(), variable["value"].as_str()) {
            environment.push(format!("{name}={value}"));
        }
    }
    // In place of a service account, which needs TLS.
    environment.push("KXDNS_KUBECONFIG=/etc/kubeconfig".to_owned());
    if words.clone().any(|word| word.starts_with("--manifests")) {
        environment.pop();
    }
    let arguments: Vec<String> = ["/dns-ctl".to_owned()].into_iter().chain(words).collect();
    Ok(json!({
        "ociVersion": "1.0.0",
        "process": {
            "user": { "uid": pod["securityContext"]["runAsUser"], "gid": pod["securityContext"]["runAsGroup"] },
            "args": arguments,
            "env": environment,
            "cwd": "/",
            "capabilities": {
                "bounding": capabilities, "effective": capabilities, "permitted": capabilities,
            },
            "noNewPrivileges": security["allowPrivilegeEscalation"] == false,
        },
        "root": { "path": root, "readonly": security["readOnlyRootFilesystem"] },
        "mounts": mounts(container, pod, host, root)?,
        "linux": {
            "namespaces": [
                { "type": "pid" }, { "type": "ipc" }, { "type": "uts" }, { "type": "mount" },
                { "type": "network", "path": host.bed.node.path() },
            ],
            "seccomp": strict_seccomp()?,
        },
    }))
}

/// The profile, but that a call which is not in it ends the program instead of being refused: none is overlooked.
fn strict_seccomp() -> Result<Value> {
    let mut profile: Value = serde_json::from_str(&fs::read_to_string(SECCOMP)?)?;
    let fields = profile.as_object_mut().context("a profile")?;
    fields.remove("defaultErrnoRet");
    fields.insert("defaultAction".to_owned(), "SCMP_ACT_KILL_PROCESS".into());
    Ok(profile)
}

fn mounts(container: &Value, pod: &Value, host: &Host<'_>, root: &Path) -> Result<Vec<Value>> {
    let bind = |source: &Path, target: &str, options: &[&str]| json!({ "type": "bind", "source": source, "destination": target, "options": options });
    let mut mounts = vec![
        json!({ "type": "proc", "source": "proc", "destination": "/proc" }),
        json!({
            "type": "tmpfs", "source": "tmpfs", "destination": "/dev", "options": ["nosuid", "strictatime", "mode=755"],
        }),
        bind(Path::new("/sys"), "/sys", &["rbind", "ro"]),
    ];
    if let Some(image) = env::var_os(IMAGE) {
        testbed::output(
            Command::new("cp")
                .arg("-a")
                .arg(PathBuf::from(image).join("."))
                .arg(root),
        )?;
    } else {
        mounts.push(bind(&Build::Plain.program()?, "/dns-ctl", &["bind", "ro"]));
        for libraries in [
            "/lib",
            "/lib64",
            "/usr/lib",
            "/etc/ssl",
            "/usr/share/ca-certificates",
        ] {
            if Path::new(libraries).exists() {
                mounts.push(bind(Path::new(libraries), libraries, &["rbind", "ro"]));
            }
        }
    }
    // kubelet's.
    for entry in fs::read_dir(host.files.join("etc"))? {
        let entry = entry?;
        let target = format!("/etc/{}", entry.file_name().display());
        mounts.push(bind(&entry.path(), &target, &["bind", "ro"]));
    }
    let volumes = pod["volumes"].as_array().into_iter().flatten();
    let volumes: BTreeMap<&str, &Value> = volumes
        .filter_map(|volume| Some((volume["name"].as_str()?, volume)))
        .collect();
    for mount in container["volumeMounts"].as_array().into_iter().flatten() {
        let name = mount["name"].as_str().context("a mount has a name")?;
        let volume = volumes
            .get(name)
            .with_context(|| format!("a volume {name}"))?;
        let source = match volume["hostPath"]["path"].as_str() {
            Some("/sys/fs/bpf") => host.bpffs.path().to_owned(),
            _ => host.files.join(name),
        };
        let target = mount["mountPath"].as_str().context("a mount has a place")?;
        mounts.push(bind(&source, target, &["rbind", "rw"]));
    }
    Ok(mounts)
}

/// Waits until `/readyz` at the node's address says yes.
pub fn wait_until_ready(child: &mut Child, host: &Host<'_>) -> Result<()> {
    let endpoint = SocketAddr::new(host.address, 9153);
    child.wait_for("readiness", PATIENCE, || {
        let reply = testbed::get(&host.bed.node, endpoint, "/readyz", ANSWER)?;
        ensure!(reply.status == 200, "{}", reply.body);
        Ok(Some(()))
    })
}
