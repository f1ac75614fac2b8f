//! Two things at the same moment, one of which must not happen.

use std::{thread, time::Duration};

use diesel::{Connection, SqliteConnection, connection::SimpleConnection};
use serde_json::json;

use crate::support::platform::Stand;

/// A login that is under way while its key is revoked gains nothing: either it is refused, or its tokens
/// are. The database is held up, so that the revocation comes in the middle of the login.
#[test]
fn a_login_that_overlaps_a_revocation_gains_nothing() {
    let platform = Stand::Alone.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let hub = &platform.hub;
    let file = hub.data_dir().join("hub.db").display().to_string();
    let mut held = SqliteConnection::establish(&file).unwrap();
    held.batch_execute("PRAGMA busy_timeout = 5000; BEGIN IMMEDIATE").unwrap();

    let body = json!({ "apiKey": orchestrator.key, "apiSecret": orchestrator.secret });
    let credential = format!("/api/admin/credentials/{}", orchestrator.credential);
    let login = thread::scope(|scope| {
        let login = scope.spawn(|| hub.call("POST", "/api/daemon/auth").json(&body).send());
        // Nothing outside shows how far the login is; if it is not far enough, the test holds all the same.
        thread::sleep(Duration::from_millis(200));
        let revoked = scope.spawn(|| hub.call("DELETE", &credential).operator().send());
        thread::sleep(Duration::from_millis(200));
        held.batch_execute("ROLLBACK").unwrap();
        assert_eq!(revoked.join().unwrap().status, 200);
        login.join().unwrap()
    });

    if login.status == 200 {
        let tokens = login.json();
        let access = tokens["accessToken"].as_str().unwrap();
        hub.call("GET", "/api/daemon").bearer(access).refused(401, "UNAUTHORIZED");
        let refresh = json!({ "refreshToken": tokens["refreshToken"] });
        hub.call("POST", "/api/daemon/auth/refresh").json(&refresh).refused(401, "TOKEN_REVOKED");
    } else {
        assert_eq!(login.status, 403, "{login:?}");
    }
}
