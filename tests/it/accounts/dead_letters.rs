//! Events that were given up, as the database keeps them.

use neolith_hub::{
    domain::{
        attempt::{Attempt, Ended},
        clock::Timestamp,
        ids::{ConnectionId, DaemonId},
    },
    store::accounts::{
        dead_letter_changes::{MAX_PER_ORCHESTRATOR, NewDeadLetter},
        dead_letters::{DeadLetter, DeadLetterFilter},
        page::PageRequest,
    },
};

use super::support::{World, at, first_page, on_both_engines, scope};

fn letter(key: &str, orchestrator: &str, millis: i64) -> NewDeadLetter {
    NewDeadLetter {
        key: key.to_owned(),
        orchestrator_id: orchestrator.to_owned(),
        organization_id: None,
        event_id: format!("evt_{key}"),
        event_type: Some("message.received".to_owned()),
        reason: "max_attempts".to_owned(),
        attempts: 10,
        daemon_id: Some("d1".to_owned()),
        history: Vec::new(),
        body: format!(r#"{{"id":"evt_{key}"}}"#).into_bytes(),
        died_at: at(millis),
    }
}

fn all(world: &World) -> Vec<DeadLetter> {
    world.database.dead_letters(&DeadLetterFilter::default(), None, &first_page()).unwrap().items
}

fn events(letters: &[DeadLetter]) -> Vec<&str> {
    letters.iter().map(|letter| letter.event_id.as_str()).collect()
}

fn a_letter_that_is_filed_twice_is_there_once(world: &World) {
    let file = |keys: &[&str]| {
        let letters: Vec<NewDeadLetter> = keys.iter().map(|key| letter(key, "vp_1", 1)).collect();
        world.database.file_dead_letters(&letters).unwrap()
    };
    assert_eq!(file(&["a", "b"]), 2);
    assert_eq!(file(&["a", "b", "c"]), 1);
    assert_eq!(events(&all(world)), ["evt_c", "evt_b", "evt_a"], "newest first, in the order of filing");
}

fn everything_about_a_letter_is_kept(world: &World) {
    let tried = Attempt {
        attempt: 3,
        sent_at: at(1),
        daemon_id: DaemonId::parse("d1").unwrap(),
        connection_id: ConnectionId::random(),
        outcome: Ended::Refused,
        reason: Some("bad\0news".into()),
    };
    let new = NewDeadLetter { history: vec![tried.clone()], ..letter("a", "vp_1", 5) };
    let unreadable = NewDeadLetter {
        event_type: None,
        body: b"\xff\0no JSON".to_vec(),
        reason: "unreadable".to_owned(),
        ..letter("b", "vp_1", 6)
    };
    world.database.file_dead_letters(&[new, unreadable]).unwrap();
    let [second, first] = &all(world)[..] else { panic!("two letters") };
    let kept = world.database.dead_letter(&first.id, None).unwrap().unwrap();
    assert_eq!((&kept.letter, &kept.history[..]), (first, &[tried][..]));
    assert_eq!(kept.body, r#"{"id":"evt_a"}"#);
    assert_eq!((first.attempts, first.daemon_id.as_deref(), first.died_at), (10, Some("d1"), at(5)));
    let kept = world.database.dead_letter(&second.id, None).unwrap().unwrap();
    assert_eq!(kept.body, "\u{FFFD}\u{FFFD}no JSON", "whatever it was");
}

fn letters_are_found_by_whose_they_are_and_why(world: &World) {
    world.orchestrator("a", "org_1");
    let named = NewDeadLetter { organization_id: Some("org_2".to_owned()), ..letter("named", "vp_x", 2) };
    let other = NewDeadLetter { reason: "rejected".to_owned(), ..letter("other", "vp_a", 3) };
    let letters = [letter("own", "vp_a", 1), named, other, letter("nobodys", "vp_y", 4)];
    world.database.file_dead_letters(&letters).unwrap();
    let listed = |filter: DeadLetterFilter, tenant: Option<&str>| {
        let tenant = tenant.map(scope);
        let page = world.database.dead_letters(&filter, tenant.as_ref(), &first_page()).unwrap();
        page.items.into_iter().map(|letter| letter.event_id).collect::<Vec<_>>()
    };
    let any = DeadLetterFilter::default;
    assert_eq!(listed(any(), Some("org_1")), ["evt_other", "evt_own"], "by the orchestrator's account");
    assert_eq!(listed(any(), Some("org_2")), ["evt_named"], "by its own word");
    let of = |name: &str| DeadLetterFilter { orchestrator: Some(name.to_owned()), ..any() };
    assert_eq!(listed(of("vp_a"), None), ["evt_other", "evt_own"]);
    assert_eq!(listed(of("vp_a"), Some("org_2")), Vec::<String>::new());
    let reason = DeadLetterFilter { reason: Some("rejected".to_owned()), ..any() };
    assert_eq!(listed(reason, None), ["evt_other"]);
    let organization = DeadLetterFilter { organization: Some("org_2".to_owned()), ..any() };
    assert_eq!(listed(organization, None), ["evt_named"]);

    let request = PageRequest::new(3, None);
    let page = world.database.dead_letters(&any(), None, &request).unwrap();
    let rest = PageRequest::new(3, page.next);
    assert_eq!(events(&world.database.dead_letters(&any(), None, &rest).unwrap().items), ["evt_own"]);
    let of_event = |tenant: Option<&str>| {
        let tenant = tenant.map(scope);
        world.database.dead_letters_of_event("evt_own", None, tenant.as_ref()).unwrap().len()
    };
    assert_eq!((of_event(None), of_event(Some("org_1")), of_event(Some("org_2"))), (1, 1, 0));
}

fn a_letter_is_put_back_once_and_deleted_by_who_may(world: &World) {
    world.orchestrator("a", "org_1");
    world.database.file_dead_letters(&[letter("x", "vp_a", 1), letter("y", "vp_a", 2)]).unwrap();
    let waiting = || world.database.redrivable("vp_a", None, Some(&scope("org_1"))).unwrap();
    let [first, second] = &waiting()[..] else { panic!("two letters") };
    assert_eq!(world.database.redrivable("vp_a", None, Some(&scope("org_2"))).unwrap().len(), 0);
    assert_eq!(world.database.redrivable("vp_a", Some("rejected"), None).unwrap().len(), 0);
    let mark = |millis| world.database.mark_redriven(std::slice::from_ref(first), at(millis)).unwrap();
    assert_eq!((mark(5), mark(6)), (1, 0), "the first time counts");
    assert_eq!(waiting(), std::slice::from_ref(second), "oldest first");
    let kept = world.database.dead_letter(first, None).unwrap().unwrap();
    assert_eq!(kept.letter.redriven_at, Some(at(5)));
    let redriven = |redriven| DeadLetterFilter { redriven: Some(redriven), ..Default::default() };
    let listed = world.database.dead_letters(&redriven(true), None, &first_page()).unwrap();
    assert_eq!(events(&listed.items), ["evt_x"]);

    let delete = |tenant: &str| world.database.delete_dead_letter(first, Some(&scope(tenant))).unwrap();
    assert_eq!(delete("org_2"), None);
    assert_eq!(delete("org_1").map(|letter| letter.event_id).as_deref(), Some("evt_x"));
    assert_eq!(delete("org_1"), None);
}

fn the_oldest_letters_make_room(world: &World) {
    let many = MAX_PER_ORCHESTRATOR + 3;
    let letters: Vec<NewDeadLetter> = (0..many).map(|n| letter(&n.to_string(), "vp_1", n / 2)).collect();
    world.database.file_dead_letters(&[letter("other", "vp_2", 0)]).unwrap();
    world.database.file_dead_letters(&letters).unwrap();
    let left = world.database.redrivable("vp_1", None, None).unwrap();
    assert_eq!(i64::try_from(left.len()).unwrap(), MAX_PER_ORCHESTRATOR);
    let oldest = world.database.dead_letter(&left[0], None).unwrap().unwrap();
    assert_eq!(oldest.letter.event_id, "evt_3", "the first three are gone");
    assert_eq!(world.database.redrivable("vp_2", None, None).unwrap().len(), 1);
}

fn letters_go_with_time_and_with_their_owners(world: &World) {
    world.orchestrator("a", "org_1");
    world.orchestrator("b", "org_1");
    let letters = ["a", "b"].map(|name| letter(name, &format!("vp_{name}"), 10));
    world.database.file_dead_letters(&letters).unwrap();
    world.database.file_dead_letters(&[letter("old", "vp_x", 1), letter("new", "vp_x", 20)]).unwrap();
    let forgotten = |before: Timestamp| world.database.forget_dead_letters(before).unwrap();
    assert_eq!((forgotten(at(1)), forgotten(at(2))), (0, 1));
    assert!(world.database.delete_orchestrator("vp_a", None, at(30)).unwrap());
    assert_eq!(events(&all(world)), ["evt_new", "evt_b"]);
    assert!(world.database.delete_organization("org_1", None).unwrap());
    assert_eq!(events(&all(world)), ["evt_new"]);
}

on_both_engines!(
    a_letter_that_is_filed_twice_is_there_once,
    everything_about_a_letter_is_kept,
    letters_are_found_by_whose_they_are_and_why,
    a_letter_is_put_back_once_and_deleted_by_who_may,
    the_oldest_letters_make_room,
    letters_go_with_time_and_with_their_owners,
);
