//! The program `api-stub`: loads manifests, tells its address, writes a kubeconfig, ends on a signal.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[allow(unreachable_pub, missing_docs, dead_code)]
mod common;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use api_stub::sample;
use serde_json::{Value, json};

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn serves_manifests_until_a_signal() {
    let folder = tempfile::tempdir().unwrap();
    let (manifest, config) = (
        folder.path().join("objects.json"),
        folder.path().join("kubeconfig"),
    );
    let objects = json!({ "kind": "List", "items": [sample::namespace("shop"), sample::service("shop", "web", "192.0.2.9")] });
    std::fs::write(&manifest, objects.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_api-stub"));
    command
        .arg("--any-service-ip")
        .arg("--kubeconfig-out")
        .arg(&config)
        .arg("--load")
        .arg(&manifest);
    let mut running = Running(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut address = String::new();
    BufReader::new(running.0.stdout.as_mut().unwrap())
        .read_line(&mut address)
        .unwrap();
    let service = common::get(
        address.trim().parse().unwrap(),
        "/api/v1/namespaces/shop/services/web",
    )
    .json();
    assert_eq!(service["spec"]["clusterIP"], "192.0.2.9");
    let config: Value = serde_json::from_str(&std::fs::read_to_string(&config).unwrap()).unwrap();
    assert_eq!(
        config["clusters"][0]["cluster"]["server"],
        format!("http://{}", address.trim())
    );
    let killed = Command::new("kill")
        .arg(running.0.id().to_string())
        .status()
        .unwrap();
    assert!(killed.success());
    assert_eq!(running.0.wait().unwrap().code(), Some(0));
}

#[test]
fn a_bad_manifest_is_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("bad.json");
    for (text, told) in [
        ("{", "not JSON"),
        (
            r#"{"kind":"Deployment","apiVersion":"apps/v1"}"#,
            "Deployment",
        ),
    ] {
        std::fs::write(&manifest, text).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_api-stub"))
            .arg("--load")
            .arg(&manifest)
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(
            error.contains("bad.json") && error.contains(told),
            "{error}"
        );
    }
}
