//! ajp-status: its figures, and the orders of operators.

mod alerts;
mod failing;
mod figures;
mod hosts;
mod many;
mod orders;
mod orders_kept;
mod page;
mod series;

use test_support::ajp::ScriptedPeer;
use test_support::http::Client;
use test_support::httpd::{Httpd, Setup};
use test_support::manager::NONCE;
use test_support::members::{balancer, named};
use test_support::status::{member, report, with_status};

/// Returns a client in a child of its own.
pub fn client(httpd: &Httpd) -> Client {
    let mut client = httpd.client();
    client.get("/").expect(404);
    client
}

/// A balancer of `a` and `b` with two children, a client in each, and a third child for the page.
pub struct Two {
    pub a: ScriptedPeer,
    pub b: ScriptedPeer,
    pub clients: Vec<Client>,
    pub httpd: Httpd,
}

impl Two {
    /// Starts them.
    pub fn start(setup: Setup) -> Self {
        let (a, b) = (named("a"), named("b"));
        let lines = [(a.port(), "a"), (b.port(), "b")]
            .map(|(port, route)| format!("ajp://127.0.0.1:{port} route={route}"));
        let httpd = with_status(balancer(setup, &lines))
            .conf(&format!("ProxySet balancer://members nonce={NONCE}"))
            .start();
        let clients = (0..2).map(|_| client(&httpd)).collect();
        Self { a, b, clients, httpd }
    }

    /// Returns the member that answers a request with this session, in each of the children.
    pub fn answers(&mut self, session: Option<&str>) -> Vec<String> {
        let cookie = session.map_or(String::new(), |id| format!("Cookie: JSESSIONID={id}\r\n"));
        let ask =
            |client: &mut Client| client.request("GET", "/app/x", &cookie, b"").expect(200).text();
        self.clients.iter_mut().map(ask).collect()
    }

    /// Returns the activation of the member at this port.
    pub fn activation(&self, port: u16) -> String {
        let report = report(&self.httpd);
        member(&report, &format!(":{port}"))["activation"].as_str().expect("a word").to_owned()
    }
}
