//! The directives `prometheus`, `health` and `ready`: here one HTTP address has all three pages.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{
    account::Fate, corefile::Directive, duration::seconds, flags::Flags, overview::Overview,
    translate::Plugin,
};

/// The longest that --lameduck takes, in seconds.
const LONGEST: u32 = 300;

/// One of the three lines.
pub(super) struct Endpoint<'a> {
    pub(super) overview: &'a Overview,
    pub(super) flags: &'a mut Flags,
}

impl Plugin for Endpoint<'_> {
    fn option(&mut self, option: &Directive) -> Fate {
        match (option.name.as_str(), option.arguments.as_slice()) {
            ("lameduck", [duration]) => match seconds(duration) {
                None => Fate::missing("CoreDNS takes a duration here, such as 5s"),
                Some(seconds) if seconds > LONGEST => {
                    Fate::Missing(format!("--lameduck is {LONGEST} seconds at most"))
                }
                Some(seconds) => self
                    .flags
                    .set("--lameduck", &seconds.to_string(), &option.place),
            },
            ("monitor", _) => Fate::missing("/readyz stays good once everything is listed"),
            _ => Fate::missing("not an option that kxdns knows"),
        }
    }

    fn directive(&mut self, directive: &Directive) -> Fate {
        let own = match address(directive) {
            Ok(own) => own,
            Err(problem) => return Fate::Missing(problem),
        };
        let shared = self.overview.http.unwrap_or(own);
        let fate = self
            .flags
            .set("--metrics-listen", &shared.to_string(), &directive.place);
        let page = match directive.name.as_str() {
            "health" => "/healthz",
            "ready" => "/readyz",
            _ if own == shared => return fate,
            _ => {
                return Fate::Missing(format!("metrics are served at one address, here {shared}"));
            }
        };
        match fate {
            Fate::Carried(flag) => Fate::Carried(format!(
                "{flag}, where the page is {page}: change the probe"
            )),
            fate => fate,
        }
    }
}

/// The address that one of the three lines asks for.
pub(super) fn address(directive: &Directive) -> Result<SocketAddr, String> {
    let usual = match directive.name.as_str() {
        "health" => ":8080",
        "ready" => ":8181",
        _ => "localhost:9153",
    };
    let text = directive.arguments.first().map_or(usual, String::as_str);
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let problem = || format!("`{text}` is not an address with a port, such as 0.0.0.0:9153");
    let (host, port) = text.rsplit_once(':').ok_or_else(problem)?;
    let ip = match host {
        "" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        _ => return Err(problem()),
    };
    let port = port.parse().map_err(|_| problem())?;
    Ok(SocketAddr::new(ip, port))
}
