//! One cluster, two servers, and what they say.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use api_stub::{ApiStub, Kind};
use serde_json::Value;

use crate::{
    ask,
    plan::{ClusterPlan, Step},
    question::{Question, Transport},
    said::Said,
    server::{Server, Subject},
};

/// A question and both answers.
#[derive(Clone, Debug)]
pub struct Case {
    /// What was asked.
    pub question: Question,
    /// What `CoreDNS` said.
    pub theirs: Said,
    /// What dns-ctl said.
    pub ours: Said,
}

/// Starts both servers on a cluster of their own, brings it to where the plan has it, and asks.
pub fn run(
    plan: &ClusterPlan,
    questions: Vec<Question>,
    [their, our]: [Subject; 2],
    upstream: SocketAddr,
) -> Result<Vec<Case>> {
    let stub = ApiStub::start()?;
    let (objects, steps) = plan.history();
    for object in &objects {
        write(&stub, object)?;
    }
    let kubeconfig = stub.kubeconfig();
    let start = |subject| Server::start(subject, plan, &kubeconfig, upstream);
    // Each waits for timers of its own.
    let (their, our) = std::thread::scope(|scope| {
        let their = scope.spawn(|| start(their));
        let our = start(our)?;
        let their = their.join().expect("starting a server does not panic")?;
        anyhow::Ok((their, our))
    })?;
    for step in &steps {
        take(&stub, step)?;
    }
    let markers = plan.marker_names();
    their.wait_for(&markers)?;
    our.wait_for(&markers)?;
    compare(&their, &our, questions)
}

/// Asks both servers; over TCP, too, what either of them can't say in a datagram.
fn compare(their: &Server, our: &Server, questions: Vec<Question>) -> Result<Vec<Case>> {
    let (datagrams, mut streams): (Vec<_>, Vec<_>) = questions
        .into_iter()
        .partition(|it| it.transport == Transport::Udp);
    let [theirs, ours] = [their, our].map(|it| {
        ask::over_udp(it.address, &datagrams).with_context(|| format!("it said:\n{}", it.log()))
    });
    let mut cases = Vec::new();
    for ((question, theirs), ours) in datagrams.into_iter().zip(theirs?).zip(ours?) {
        // What either of them had no room for is asked of both again.
        match (theirs, ours) {
            (Some(theirs), Some(ours))
                if ![&theirs, &ours].iter().any(|it| it.is_without_glue()) =>
            {
                cases.push(Case {
                    question,
                    theirs,
                    ours,
                });
            }
            _ => streams.push(question),
        }
    }
    let [theirs, ours] = [their, our].map(|it| {
        ask::over_tcp(it.address, &streams).with_context(|| format!("it said:\n{}", it.log()))
    });
    let streams = streams.into_iter().zip(theirs?).zip(ours?);
    cases.extend(streams.map(|((question, theirs), ours)| Case {
        question,
        theirs,
        ours,
    }));
    Ok(cases)
}

/// Writes an object as a client would, unless no client could.
fn write(stub: &ApiStub, object: &Value) -> Result<()> {
    let made = if is_ordinary(stub, object) {
        stub.create(object)
    } else {
        stub.force(object)
    };
    made.map(drop)
        .with_context(|| format!("{object} can't be written"))
}

/// Whether a client could create the object as it is.
fn is_ordinary(stub: &ApiStub, object: &Value) -> bool {
    let namespace = text(object, "/metadata/namespace");
    match text(object, "/kind") {
        "Namespace" => true,
        // Its status is written by the kubelet, in a second step.
        "Pod" => false,
        // Names that begin with a digit are allowed by the newest API servers only.
        "Service" if text(object, "/metadata/name").starts_with(|it: char| it.is_ascii_digit()) => {
            false
        }
        _ => stub.get(Kind::Namespace, "", namespace).is_ok(),
    }
}

fn take(stub: &ApiStub, step: &Step) -> Result<()> {
    let (object, outcome) = match step {
        Step::Apply(object) => (object, stub.force(object).map(drop)),
        Step::Delete(object) => {
            let kind = Kind::ALL
                .into_iter()
                .find(|it| it.resource().kind == text(object, "/kind"))
                .context("objects are of kinds that the stub knows")?;
            let namespace = text(object, "/metadata/namespace");
            let outcome = stub.delete(kind, namespace, text(object, "/metadata/name"));
            (object, outcome)
        }
    };
    match outcome {
        // Its namespace took it away.
        Err(error) if error.code == 404 => Ok(()),
        other => other.with_context(|| format!("{object} can't be changed")),
    }
}

fn text<'o>(object: &'o Value, pointer: &str) -> &'o str {
    let value = object.pointer(pointer).and_then(Value::as_str);
    value.unwrap_or_default()
}
