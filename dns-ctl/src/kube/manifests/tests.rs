//! Folders as they change under people's and machines' hands.

use std::{os::unix::fs::symlink, time::Instant};

use tempfile::TempDir;

use super::*;
use crate::{
    kube::config_map::ConfigMapData,
    zone::{
        Policy,
        name::RelativeName,
        object::{Change, Event, SliceList},
        store::Store,
    },
};

/// Far less than [`ANYWAY`]: what comes within it was noticed, not found by chance.
const SOON: Duration = Duration::from_secs(3);

fn service(name: &str, ip: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{clusterIP: {ip}}}\n"
    )
}

/// What a zone with the default policy needs, and a ConfigMap.
fn wanted() -> Wanted {
    Wanted {
        config_map: Some(ObjectKey::new("default", "dns")),
        ..Wanted::from(&Policy::default())
    }
}

/// Manifests that are followed, and the zone they lead to.
struct Zoned {
    store: Store,
    events: mpsc::Receiver<Arrived>,
    config_map: watch::Receiver<ConfigMapData>,
    metrics: Arc<Metrics>,
}

impl Zoned {
    fn start(path: &Path) -> Self {
        Self::follow(Manifests::open(path, wanted()).unwrap())
    }

    fn follow(manifests: Manifests) -> Self {
        let (sender, events) = mpsc::channel(16);
        let (config_map_sender, config_map) = watch::channel(None);
        let metrics = Arc::new(Metrics::new());
        tokio::spawn(manifests.run(sender, config_map_sender, Arc::clone(&metrics)));
        Self {
            store: Store::new(Policy::default()),
            events,
            config_map,
            metrics,
        }
    }

    fn address(&self, name: &str) -> Option<String> {
        let name = RelativeName::service("default", name).unwrap();
        let records = self.store.zone().node(&name)?.records.as_ref()?;
        records.a.first().map(ToString::to_string)
    }

    /// Takes the events of one reading: its last list is that of foreign slices.
    async fn reading(&mut self) {
        let last = Event::EndpointSlice(SliceList::Foreign, Change::InitDone);
        loop {
            let event = timeout(SOON, self.events.recv()).await.unwrap().unwrap();
            let is_last = event.event == last;
            self.store.apply(event.event);
            if is_last {
                return;
            }
        }
    }

    /// Waits until `name` has this address, or none.
    async fn expect(&mut self, name: &str, address: Option<&str>) {
        let started = Instant::now();
        while self.address(name).as_deref() != address || !self.store.zone().synced() {
            let left = SOON.saturating_sub(started.elapsed());
            match timeout(left, self.events.recv()).await {
                Ok(Some(event)) => self.store.apply(event.event),
                _ => panic!("{name} is {:?}, not {address:?}", self.address(name)),
            }
        }
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[tokio::test]
async fn what_changes_before_it_is_followed_is_in_the_first_lists() {
    let folder = folder();
    let file = folder.path().join("a.yaml");
    fs::write(&file, service("a", "10.0.0.1")).unwrap();
    let manifests = Manifests::open(folder.path(), wanted()).unwrap();
    fs::write(&file, service("a", "10.0.0.2")).unwrap();
    let mut followed = Zoned::follow(manifests);
    followed.reading().await;
    assert_eq!(followed.address("a").as_deref(), Some("10.0.0.2"));
}

#[tokio::test]
async fn a_folder_is_followed_through_edits_renames_and_removals() {
    let folder = folder();
    let file = folder.path().join("a.yaml");
    fs::write(&file, service("a", "10.0.0.1")).unwrap();
    fs::write(folder.path().join("notes.txt"), "kind: [").unwrap();
    fs::write(folder.path().join(".a.yaml.swp"), "kind: [").unwrap();
    fs::create_dir(folder.path().join("sub.yaml")).unwrap();
    assert_eq!(
        Manifests::open(folder.path(), wanted()).unwrap().problems(),
        []
    );
    let mut followed = Zoned::start(folder.path());
    followed.expect("a", Some("10.0.0.1")).await;

    fs::write(&file, service("a", "10.0.0.2")).unwrap();
    followed.expect("a", Some("10.0.0.2")).await;
    // As editors save: a new file is renamed over the old one.
    fs::write(folder.path().join("a.yaml~"), service("a", "10.0.0.3")).unwrap();
    fs::rename(folder.path().join("a.yaml~"), &file).unwrap();
    followed.expect("a", Some("10.0.0.3")).await;

    fs::write(folder.path().join("b.json"), r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"b"},"spec":{"clusterIP":"10.0.0.4"}}"#).unwrap();
    followed.expect("b", Some("10.0.0.4")).await;
    fs::write(&file, "kind: [\n").unwrap();
    fs::remove_file(folder.path().join("b.json")).unwrap();
    followed.expect("b", None).await;
    assert_eq!(followed.address("a").unwrap(), "10.0.0.3");
    fs::remove_file(&file).unwrap();
    followed.expect("a", None).await;
}

#[tokio::test]
async fn a_single_file_is_followed_and_its_absence_changes_nothing() {
    let folder = folder();
    let file = folder.path().join("one.yaml");
    fs::write(&file, service("a", "10.0.0.1")).unwrap();
    let mut followed = Zoned::start(&file);
    followed.reading().await;
    assert_eq!(followed.address("a").unwrap(), "10.0.0.1");
    fs::remove_file(&file).unwrap();
    sleep(Duration::from_millis(300)).await;
    assert!(followed.events.is_empty());
    fs::write(&file, service("a", "10.0.0.2")).unwrap();
    followed.expect("a", Some("10.0.0.2")).await;
}

#[tokio::test]
async fn a_mounted_config_map_is_followed() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("..1")).unwrap();
    fs::write(at("..1/a.yaml"), service("a", "10.0.0.1")).unwrap();
    symlink("..1", at("..data")).unwrap();
    symlink("..data/a.yaml", at("a.yaml")).unwrap();
    let mut whole = Zoned::start(folder.path());
    let mut single = Zoned::start(&at("a.yaml"));
    whole.expect("a", Some("10.0.0.1")).await;
    single.expect("a", Some("10.0.0.1")).await;

    fs::create_dir(at("..2")).unwrap();
    fs::write(at("..2/a.yaml"), service("a", "10.0.0.2")).unwrap();
    symlink("..2", at("..data_tmp")).unwrap();
    fs::rename(at("..data_tmp"), at("..data")).unwrap();
    whole.expect("a", Some("10.0.0.2")).await;
    single.expect("a", Some("10.0.0.2")).await;
}

