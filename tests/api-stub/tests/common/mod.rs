//! A client for tests: one request per connection, read to its end, nothing in between.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// An answer as it came over the wire.
#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|why| panic!("{why}: {}", self.body))
    }

    /// Code, reason and message of a refusal.
    pub fn refusal(&self) -> (u16, String, String) {
        let status = self.json();
        assert_eq!(
            (&status["kind"], &status["status"]),
            (&"Status".into(), &"Failure".into()),
            "{}",
            self.body
        );
        assert_eq!(status["code"], self.code, "{}", self.body);
        let text = |name: &str| status[name].as_str().unwrap_or_default().to_owned();
        (self.code, text("reason"), text("message"))
    }
}

fn open(address: SocketAddr, request: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(address).expect("connects");
    stream
        .set_read_timeout(Some(Duration::from_mins(1)))
        .unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    BufReader::new(stream)
}

/// Sends a request; HTTP/1.0, so that bodies come as they are.
pub fn send(address: SocketAddr, method: &str, target: &str, headers: &str, body: &str) -> Answer {
    let length = body.len();
    let request =
        format!("{method} {target} HTTP/1.0\r\nContent-Length: {length}\r\n{headers}\r\n{body}");
    let mut whole = String::new();
    open(address, &request).read_to_string(&mut whole).unwrap();
    let (head, body) = whole
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no HTTP answer: {whole}"));
    let code = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer {
        code,
        head: head.to_lowercase(),
        body: body.to_owned(),
    }
}

pub fn get(address: SocketAddr, target: &str) -> Answer {
    send(address, "GET", target, "", "")
}

/// An open watch.
pub struct Watch(BufReader<TcpStream>);

impl Watch {
    pub fn open(address: SocketAddr, target: &str) -> Self {
        let mut stream = open(address, &format!("GET {target} HTTP/1.0\r\n\r\n"));
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(
                stream.read_line(&mut head).unwrap() > 0,
                "no HTTP answer: {head}"
            );
        }
        assert!(head.contains(" 200 "), "{head}");
        Self(stream)
    }

    /// The next event; `None` when the stream has ended.
    pub fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        let read = self.0.read_line(&mut line).unwrap_or(0);
        (read > 0)
            .then(|| serde_json::from_str(&line).unwrap_or_else(|why| panic!("{why}: {line}")))
    }

    /// The next event as `TYPE name`.
    pub fn told(&mut self) -> String {
        let event = self.next().expect("an event");
        let object = &event["object"];
        let about = if object["kind"] == "Status" {
            &object["code"]
        } else {
            &object["metadata"]["name"]
        };
        let about = about
            .as_str()
            .map_or_else(|| about.to_string(), str::to_owned);
        format!("{} {about}", event["type"].as_str().unwrap())
    }
}
