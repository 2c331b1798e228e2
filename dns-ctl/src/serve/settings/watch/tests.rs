//! Files and ConfigMaps as they change under people's and machines' hands.

use std::{os::unix::fs::symlink, time::Instant};

use tempfile::TempDir;
use tokio::{sync::mpsc, task::JoinHandle};

use super::*;

/// Far less than [`ANYWAY`]: what comes within it was noticed, not found by chance.
const SOON: Duration = Duration::from_secs(3);

type Data = Option<BTreeMap<String, String>>;

/// Settings that are followed, and the upstreams they lead to.
struct Followed {
    upstreams: String,
    routes: mpsc::UnboundedReceiver<Routes>,
    config_map: watch::Sender<Data>,
    task: JoinHandle<()>,
}

impl Followed {
    fn start(resolv_conf: &Path) -> Self {
        let settings = open(Given {
            upstreams: Vec::new(),
            stubs: Vec::new(),
            resolv_conf: resolv_conf.to_owned(),
            config_map: None,
            listen: Vec::new(),
        })
        .unwrap();
        let (sender, routes) = mpsc::unbounded_channel();
        let (config_map, receiver) = watch::channel(None);
        let upstreams = shown(&settings.routes());
        let task = tokio::spawn(watch_settings(settings, receiver, move |routes| {
            // The test may have ended.
            let _ = sender.send(routes);
        }));
        Self {
            upstreams,
            routes,
            config_map,
            task,
        }
    }

    /// Waits until the upstreams are these.
    async fn expect(&mut self, upstreams: &str) {
        let started = Instant::now();
        while self.upstreams != upstreams {
            let left = SOON.saturating_sub(started.elapsed());
            match timeout(left, self.routes.recv()).await {
                Ok(Some(routes)) => self.upstreams = shown(&routes),
                _ => panic!("the upstreams are {}, not {upstreams}", self.upstreams),
            }
        }
    }

    fn state(&self, upstreams: &str) {
        let data = [("upstreamNameservers".to_owned(), upstreams.to_owned())];
        self.config_map.send_replace(Some(data.into()));
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn shown(routes: &Routes) -> String {
    let texts: Vec<_> = routes.upstreams.iter().map(ToString::to_string).collect();
    texts.join(",")
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn server(last: u8) -> String {
    format!("search a.test\nnameserver 10.0.0.{last}\n")
}

#[tokio::test]
async fn a_file_is_followed_through_edits_renames_and_garbage() {
    let folder = folder();
    let file = folder.path().join("resolv.conf");
    fs::write(&file, server(1)).unwrap();
    let mut followed = Followed::start(&file);
    assert_eq!(followed.upstreams, "10.0.0.1:53");

    fs::write(&file, server(2)).unwrap();
    followed.expect("10.0.0.2:53").await;
    // As editors and network managers save: a new file is renamed over the old one.
    fs::write(folder.path().join("new"), server(3)).unwrap();
    fs::rename(folder.path().join("new"), &file).unwrap();
    followed.expect("10.0.0.3:53").await;
    fs::write(&file, server(4)).unwrap();
    followed.expect("10.0.0.4:53").await;

    fs::write(&file, "garbage\n").unwrap();
    fs::remove_file(&file).unwrap();
    fs::write(&file, server(5)).unwrap();
    followed.expect("10.0.0.5:53").await;
}

#[tokio::test]
async fn a_file_that_comes_later_is_found() {
    let folder = folder();
    let file = folder.path().join("resolv.conf");
    let mut followed = Followed::start(&file);
    assert_eq!(followed.upstreams, "");
    fs::write(&file, server(1)).unwrap();
    followed.expect("10.0.0.1:53").await;
}

#[tokio::test]
async fn links_are_followed_wherever_they_change() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    for name in ["etc", "run", "run/1", "run/2", "other"] {
        fs::create_dir(at(name)).unwrap();
    }
    // A link to a file in another folder, as systemd-resolved wants it, behind a link that is swapped, as
    // in a mounted ConfigMap.
    fs::write(at("run/1/resolv.conf"), server(1)).unwrap();
    fs::write(at("run/2/resolv.conf"), server(2)).unwrap();
    symlink("1", at("run/now")).unwrap();
    symlink("../run/now/resolv.conf", at("etc/resolv.conf")).unwrap();
    let mut followed = Followed::start(&at("etc/resolv.conf"));
    assert_eq!(followed.upstreams, "10.0.0.1:53");

    symlink("2", at("run/next")).unwrap();
    fs::rename(at("run/next"), at("run/now")).unwrap();
    followed.expect("10.0.0.2:53").await;
    fs::write(at("run/2/resolv.conf"), server(3)).unwrap();
    followed.expect("10.0.0.3:53").await;

    fs::write(at("other/file"), server(4)).unwrap();
    symlink(at("other/file"), at("etc/new")).unwrap();
    fs::rename(at("etc/new"), at("etc/resolv.conf")).unwrap();
    followed.expect("10.0.0.4:53").await;
    fs::write(at("other/file"), server(5)).unwrap();
    followed.expect("10.0.0.5:53").await;
}

#[tokio::test]
async fn a_file_that_changes_under_another_name_is_followed() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    for name in ["host", "pod"] {
        fs::create_dir(at(name)).unwrap();
    }
    // What a mount of a single file does to its folder, a hard link does without root: it sees no event.
    fs::write(at("host/resolv.conf"), server(1)).unwrap();
    fs::hard_link(at("host/resolv.conf"), at("pod/resolv.conf")).unwrap();
    let mut followed = Followed::start(&at("pod/resolv.conf"));
    fs::write(at("host/resolv.conf"), server(2)).unwrap();
    followed.expect("10.0.0.2:53").await;
}

#[tokio::test]
async fn a_config_map_comes_changes_and_goes() {
    let folder = folder();
    let file = folder.path().join("resolv.conf");
    fs::write(&file, server(1)).unwrap();
    let mut followed = Followed::start(&file);
    followed.state(r#"["10.1.0.1"]"#);
    followed.expect("10.1.0.1:53").await;
    followed.state("garbage");
    followed.state(r#"["10.1.0.2"]"#);
    followed.expect("10.1.0.2:53").await;
    // The file is followed all the time, so its last state counts.
    fs::write(&file, server(2)).unwrap();
    followed.config_map.send_replace(None);
    followed.expect("10.0.0.2:53").await;
}

#[tokio::test]
async fn without_a_config_map_the_file_is_still_followed() {
    let folder = folder();
    let file = folder.path().join("resolv.conf");
    fs::write(&file, server(1)).unwrap();
    let mut followed = Followed::start(&file);
    followed.config_map = watch::channel(None).0;
    fs::write(&file, server(2)).unwrap();
    followed.expect("10.0.0.2:53").await;
}

#[tokio::test]
async fn reading_and_watching_again_is_no_change() {
    let folder = folder();
    let file = folder.path().join("resolv.conf");
    fs::write(&file, server(1)).unwrap();
    let mut watch = FileWatch::new(&file);
    for _ in 0..3 {
        watch.next().await.unwrap();
        watch.unread = true;
    }
    assert!(timeout(4 * QUIET, watch.changed.changed()).await.is_err());
    fs::write(&file, server(2)).unwrap();
    assert!(timeout(SOON, watch.changed.changed()).await.is_ok());
}

#[test]
fn addresses_of_this_host_are_known() {
    assert!(is_local("127.0.0.1".parse().unwrap()));
    assert!(!is_local("192.0.2.1".parse().unwrap()));
}
