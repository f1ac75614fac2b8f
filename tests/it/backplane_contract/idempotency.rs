//! A request that is sent twice takes effect once.

use std::time::Duration;

use neolith_hub::backplane::idempotency::{Idempotency, KeyedRequest, Known};

use super::{Harness, fixtures::*};

fn request(key: &str, content: &str, claim: &str) -> KeyedRequest {
    KeyedRequest { key: key.to_owned(), content: content.to_owned(), claim: claim.to_owned() }
}

pub(crate) async fn a_key_is_claimed_once<H: Harness>(_: &H, backplane: &H::Backplane) {
    assert_eq!(backplane.begin(&request("k", "a", "1"), now()).await, Ok(Known::Claimed));
    assert_eq!(backplane.begin(&request("k", "a", "2"), now()).await, Ok(Known::UnderWay));
    assert_eq!(backplane.begin(&request("k", "b", "3"), now()).await, Ok(Known::OtherContent));
    assert_eq!(backplane.begin(&request("other", "a", "4"), now()).await, Ok(Known::Claimed));
}

pub(crate) async fn an_answer_is_given_again<H: Harness>(_: &H, backplane: &H::Backplane) {
    let first = request("k", "a", "1");
    backplane.begin(&first, now()).await.expect("claimed");
    backplane.finish(&first, &"{}".into(), now()).await.expect("remembered");
    let answered = Known::Answered("{}".into());
    assert_eq!(backplane.begin(&request("k", "a", "2"), now()).await, Ok(answered));
    assert_eq!(backplane.begin(&request("k", "b", "3"), now()).await, Ok(Known::OtherContent));
}

pub(crate) async fn a_key_that_was_given_back_is_free<H: Harness>(_: &H, backplane: &H::Backplane) {
    let first = request("k", "a", "1");
    backplane.begin(&first, now()).await.expect("claimed");
    backplane.abandon(&first).await.expect("given back");
    assert_eq!(backplane.begin(&request("k", "b", "2"), now()).await, Ok(Known::Claimed));
    let late = backplane.finish(&first, &"{}".into(), now().plus(Duration::from_secs(1))).await;
    late.expect("ignored");
    backplane.abandon(&first).await.expect("ignored");
    assert_eq!(backplane.begin(&request("k", "b", "3"), now()).await, Ok(Known::UnderWay));
}
