//! Threads that answer over UDP: each has one socket, waits in the kernel, and answers by the batch.
//!
//! A thread of its own needs one call to wait and receive where a task needs three, and none of the runtime's threads
//! has to wake another. Only what waits for upstreams is a task.

use std::{
    io, iter,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use tokio::{runtime::Handle, sync::oneshot, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    arrival::Arrival,
    batch::{Inbox, Outbox},
    service::{Action, Service},
    udp::Socket,
};
use crate::metrics::label::Transport;

/// Most batches that are read from a socket's queue at the end.
const QUEUED: usize = 128;
/// How long to wait after an error that will not pass at once.
const PAUSE: Duration = Duration::from_millis(100);

/// A running thread; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Worker {
    socket: Arc<Socket>,
    stop: CancellationToken,
    /// Odd while a batch is answered.
    steps: Arc<AtomicU64>,
    /// The steps that were seen last.
    seen: u64,
    /// The tasks that are left at the end.
    left: Option<oneshot::Receiver<JoinSet<()>>>,
}

impl Worker {
    /// Starts to answer what comes by `socket`. Has to be called within a Tokio runtime.
    pub(super) fn start(number: usize, socket: Socket, service: Arc<Service>) -> io::Result<Self> {
        let socket = Arc::new(socket);
        let stop = CancellationToken::new();
        let steps = Arc::new(AtomicU64::new(0));
        let (sender, left) = oneshot::channel();
        let (runtime, stopping) = (Handle::current(), stop.clone());
        let (own_socket, own_steps) = (Arc::clone(&socket), Arc::clone(&steps));
        thread::Builder::new()
            .name(format!("udp-{number}"))
            .spawn(move || {
                let _within = runtime.enter();
                let mut answering = Answering::new(own_socket, service, own_steps);
                answering.run(&stopping);
                // Nobody waits for them: they end.
                let _ = sender.send(answering.waiting);
            })?;
        Ok(Self {
            socket,
            stop,
            steps,
            seen: 0,
            left: Some(left),
        })
    }

    /// Whether the thread waits for datagrams, or has gone on since it was last asked this.
    pub(super) fn goes_on(&mut self) -> bool {
        let steps = self.steps.load(Relaxed);
        let hangs = steps % 2 == 1 && steps == self.seen;
        self.seen = steps;
        !hangs
    }

    /// Has the thread answer what has come, and end; gives the tasks that still wait for upstreams.
    pub(super) async fn stop(mut self) -> JoinSet<()> {
        self.end();
        match self.left.take() {
            Some(left) => left.await.unwrap_or_default(),
            None => JoinSet::new(),
        }
    }

    fn end(&self) {
        self.stop.cancel();
        self.socket.wake();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}

/// What the thread has.
struct Answering {
    inbox: Inbox,
    outbox: Outbox,
    socket: Arc<Socket>,
    service: Arc<Service>,
    waiting: JoinSet<()>,
    steps: Arc<AtomicU64>,
}

impl Answering {
    fn new(socket: Arc<Socket>, service: Arc<Service>, steps: Arc<AtomicU64>) -> Self {
        Self {
            inbox: Inbox::new(),
            outbox: Outbox::new(),
            socket,
            service,
            waiting: JoinSet::new(),
            steps,
        }
    }

    fn run(&mut self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            match self.inbox.receive(&self.socket, true) {
                Ok(()) => self.batch(stop.is_cancelled()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::debug!(%error, "no datagram could be received");
                    thread::sleep(PAUSE);
                }
            }
        }
        // What has arrived by now is answered, too. The end of the wait has used up headers.
        self.inbox = Inbox::new();
        let queue = iter::from_fn(|| {
            self.inbox
                .receive(&self.socket, false)
                .ok()
                .map(|()| self.batch(true))
        });
        queue.take(QUEUED).for_each(drop);
    }

    /// Answers a batch. A panic takes no more than its batch with it.
    fn batch(&mut self, stopping: bool) {
        self.steps.fetch_add(1, Relaxed);
        let answered = catch_unwind(AssertUnwindSafe(|| self.answer(stopping)));
        if answered.is_err() {
            tracing::error!("queries were lost to a mistake in the server, which goes on");
            self.outbox = Outbox::new();
        }
        self.steps.fetch_add(1, Relaxed);
    }

    fn answer(&mut self, stopping: bool) {
        let arrival = Arrival::by(Transport::Udp);
        for (message, route) in self.inbox.datagrams() {
            // The end of a wait looks like an empty datagram.
            if stopping && message.is_empty() {
                continue;
            }
            let start = self.outbox.bytes.len();
            match self
                .service
                .handle(message, arrival, &mut self.outbox.bytes)
            {
                Action::Ignore => {}
                Action::Reply => self.outbox.add(start, route),
                Action::Wait(pending) => {
                    let (socket, service) = (Arc::clone(&self.socket), Arc::clone(&self.service));
                    let message = message.to_vec();
                    // Bounded by the resolver, which turns away what is too much.
                    self.waiting.spawn(async move {
                        let Some(reply) = service.resolve(&message, pending, arrival).await else {
                            return;
                        };
                        if let Err(error) = socket.send(&reply, route).await {
                            tracing::debug!(peer = %route.peer, %error, "a reply could not be sent");
                        }
                    });
                }
            }
        }
        self.outbox.send(&self.socket);
        while self.waiting.try_join_next().is_some() {}
    }
}
