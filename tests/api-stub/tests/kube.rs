//! kube-rs's watcher against the cluster: both ways of the first list, bookmarks, 410, an absent server.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api_stub::{ApiStub, Cluster, Failure, Kind, sample, wait_until};
use futures::StreamExt;
use k8s_openapi::api::core::v1::{Namespace, Service};
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, Event, InitialListStrategy, watcher};
use kube::{Api, Client};

const PATIENCE: Duration = Duration::from_mins(2);

/// What the watcher has told so far.
#[derive(Debug, Default)]
struct Seen {
    /// Services of the namespace `default`, without `kubernetes`: name and ClusterIP.
    services: BTreeMap<String, String>,
    /// Complete lists.
    synced: usize,
    /// What it complained about.
    errors: Vec<String>,
}

struct Follower {
    seen: Arc<Mutex<Seen>>,
    _runtime: tokio::runtime::Runtime,
}

async fn client(kubeconfig: &str) -> Client {
    let config = Kubeconfig::from_yaml(kubeconfig).unwrap();
    let config = kube::Config::from_custom_kubeconfig(config, &KubeConfigOptions::default())
        .await
        .unwrap();
    Client::try_from(config).unwrap()
}

fn apply(seen: &mut Seen, service: Service) {
    let name = service.metadata.name.unwrap();
    if name != "kubernetes" {
        seen.services
            .insert(name, service.spec.unwrap().cluster_ip.unwrap_or_default());
    }
}

impl Follower {
    fn start(cluster: &Cluster, strategy: InitialListStrategy) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (kubeconfig, shared) = (cluster.kubeconfig(), Arc::clone(&seen));
        runtime.spawn(async move {
            let services: Api<Service> = Api::namespaced(client(&kubeconfig).await, "default");
            let config = Config {
                initial_list_strategy: strategy,
                page_size: Some(2),
                ..Config::default()
            };
            let mut events = watcher(services, config).default_backoff().boxed();
            while let Some(event) = events.next().await {
                let mut seen = shared.lock().unwrap();
                match event {
                    Ok(Event::Init) => seen.services.clear(),
                    Ok(Event::InitApply(service) | Event::Apply(service)) => {
                        apply(&mut seen, service);
                    }
                    Ok(Event::InitDone) => seen.synced += 1,
                    Ok(Event::Delete(service)) => {
                        seen.services.remove(&service.metadata.name.unwrap());
                    }
                    Err(error) => seen.errors.push(format!("{error:?}")),
                }
            }
        });
        Self {
            seen,
            _runtime: runtime,
        }
    }

    fn expect(&self, told: &str, mut as_expected: impl FnMut(&Seen) -> bool) {
        let met = wait_until(PATIENCE, || {
            as_expected(&self.seen.lock().unwrap()).then_some(())
        });
        assert!(
            met.is_some(),
            "never saw: {told}; but {:?}",
            self.seen.lock().unwrap()
        );
    }

    fn knows(&self, name: &str, address: &str) {
        self.expect(&format!("{name} at {address:?}"), |seen| {
            seen.services.get(name).map_or("", String::as_str) == address
        });
    }
}

fn create(cluster: &Cluster, name: &str, address: &str) {
    cluster
        .create(&sample::service("default", name, address))
        .unwrap();
}

fn follows(strategy: &InitialListStrategy) {
    let cluster = Cluster::start().unwrap();
    for number in 1..=5 {
        create(
            &cluster,
            &format!("a{number}"),
            &format!("10.96.20.{number}"),
        );
    }
    let follower = Follower::start(&cluster, strategy.clone());
    follower.expect("the first list", |seen| seen.synced == 1);
    follower.knows("a5", "10.96.20.5");
    create(&cluster, "b", "10.96.20.9");
    follower.knows("b", "10.96.20.9");
    cluster.delete(Kind::Service, "default", "b").unwrap();
    follower.knows("b", "");
    create(&cluster, "b", "10.96.20.10");
    follower.knows("b", "10.96.20.10");
    let mut service = cluster.get(Kind::Service, "default", "b").unwrap();
    service["spec"] = sample::external("default", "b", "example.org")["spec"].clone();
    cluster.replace(&service).unwrap();
    follower.knows("b", "");
    if let Some(stub) = cluster.stub() {
        survives(stub, &follower, strategy);
    }
}

