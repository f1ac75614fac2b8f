//! Looking for receipts where there are many of them.

use neolith_hub::{
    backplane::trail::{Among, EventTrail, Receipts},
    domain::ids::OrganizationId,
};

use super::Redis;
use crate::backplane_contract::{Harness, fixtures::id};

/// Gives `ARGV[1]` organizations a receipt of the event `sought` each, and then `ARGV[2]` of another one.
const FILL: &str = "for number = 1, ARGV[1] do
  local name = 'org_' .. number
  redis.call('SADD', 'hub:receipts', name)
  for entry = 0, ARGV[2] do
    redis.call('XADD', 'hub:receipts:' .. name, '*', 'event', entry == 0 and 'sought' or 'other',
      'orchestrator', 'vp_1', 'outcome', 'acknowledged', 'at', '1700000000000')
  end
end";

async fn with_receipts(organizations: &str, others: &str) -> Redis {
    let hub = Redis::start().await;
    let _: () = hub.run(&["EVAL", FILL, "0", organizations, others]);
    hub
}

async fn look(hub: &Redis, among: Among<'_>) -> Receipts {
    hub.backplane.receipts(&id("sought"), among).await.expect("readable")
}

#[tokio::test]
async fn the_receipts_of_many_organizations_are_all_looked_through() {
    let hub = with_receipts("450", "2").await;
    let _: () = hub.run(&["SET", "hub:receipts:of_somebody_else", "x"]);
    let _: usize = hub.run(&["SADD", "hub:receipts", "of_somebody_else"]);
    let all = look(&hub, Among::Everybody { first: None }).await;
    assert_eq!((all.found.len(), all.truncated), (450, false));
}

#[tokio::test]
async fn a_look_that_was_given_up_says_so() {
    let hub = with_receipts("220", "1000").await;
    let all = look(&hub, Among::Everybody { first: None }).await;
    assert_eq!((all.found.len(), all.truncated), (0, true));
    let seventh = OrganizationId::parse("org_7").expect("an id");
    let first = look(&hub, Among::Everybody { first: Some(&seventh) }).await;
    assert_eq!((first.found.len(), first.truncated), (1, true), "one comes before all others");
    let own = look(&hub, Among::Organization(&seventh)).await;
    assert_eq!((own.found, own.truncated), (first.found, false));
}
