//! The stub over the wire: discovery, objects, refusals, pages, counters, size.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[allow(unreachable_pub, missing_docs, dead_code)]
mod common;

use std::time::Instant;

use api_stub::{ApiStub, Kind, Options, Verb, sample};
use common::{get, send};
use serde_json::{Value, json};

const SERVICES: &str = "/api/v1/namespaces/default/services";
const JSON: &str = "Content-Type: application/json\r\n";
const MERGE: &str = "Content-Type: application/merge-patch+json\r\n";

fn names(list: &Value) -> Vec<&str> {
    list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["metadata"]["name"].as_str().unwrap())
        .collect()
}

#[test]
fn discovery_documents() {
    let stub = ApiStub::start().unwrap();
    let read = |path| get(stub.address(), path).json();
    assert_eq!(get(stub.address(), "/healthz").body, "ok");
    assert_eq!(get(stub.address(), "/readyz").body, "ok");
    assert_eq!(read("/version")["major"], "1");
    assert_eq!(read("/api")["versions"], json!(["v1"]));
    assert_eq!(read("/apis")["groups"][0]["name"], "discovery.k8s.io");
    assert_eq!(
        read("/apis/discovery.k8s.io")["preferredVersion"]["groupVersion"],
        "discovery.k8s.io/v1"
    );
    assert_eq!(
        read("/apis/discovery.k8s.io/v1")["resources"][0]["name"],
        "endpointslices"
    );
    let core = read("/api/v1");
    let services = core["resources"]
        .as_array()
        .unwrap()
        .iter()
        .find(|resource| resource["name"] == "services")
        .unwrap();
    assert_eq!(
        (&services["kind"], &services["namespaced"]),
        (&"Service".into(), &true.into())
    );
}

#[test]
fn objects_come_and_go() {
    let stub = ApiStub::start().unwrap();
    let service = sample::service("default", "web", "10.96.7.7").to_string();
    let made = send(stub.address(), "POST", SERVICES, JSON, &service);
    assert_eq!(made.code, 201, "{}", made.body);
    assert_eq!(made.json()["spec"]["clusterIPs"], json!(["10.96.7.7"]));
    let web = format!("{SERVICES}/web");
    let mut value = get(stub.address(), &web).json();
    assert_eq!(
        (&value["kind"], &value["apiVersion"]),
        (&"Service".into(), &"v1".into())
    );
    value["metadata"]["labels"] = json!({ "tier": "front" });
    let changed = send(stub.address(), "PUT", &web, JSON, &value.to_string());
    assert_eq!(changed.code, 200, "{}", changed.body);
    let stale = send(
        stub.address(),
        "PUT",
        &web,
        JSON,
        &json!({ "metadata": value["metadata"], "spec": { "ports": [{ "port": 1 }] } }).to_string(),
    );
    assert_eq!(stale.refusal().0, 409);
    let patched = send(
        stub.address(),
        "PATCH",
        &web,
        MERGE,
        r#"{"metadata":{"labels":{"tier":"back"}}}"#,
    );
    assert_eq!(patched.json()["metadata"]["labels"]["tier"], "back");
    let list = get(stub.address(), "/api/v1/services?labelSelector=tier%3Dback").json();
    assert_eq!(
        (names(&list), &list["kind"]),
        (vec!["web"], &"ServiceList".into())
    );
    assert_eq!(
        list["items"][0].get("kind"),
        None,
        "items of lists have no kind"
    );
    let list = get(
        stub.address(),
        "/api/v1/services?fieldSelector=spec.clusterIP%3D10.96.7.7,metadata.namespace%3Ddefault",
    )
    .json();
    assert_eq!(names(&list), ["web"]);
    assert_eq!(
        send(stub.address(), "DELETE", &web, "", "").json()["kind"],
        "Service"
    );
    assert_eq!(get(stub.address(), &web).refusal().0, 404);
    let slice = sample::slice("default", "db", &[("10.0.0.1", "db-0")]).to_string();
    let slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
    assert_eq!(send(stub.address(), "POST", slices, "", &slice).code, 201);
    let gone = send(stub.address(), "DELETE", &format!("{slices}/db-1"), "", "").json();
    assert_eq!(
        (&gone["kind"], &gone["status"]),
        (&"Status".into(), &"Success".into())
    );
}