#[tokio::test]
async fn the_config_map_is_handed_on_and_problems_are_counted() {
    let folder = folder();
    let file = folder.path().join("dns.yaml");
    let config_map = |value: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: dns}}\ndata: {{k: {value}}}\n")
    };
    let data = |value: &str| Some([("k".to_owned(), value.to_owned())].into());
    let mut followed = Zoned::start(folder.path());
    let told = async |followed: &mut Zoned| {
        let changed = timeout(SOON, followed.config_map.changed()).await;
        changed.unwrap().unwrap();
        followed.config_map.borrow_and_update().clone()
    };
    assert_eq!(told(&mut followed).await, None);
    fs::write(&file, config_map("1")).unwrap();
    assert_eq!(told(&mut followed).await, data("1"));
    // What can't be read changes nothing; a change that comes later shows that it was read.
    fs::write(&file, "kind: [\n").unwrap();
    fs::write(folder.path().join("a.yaml"), service("a", "10.0.0.1")).unwrap();
    followed.expect("a", Some("10.0.0.1")).await;
    assert!(!followed.config_map.has_changed().unwrap());
    let gauge = r#"kxdns_source_invalid_objects{kind="manifest"} "#;
    let page = followed.metrics.render();
    assert!(page.contains(&format!("{gauge}1")), "{page}");
    fs::write(&file, config_map("2")).unwrap();
    assert_eq!(told(&mut followed).await, data("2"));
    let page = followed.metrics.render();
    assert!(page.contains(&format!("{gauge}0")), "{page}");
    fs::remove_file(&file).unwrap();
    assert_eq!(told(&mut followed).await, None);
}

#[tokio::test]
async fn reading_does_not_set_off_reading() {
    let folder = folder();
    fs::write(folder.path().join("a.yaml"), service("a", "10.0.0.1")).unwrap();
    let manifests = Manifests::open(folder.path(), wanted()).unwrap();
    let (notify, mut changed) = watch::channel(());
    let mut watcher = Watch::new(&manifests, notify);
    for _ in 0..3 {
        watcher.renew();
        read(folder.path(), true).unwrap();
    }
    assert!(
        timeout(Duration::from_millis(200), changed.changed())
            .await
            .is_err()
    );
    fs::write(folder.path().join("a.yaml"), "").unwrap();
    assert!(timeout(SOON, changed.changed()).await.is_ok());
}

#[tokio::test]
async fn a_folder_that_vanishes_keeps_its_objects() {
    let parent = folder();
    let path = parent.path().join("manifests");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("a.yaml"), service("a", "10.0.0.1")).unwrap();
    let manifests = Manifests::open(&path, wanted()).unwrap();
    fs::rename(&path, parent.path().join("away")).unwrap();
    let (manifests, changed) = manifests.reread();
    assert!(!changed);
    assert!(
        manifests.problems()[0]
            .to_string()
            .contains("kept as they were")
    );
    fs::rename(parent.path().join("away"), &path).unwrap();
    let (manifests, changed) = manifests.reread();
    assert!(!changed);
    assert_eq!(manifests.problems(), []);
}

#[test]
fn a_path_that_is_not_there_is_named() {
    let error = Manifests::open(Path::new("/no/such/folder"), wanted()).unwrap_err();
    assert!(matches!(error, OpenError::Missing(_)));
    assert!(
        error
            .to_string()
            .starts_with("/no/such/folder does not exist")
    );
}

#[tokio::test]
async fn the_task_ends_with_its_receiver() {
    let folder = folder();
    let (sender, receiver) = mpsc::channel(16);
    let (config_map, _) = watch::channel(None);
    let task = tokio::spawn(Manifests::open(folder.path(), wanted()).unwrap().run(
        sender,
        config_map,
        Arc::new(Metrics::new()),
    ));
    sleep(Duration::from_millis(50)).await;
    drop(receiver);
    timeout(SOON, task).await.unwrap().unwrap();
}
