//! `--admin-listen`: health and metrics on an address of their own.

use fanfare::BroadcastOptions;

use crate::support::{Running, UPGRADE, ask_once};

#[test]
fn with_an_admin_listener_health_and_metrics_are_there_and_nothing_else_is() {
    let server = Running::broadcast_with(BroadcastOptions::default(), |builder| {
        builder.admin_listen("127.0.0.1:0")
    });
    let (public, admin) = (server.address, server.admin.unwrap());
    let status =
        |address, line: &str, headers: &[&str]| ask_once(address, line, headers, "").status;
    for path in ["/-/healthz", "/-/readyz", "/-/metrics"] {
        assert_eq!(status(admin, &format!("GET {path}"), &[]), 200, "{path}");
        assert_eq!(status(public, &format!("GET {path}"), &[]), 404, "{path}");
    }
    // As a scraper on another machine is seen through a proxy.
    assert_eq!(status(admin, "GET /-/metrics", &["X-Forwarded-For: 192.0.2.1"]), 200);
    for line in ["GET /", "GET /news", "POST /news"] {
        assert_eq!(status(admin, line, &[]), 404, "{line}");
        assert_ne!(status(public, line, &[]), 404, "{line}");
    }
    assert_eq!(status(admin, "GET /news", &UPGRADE), 404);
}
