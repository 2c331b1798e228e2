//! What goes on all the while: interfaces and Services come and go.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Result, anyhow};
use testbed::{Namespace, Scratch};

use crate::cluster;

/// Interfaces that there may be besides.
const INTERFACES: u64 = 6;

/// Something that is done again and again on a thread, until this is dropped.
pub(crate) struct Churn {
    state: Arc<State>,
    thread: Option<JoinHandle<Result<()>>>,
}

#[derive(Default)]
struct State {
    /// Held while it is done, with the number of times so far.
    turns: Mutex<u64>,
    stop: AtomicBool,
}

impl Churn {
    fn start(
        pause: Duration,
        mut turn: impl FnMut(u64) -> Result<()> + Send + 'static,
    ) -> Result<Self> {
        let state = Arc::new(State::default());
        let thread = thread::Builder::new().name("churn".to_owned()).spawn({
            let state = Arc::clone(&state);
            move || {
                while !state.stop.load(SeqCst) {
                    {
                        let mut turns = locked(&state.turns);
                        turn(*turns)?;
                        *turns += 1;
                    }
                    thread::sleep(pause);
                }
                Ok(())
            }
        })?;
        Ok(Self {
            state,
            thread: Some(thread),
        })
    }

    /// Interfaces of this node come, are renamed, go, and go to other namespaces.
    pub(crate) fn of_interfaces(node: &Namespace) -> Result<Self> {
        let node = node.name().to_owned();
        let elsewhere = Namespace::new("elsewhere")?;
        Self::start(Duration::from_millis(20), move |turn| {
            let ip = |arguments: &str| {
                let mut command = std::process::Command::new("ip");
                command.args(["-netns", &node]);
                testbed::output(command.args(arguments.split(' '))).map(drop)
            };
            let n = turn % INTERFACES;
            if turn >= INTERFACES {
                // What became of it five turns ago.
                match n % 3 {
                    0 => ip(&format!("link del pod-{n}"))?,
                    1 => ip(&format!("link del pod-{n}-renamed"))?,
                    _ => {
                        ip(&format!(
                            "link set pod-{n} netns {} name gone-{turn}",
                            elsewhere.name()
                        ))?;
                        elsewhere.ip(&format!("link del gone-{turn}"))?;
                    }
                }
            }
            ip(&format!("link add pod-{n} type veth peer name peer-{n}"))?;
            if n % 3 == 1 {
                ip(&format!("link set pod-{n} name pod-{n}-renamed"))?;
                ip(&format!("link set pod-{n}-renamed up"))
            } else {
                ip(&format!("link set pod-{n} up"))
            }
        })
    }

    /// Services in this folder come, change, and go.
    pub(crate) fn of_services(folder: &Arc<Scratch>) -> Result<Self> {
        let folder = Arc::clone(folder);
        Self::start(Duration::from_millis(150), move |turn| {
            folder.write("passing.yaml", &cluster::passing(turn))?;
            Ok(())
        })
    }

    /// Nothing is done while the guard lives.
    pub(crate) fn pause(&self) -> MutexGuard<'_, u64> {
        locked(&self.state.turns)
    }

    /// Ends it; how often it was done.
    pub(crate) fn finish(&mut self) -> Result<u64> {
        self.end()?;
        Ok(*self.pause())
    }

    fn end(&mut self) -> Result<()> {
        self.state.stop.store(true, SeqCst);
        match self.thread.take().map(JoinHandle::join) {
            Some(Err(_)) => Err(anyhow!("the churn's thread has panicked")),
            Some(Ok(result)) => result,
            None => Ok(()),
        }
    }
}

impl Drop for Churn {
    fn drop(&mut self) {
        let _ended = self.end();
    }
}

fn locked(turns: &Mutex<u64>) -> MutexGuard<'_, u64> {
    turns.lock().unwrap_or_else(PoisonError::into_inner)
}
