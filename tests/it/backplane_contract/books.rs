//! Checking the books of many orchestrators.

use std::collections::BTreeSet;

use neolith_hub::backplane::{
    books::{AwaitedPage, Books},
    inspection::Ledger,
};

use super::{Harness, fixtures::*};

pub(crate) async fn the_books_of_many_are_read_in_turn<H: Harness>(_: &H, backplane: &H::Backplane) {
    commit_at(backplane, "vp_1", now(), |group| {
        group.stores = vec![event("a", now()), event("b", now())];
        group.acks = vec![ack("a")];
    })
    .await;
    commit_at(backplane, "vp_2", now(), |group| group.completed = vec![ack("c")]).await;
    let audited = backplane.audit(&["vp_2", "nobody", "vp_1"].map(orchestrator)).await.expect("readable");
    let of_vp_1 = Ledger { accepted: 2, acknowledged: 1, queued: 1, ..Ledger::default() };
    let of_vp_2 = Ledger { accepted: 1, acknowledged: 1, ..Ledger::default() };
    assert_eq!(audited, [of_vp_2, Ledger::default(), of_vp_1]);
    assert!(audited.iter().all(|books| books.imbalance() == 0));
    assert_eq!(backplane.audit(&[]).await, Ok(Vec::new()));
}

pub(crate) async fn everybody_who_is_awaited_is_on_a_page<H: Harness>(_: &H, backplane: &H::Backplane) {
    assert_eq!(backplane.awaited(None, 10).await, Ok(AwaitedPage::default()));
    let names: BTreeSet<String> = (0..250).map(|number| format!("vp_{number:03}")).collect();
    for name in &names {
        commit_at(backplane, name, now(), |group| group.stores = vec![event("a", now())]).await;
    }
    let (mut seen, mut after) = (BTreeSet::new(), None);
    loop {
        let page = backplane.awaited(after.as_deref(), 50).await.expect("readable");
        seen.extend(page.orchestrators.iter().map(ToString::to_string));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, names);
}
