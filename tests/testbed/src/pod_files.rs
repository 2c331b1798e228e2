//! The files a kubelet gives a pod so that names resolve: resolv.conf, nsswitch.conf, hosts.

use std::{net::IpAddr, path::Path};

use anyhow::Result;

use crate::Scratch;

/// A set of resolver files, to be seen by the programs of one pod only.
#[derive(Debug)]
pub struct PodFiles {
    scratch: Scratch,
}

impl PodFiles {
    /// A script for `sh -c`: lays the files in folder `$1` over those in /etc and becomes the program that follows.
    ///
    /// A running nscd would answer in the program's place, from outside the pod: its socket is hidden.
    pub(crate) const MOUNT_AND_EXEC: &str = r#"
        for file in resolv.conf nsswitch.conf hosts; do
            mount --bind "$1/$file" "/etc/$file" || exit 125
        done
        if [ -d /run/nscd ]; then mount -t tmpfs none /run/nscd || exit 125; fi
        shift
        exec "$@"
    "#;

    /// Writes the files; `resolv_conf` is the text of that file, see [`kubelet_resolv_conf`].
    pub fn new(resolv_conf: &str) -> Result<Self> {
        let scratch = Scratch::new("pod-files")?;
        scratch.write("resolv.conf", resolv_conf)?;
        scratch.write(
            "nsswitch.conf",
            "passwd: files\ngroup: files\nhosts: files dns\n",
        )?;
        scratch.write("hosts", "127.0.0.1 localhost\n::1 localhost\n")?;
        Ok(Self { scratch })
    }

    /// The folder that holds them.
    pub(crate) fn folder(&self) -> &Path {
        self.scratch.path()
    }
}

/// The resolv.conf a kubelet writes for a pod of `namespace` with `dnsPolicy: ClusterFirst`.
#[must_use]
pub fn kubelet_resolv_conf(nameserver: IpAddr, namespace: &str, cluster_domain: &str) -> String {
    format!(
        "search {namespace}.svc.{cluster_domain} svc.{cluster_domain} {cluster_domain}\n\
         nameserver {nameserver}\n\
         options ndots:5\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolv_conf_is_a_kubelets() {
        assert_eq!(
            kubelet_resolv_conf([10, 96, 0, 10].into(), "shared", "cluster.local"),
            "search shared.svc.cluster.local svc.cluster.local cluster.local\n\
             nameserver 10.96.0.10\n\
             options ndots:5\n"
        );
    }
}