#[test]
#[allow(clippy::too_many_lines, reason = "one table")]
fn refusals_help() {
    let stub = ApiStub::start().unwrap();
    let web = sample::service("default", "web", "").to_string();
    assert_eq!(send(stub.address(), "POST", SERVICES, JSON, &web).code, 201);
    let protobuf = "Content-Type: application/vnd.kubernetes.protobuf\r\n";
    let table = [
        ("GET", "/api/v1/foos", "", "", 404, "/api/v1/services"),
        ("GET", "/nothing/here", "", "", 404, "/nothing/here"),
        (
            "GET",
            "/api/v1/namespaces/default/services/absent",
            "",
            "",
            404,
            "services \"absent\" not found",
        ),
        (
            "GET",
            "/api/v1/services?labelSelector=a%3Db%3Dc",
            "",
            "",
            400,
            "a=b=c",
        ),
        (
            "GET",
            "/api/v1/services?fieldSelector=spec.ports%3D1",
            "",
            "",
            400,
            "field label not supported: spec.ports",
        ),
        ("GET", "/api/v1/services?limit=few", "", "", 400, "limit"),
        (
            "GET",
            "/api/v1/services?resourceVersion=new",
            "",
            "",
            400,
            "resourceVersion",
        ),
        (
            "GET",
            "/api/v1/services?continue=garbage",
            "",
            "",
            400,
            "continue",
        ),
        (
            "GET",
            "/api/v1/services?watch=1&resourceVersion=x",
            "",
            "",
            400,
            "resourceVersion",
        ),
        (
            "GET",
            "/api/v1/services?watch=1&sendInitialEvents=true",
            "",
            "",
            422,
            "NotOlderThan",
        ),
        (
            "GET",
            "/api/v1/services",
            "Accept: application/vnd.kubernetes.protobuf\r\n",
            "",
            406,
            "application/json",
        ),
        ("PUT", SERVICES, JSON, "{}", 405, "GET, POST"),
        ("POST", "/api/v1/services", JSON, "{}", 405, "namespace"),
        ("POST", "/version", JSON, "{}", 405, "GET"),
        ("POST", SERVICES, JSON, "{\"kind\":", 400, "not JSON"),
        ("POST", SERVICES, JSON, "[]", 400, "expected a JSON object"),
        ("POST", SERVICES, JSON, &web, 409, "already exists"),
        (
            "POST",
            SERVICES,
            JSON,
            r#"{"metadata":{"name":"x"},"spec":{"ports":"80"}}"#,
            400,
            "cannot be handled as a Service",
        ),
        (
            "POST",
            SERVICES,
            JSON,
            r#"{"metadata":{"name":"x"},"spec":{"clusterIP":"1.2.3.4","ports":[{"port":80}]}}"#,
            422,
            "10.96.0.0/12",
        ),
        ("POST", SERVICES, protobuf, "k8s", 415, "application/json"),
        (
            "POST",
            "/api/v1/namespaces/nowhere/services",
            JSON,
            &web.replace("default", "nowhere"),
            404,
            "namespaces \"nowhere\" not found",
        ),
        (
            "POST",
            "/api/v1/namespaces/default/services?dryRun=All",
            JSON,
            &web,
            400,
            "dryRun",
        ),
        (
            "PATCH",
            "/api/v1/namespaces/default/services/web",
            "Content-Type: application/json-patch+json\r\n",
            "[]",
            415,
            "merge-patch",
        ),
        (
            "PATCH",
            "/api/v1/namespaces/default/services/web",
            MERGE,
            "[]",
            400,
            "JSON object",
        ),
        (
            "DELETE",
            "/api/v1/namespaces/kube-system",
            "",
            "",
            403,
            "may not be deleted",
        ),
    ];
    for (method, path, headers, body, code, told) in table {
        let (got, reason, message) = send(stub.address(), method, path, headers, body).refusal();
        assert_eq!(got, code, "{method} {path}: {reason} {message}");
        assert!(
            message.contains(told) && !reason.is_empty(),
            "{method} {path}: {reason} {message}"
        );
    }
    let wrong = send(stub.address(), "PUT", SERVICES, JSON, "{}");
    assert!(
        wrong.head.contains("allow: delete, get, post"),
        "{}",
        wrong.head
    );
    // Go reads query strings leniently, and so does this.
    assert_eq!(
        get(stub.address(), "/api/v1/services?&&=&unknown").code,
        200
    );
}

