//! The program `api-stub`: the stub on its own, for shells and other languages.

use std::io::{Write, stdout};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use api_stub::{ApiStub, Options};
use clap::Parser;
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

/// A small Kubernetes API server for tests.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Write a kubeconfig that points here.
    #[arg(long, value_name = "FILE")]
    kubeconfig_out: Option<PathBuf>,
    /// Create the objects of these JSON files: one object, an array, or a List.
    #[arg(long, value_name = "MANIFEST.json", num_args = 1..)]
    load: Vec<PathBuf>,
    /// Allow Services any address, not only those in 10.96.0.0/12 and `fd00:10:96::/108`.
    #[arg(long)]
    any_service_ip: bool,
    /// Refuse streaming lists, as servers without the feature do.
    #[arg(long)]
    no_streaming_lists: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("api-stub: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let stub = ApiStub::start_with(&Options {
        listen: arguments.listen,
        any_service_ip: arguments.any_service_ip,
        streaming_lists: !arguments.no_streaming_lists,
        ..Options::default()
    })?;
    for path in &arguments.load {
        load(&stub, path).with_context(|| format!("cannot load {}", path.display()))?;
    }
    if let Some(path) = &arguments.kubeconfig_out {
        stub.write_kubeconfig(path)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        // Ready for signals before the address is told: whoever reads it may stop us at once.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        writeln!(stdout(), "{}", stub.address())?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok(())
    })
}

fn load(stub: &ApiStub, path: &Path) -> Result<()> {
    let text = std::fs::read_to_string(path)?;
    let value: Value = serde_json::from_str(&text).context("not JSON")?;
    let objects = match value {
        Value::Array(objects) => objects,
        Value::Object(mut fields) if fields.get("items").is_some_and(Value::is_array) => fields
            .remove("items")
            .and_then(|items| items.as_array().cloned())
            .unwrap_or_default(),
        object => vec![object],
    };
    stub.create_all(objects)?;
    Ok(())
}
