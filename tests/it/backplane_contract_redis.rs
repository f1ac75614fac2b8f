//! The suite of [`super::backplane_contract`] against Redis.
#![cfg(test)]

use neolith_hub::{backplane::redis::RedisBackplane, domain::clock::Timestamp};

use crate::{
    backplane_contract::{Harness, contract_tests},
    support::redis::RedisServer,
};

/// A backplane on a server of its own.
struct Redis {
    backplane: RedisBackplane,
    server: RedisServer,
}

impl Harness for Redis {
    type Backplane = RedisBackplane;

    async fn start() -> Self {
        let server = RedisServer::start();
        let backplane = RedisBackplane::connect(&server.url()).expect("a URL");
        Self { backplane, server }
    }

    fn backplane(&self) -> &RedisBackplane {
        &self.backplane
    }

    async fn revoke(&self, jti: &str, until: Timestamp) {
        let client = ::redis::Client::open(self.server.url()).expect("a URL");
        let mut connection = client.get_multiplexed_async_connection().await.expect("connected");
        let mut set = ::redis::cmd("SET");
        set.arg(format!("daemon:tokens:revoked:{jti}")).arg("1").arg("PXAT").arg(until.0);
        set.exec_async(&mut connection).await.expect("revoked");
    }
}

contract_tests!(Redis);