#[test]
fn pages() {
    let stub = ApiStub::start().unwrap();
    stub.create_all((0..25).map(|number| sample::service("default", &format!("s{number:02}"), "")))
        .unwrap();
    let page = |rest: &str| get(stub.address(), &format!("{SERVICES}?limit=10{rest}"));
    let first = page("").json();
    assert_eq!(first["metadata"]["remainingItemCount"], 16);
    assert_eq!(names(&first)[..2], ["kubernetes", "s00"]);
    let token = first["metadata"]["continue"].as_str().unwrap();
    stub.delete(Kind::Service, "default", "s15").unwrap();
    let second = page(&format!("&continue={token}")).json();
    assert_eq!(
        second["metadata"]["resourceVersion"],
        first["metadata"]["resourceVersion"]
    );
    assert!(
        names(&second).contains(&"s15"),
        "the second page shows the state of the first"
    );
    stub.compact();
    let expired = page(&format!("&continue={token}"));
    assert_eq!(expired.refusal().1, "Expired");
    let resume = expired.json()["metadata"]["continue"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(!names(&page(&format!("&continue={resume}")).json()).contains(&"s15"));
    assert_eq!(
        names(&page("&resourceVersion=0").json()).len(),
        25,
        "from the watch cache, without pages"
    );
}

#[test]
fn counters_and_log() {
    let stub = ApiStub::start().unwrap();
    send(
        stub.address(),
        "GET",
        "/api/v1/services?limit=1",
        "User-Agent: probe/1\r\n",
        "",
    );
    get(stub.address(), "/api/v1/namespaces/default");
    get(stub.address(), "/api/v1/foos");
    send(stub.address(), "POST", SERVICES, JSON, "{}");
    let counters = stub.counters();
    assert_eq!(
        (
            counters.requests,
            counters.lists,
            counters.gets,
            counters.writes
        ),
        (4, 1, 1, 1)
    );
    assert_eq!((counters.refused, counters.watches), (2, 0));
    assert!(counters.bytes_sent > 500);
    let first = &stub.requests()[0];
    assert_eq!(
        (first.target.as_str(), first.user_agent.as_str()),
        ("/api/v1/services?limit=1", "probe/1")
    );
    assert_eq!(
        (first.verb, first.kind, first.status),
        (Verb::List, Some(Kind::Service), 200)
    );
    stub.reset_counters();
    assert_eq!(stub.counters().requests, 0);
}

#[test]
fn ten_thousand_services() {
    let stub = ApiStub::start_with(&Options {
        any_service_ip: true,
        ..Options::default()
    })
    .unwrap();
    let address = |number: u32| std::net::Ipv4Addr::from_bits(0x0a60_1000 + number).to_string();
    let before = Instant::now();
    let made = stub.create_all(
        (0..10_000)
            .map(|number| sample::service("default", &format!("s{number}"), &address(number))),
    );
    assert_eq!(made.unwrap(), 10_000);
    println!("created in {:?}", before.elapsed());
    let before = Instant::now();
    let list = get(stub.address(), "/api/v1/services?resourceVersion=0").json();
    println!("listed and decoded in {:?}", before.elapsed());
    assert_eq!(list["items"].as_array().unwrap().len(), 10_001);
}