fn survives(stub: &ApiStub, follower: &Follower, strategy: &InitialListStrategy) {
    let expected_lists = if *strategy == InitialListStrategy::StreamingList {
        0
    } else {
        3
    };
    assert_eq!(
        stub.counters().lists,
        expected_lists,
        "six services in pages of two, or none at all"
    );
    let make = |name: &str, address: &str| {
        stub.create(&sample::service("default", name, address))
            .unwrap()
    };

    stub.drop_watches();
    make("c", "10.96.20.11");
    follower.knows("c", "10.96.20.11");
    stub.drop_connections();
    make("d", "10.96.20.12");
    follower.knows("d", "10.96.20.12");

    // Elsewhere things happen; only the bookmark tells the watcher, and so the compaction does not hurt it.
    stub.create(&sample::namespace("elsewhere")).unwrap();
    let before = stub.counters().bookmarks;
    stub.send_bookmarks();
    wait_until(PATIENCE, || {
        (stub.counters().bookmarks > before).then_some(())
    })
    .expect("a bookmark");
    stub.compact();
    stub.end_watches();
    make("e", "10.96.20.13");
    follower.knows("e", "10.96.20.13");
    let seen = follower.seen.lock().unwrap();
    assert_eq!(seen.synced, 1, "everything so far was resumed: {seen:?}");
    drop(seen);
    assert_eq!(
        stub.counters().lists,
        expected_lists,
        "no list for any of it"
    );

    stub.go_away();
    make("f", "10.96.20.14");
    stub.delete(Kind::Service, "default", "c").unwrap();
    stub.compact();
    std::thread::sleep(Duration::from_secs(2));
    stub.come_back().unwrap();
    follower.knows("f", "10.96.20.14");
    follower.knows("c", "");
    follower.expect("a second list", |seen| seen.synced == 2);
    let gone = |seen: &Seen| seen.errors.iter().any(|error| error.contains("410"));
    follower.expect("410 as the reason", gone);

    stub.fail_next(1, Failure::Internal);
    stub.fail_next(1, Failure::TooManyRequests(1));
    stub.fail_next(1, Failure::Forbidden);
    stub.drop_watches();
    make("g", "10.96.20.15");
    follower.knows("g", "10.96.20.15");
    assert_eq!(follower.seen.lock().unwrap().synced, 2);
}

#[test]
fn follows_with_list_and_watch() {
    follows(&InitialListStrategy::ListWatch);
}

#[test]
fn follows_with_streaming_lists() {
    follows(&InitialListStrategy::StreamingList);
}

#[test]
fn streaming_lists_refused_are_told_as_422() {
    let cluster = Cluster::of_stub(ApiStub::start().unwrap()).unwrap();
    let stub = cluster.stub().unwrap();
    stub.set_streaming_lists(false);
    let follower = Follower::start(&cluster, InitialListStrategy::StreamingList);
    follower.expect("422", |seen| {
        seen.errors.iter().any(|error| error.contains("422"))
    });
    stub.set_streaming_lists(true);
    follower.expect("the list", |seen| seen.synced == 1);
}

#[tokio::test]
async fn typed_calls_work() {
    let cluster = Cluster::start().unwrap();
    let client = client(&cluster.kubeconfig()).await;
    assert_eq!(client.apiserver_version().await.unwrap().major, "1");
    assert!(
        client
            .list_core_api_resources("v1")
            .await
            .unwrap()
            .resources
            .iter()
            .any(|resource| resource.name == "pods")
    );
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let system = ListParams::default().fields("metadata.name=kube-system");
    assert_eq!(namespaces.list(&system).await.unwrap().items.len(), 1);
    let services: Api<Service> = Api::namespaced(client, "default");
    let service: Service = serde_json::from_value(sample::service("default", "web", "")).unwrap();
    let made = services
        .create(&kube::api::PostParams::default(), &service)
        .await
        .unwrap();
    assert!(
        made.spec
            .unwrap()
            .cluster_ip
            .is_some_and(|address| !address.is_empty())
    );
    let again = services
        .create(&kube::api::PostParams::default(), &service)
        .await
        .unwrap_err();
    assert!(
        matches!(&again, kube::Error::Api(status) if status.is_already_exists()),
        "{again}"
    );
    services
        .delete("web", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    assert!(services.get_opt("web").await.unwrap().is_none());
}
