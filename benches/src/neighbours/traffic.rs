//! What goes between the pods: a TCP stream by iperf3, and one small datagram after the other.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use serde_json::Value;
use testbed::{Child, Namespace};

/// Where the server pod sends datagrams back.
const ECHO_PORT: u16 = 7;
/// The size of a datagram's payload, about a DNS query's.
const PAYLOAD: usize = 64;
/// How long a datagram may be under way.
const LOST: Duration = Duration::from_millis(200);
/// How soon the server notices that it shall end.
const WAKE: Duration = Duration::from_millis(50);
/// Octets in a gigabyte.
const GIGA: f64 = 1e9;
/// How long iperf3 may take to listen.
const START_LIMIT: Duration = Duration::from_secs(10);

/// The servers in their pod; they end when dropped.
pub(super) struct Servers {
    iperf: Child,
    stop: Arc<AtomicBool>,
    echo: Option<JoinHandle<()>>,
    address: Ipv4Addr,
}

/// What a TCP stream came to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    /// Bits a second.
    pub(super) rate: f64,
    /// Processor time of both ends, user mode and kernel, in seconds for each gigabyte.
    pub(super) processor: f64,
}

/// Datagrams that came back, and others.
#[derive(Clone, Copy, Debug)]
pub(super) struct RoundTrips {
    /// A second.
    pub(super) rate: f64,
    /// Those that did not come back in time.
    pub(super) lost: u32,
}

impl Servers {
    /// Starts them.
    pub(super) fn start(namespace: &Namespace, address: Ipv4Addr) -> Result<Self> {
        let mut command = namespace.command("iperf3");
        let mut iperf = Child::spawn("iperf3", command.args(["--server", "--forceflush"]))?;
        iperf.wait_for_line("Server listening", START_LIMIT)?;
        let socket = namespace.run(|| UdpSocket::bind((address, ECHO_PORT)))??;
        socket.set_read_timeout(Some(WAKE))?;
        let stop = Arc::new(AtomicBool::new(false));
        let echo = thread::spawn({
            let stop = Arc::clone(&stop);
            move || echo(&socket, &stop)
        });
        Ok(Self {
            iperf,
            stop,
            echo: Some(echo),
            address,
        })
    }

    /// Sends as much as can be over TCP from the client to the server.
    pub(super) fn stream(&self, client: &Namespace, seconds: u32) -> Result<Stream> {
        let mut command = client.command("iperf3");
        command.args(["--json", "--time", &seconds.to_string()]);
        command.args(["--client", &self.address.to_string()]);
        let text = testbed::output(&mut command)
            .with_context(|| format!("the server said:\n{}", self.iperf.output()))?;
        let report: Value = serde_json::from_str(&text)?;
        let number = |pointer: &str| {
            let number = report.pointer(pointer).and_then(Value::as_f64);
            number.with_context(|| format!("iperf3 gives no {pointer}: {text}"))
        };
        let percent = number("/end/cpu_utilization_percent/host_total")?
            + number("/end/cpu_utilization_percent/remote_total")?;
        let busy = percent / 100.0 * number("/end/sum_received/seconds")?;
        Ok(Stream {
            rate: number("/end/sum_received/bits_per_second")?,
            processor: busy / (number("/end/sum_received/bytes")? / GIGA),
        })
    }

    /// Sends one datagram after the other, each when the one before has come back.
    pub(super) fn ping_pong(&self, client: &Namespace, seconds: u32) -> Result<RoundTrips> {
        let server = SocketAddr::from((self.address, ECHO_PORT));
        let socket = client.run(|| -> io::Result<UdpSocket> {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            socket.connect(server)?;
            socket.set_read_timeout(Some(LOST))?;
            Ok(socket)
        })??;
        let (start, length) = (Instant::now(), Duration::from_secs(seconds.into()));
        let (mut done, mut lost) = (0_u32, 0_u32);
        let mut payload = [0; PAYLOAD];
        let mut back = [0; PAYLOAD];
        while start.elapsed() < length {
            // What comes back late is not taken for the next one.
            payload[..4].copy_from_slice(&(done + lost).to_be_bytes());
            socket.send(&payload)?;
            loop {
                match socket.recv(&mut back) {
                    Ok(_) if back == payload => done += 1,
                    Ok(_) => continue,
                    Err(error) if is_late(&error) => lost += 1,
                    Err(error) => return Err(error.into()),
                }
                break;
            }
        }
        let rate = f64::from(done) / start.elapsed().as_secs_f64();
        Ok(RoundTrips { rate, lost })
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(echo) = self.echo.take() {
            // A panic of the thread has been printed; a second one here would end the process.
            let _ = echo.join();
        }
    }
}

fn echo(socket: &UdpSocket, stop: &AtomicBool) {
    let mut buffer = [0; PAYLOAD];
    while !stop.load(Ordering::Relaxed) {
        if let Ok((length, client)) = socket.recv_from(&mut buffer) {
            // What can't be sent is missed by the client.
            let _ = socket.send_to(&buffer[..length], client);
        }
    }
}

fn is_late(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}
