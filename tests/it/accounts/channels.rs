//! Channels and messages.

use std::thread;

use neolith_hub::store::{
    StoreError,
    accounts::{
        channel_changes::{ChannelChanges, NewChannel},
        channels::{ChannelFilter, Who},
        members::Joined,
        messages::{Message, NewMessage},
        page::Cursor,
    },
};
use serde_json::json;

use super::support::{World, at, first_page, on_both_engines, scope};

on_both_engines!(
    one_of_many_joins_at_once_succeeds,
    a_member_that_left_is_none_and_may_return,
    the_own_channels_are_described,
    messages_come_in_pages,
    a_message_answers_one_of_its_own_channel,
    a_message_concerns_the_other_members,
    messages_are_announced_once,
    an_orchestrator_catches_up_on_others,
    channels_are_changed_and_listed,
);

fn post(world: &World, author: &str, content: &str, millis: i64) -> Message {
    let new = NewMessage {
        author_id: author.to_owned(),
        channel_id: "ch_1".to_owned(),
        content: content.to_owned(),
        ..Default::default()
    };
    world.database.post_message(new, at(millis)).unwrap()
}

fn ids(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.id.as_str()).collect()
}

fn one_of_many_joins_at_once_succeeds(world: &World) {
    world.orchestrator("a", "org_1");
    let joined: Vec<_> = thread::scope(|threads| {
        let join = || world.database.join("user_a", "ch_1", at(20)).unwrap();
        let threads: Vec<_> = (0..8).map(|_| threads.spawn(join)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(joined.iter().filter(|outcome| **outcome == Joined::Joined).count(), 1);
    assert_eq!(world.database.join("user_a", "none", at(20)), Err(StoreError::Missing("channel")));
}

fn a_member_that_left_is_none_and_may_return(world: &World) {
    let database = &world.database;
    let id = world.orchestrator("a", "org_1");
    database.join("user_a", "ch_1", at(20)).unwrap();
    let membership = database.membership(Who::Orchestrator(&id), "ch_1").unwrap().unwrap();
    assert_eq!((membership.role.as_str(), membership.joined_at), ("MEMBER", at(20)));
    assert_eq!(database.leave("user_a", "ch_1", at(21)), Ok(true));
    assert_eq!(database.leave("user_a", "ch_1", at(21)), Ok(false));
    assert_eq!(database.membership(Who::User("user_a"), "ch_1"), Ok(None));
    assert_eq!(database.channels_of(&id), Ok(Vec::new()));
    assert_eq!(database.join("user_a", "ch_1", at(22)), Ok(Joined::Joined));
    assert!(database.membership(Who::User("user_a"), "ch_1").unwrap().is_some());
    // Tables that were filled by others may say what must not be.
    database.join("user_a", "ch_2", at(23)).unwrap();
    assert_eq!(database.membership(Who::Orchestrator(&id), "ch_2"), Ok(None));
    assert_eq!(database.channels_of(&id).unwrap().len(), 1);
}

fn the_own_channels_are_described(world: &World) {
    let id = world.orchestrator("a", "org_1");
    world.orchestrator("b", "org_1");
    for user in ["user_a", "user_b"] {
        world.database.join(user, "ch_1", at(20)).unwrap();
    }
    post(world, "user_b", "hello", 30);
    let channels = serde_json::to_value(world.database.channels_of(&id).unwrap()).unwrap();
    assert_eq!(
        channels,
        json!([{
            "id": "ch_1", "name": "General", "description": null, "type": "PUBLIC", "isPrivate": false,
            "isArchived": false, "workspace": {"id": "ws_1", "name": "Main", "slug": "main"},
            "memberCount": 2, "messageCount": 1, "membership": {"role": "MEMBER"},
            "createdAt": at(1).to_string(), "updatedAt": at(30).to_string(),
        }])
    );
    let channel = world.database.channel_for_join("ch_1").unwrap().unwrap();
    assert_eq!((channel.kind.as_str(), channel.organization_id.as_str()), ("PUBLIC", "org_1"));
    assert_eq!(world.database.channel_for_join("none"), Ok(None));
}

fn messages_come_in_pages(world: &World) {
    let database = &world.database;
    world.orchestrator("a", "org_1");
    // Two share each moment: the order is the one of writing all the same.
    let posted: Vec<Message> = (0..7).map(|n| post(world, "user_a", "text", 30 + n / 2)).collect();
    let posted = ids(&posted);
    let page = |before: Option<&str>, after: Option<&str>, limit: i64| {
        let found = database.message_page("ch_1", before, after, limit).unwrap();
        found.into_iter().map(|message| message.id).collect::<Vec<_>>()
    };
    assert_eq!(page(None, None, 3), posted[4..]);
    assert_eq!(page(Some(posted[4]), None, 3), posted[1..4]);
    assert_eq!(page(None, Some(posted[1]), 3), posted[2..5], "the oldest after it");
    assert_eq!(page(Some(posted[5]), Some(posted[0]), 3), posted[2..5], "the newest of those between");
    assert_eq!(page(Some("unknown"), None, 100), posted);
    assert_eq!(database.message_page("ch_2", None, None, 100), Ok(Vec::new()));
    world.sql(&format!("UPDATE messages SET is_deleted = TRUE WHERE id = '{}'", posted[6]));
    assert_eq!(page(None, None, 2), posted[4..6], "deleted ones are gone");
    assert_eq!(database.message(posted[6]), Ok(None));
    assert_eq!(database.message(posted[5]).unwrap().unwrap().author.name, "a");
}

fn a_message_answers_one_of_its_own_channel(world: &World) {
    world.orchestrator("a", "org_1");
    let first = post(world, "user_a", "first", 30);
    let answer = |channel: &str, parent: &str| NewMessage {
        author_id: "user_a".to_owned(),
        channel_id: channel.to_owned(),
        content: "answer".to_owned(),
        parent_id: Some(parent.to_owned()),
        metadata: Some(json!({"attachmentRefs": []})),
    };
    let answered = world.database.post_message(answer("ch_1", &first.id), at(31)).unwrap();
    assert_eq!(answered.parent_id.as_deref(), Some(first.id.as_str()));
    assert_eq!(answered.metadata, json!({"attachmentRefs": []}));
    let problem = |new| world.database.post_message(new, at(32)).unwrap_err();
    assert_eq!(problem(answer("ch_2", &first.id)), StoreError::Missing("parent"));
    assert_eq!(problem(answer("ch_1", "none")), StoreError::Missing("parent"));
    assert_eq!(problem(answer("none", &first.id)), StoreError::Missing("channel"));
    let strange = NewMessage { author_id: "nobody".to_owned(), parent_id: None, ..answer("ch_1", "") };
    assert_eq!(problem(strange), StoreError::Missing("user"));
    let updated = world.database.channel("ch_1", None).unwrap().unwrap().updated_at;
    assert_eq!(updated, at(31), "what failed left no trace");
}

fn a_message_concerns_the_other_members(world: &World) {
    let database = &world.database;
    for (name, organization) in
        [("a", "org_1"), ("b", "org_1"), ("c", "org_1"), ("d", "org_1"), ("e", "org_2")]
    {
        world.orchestrator(name, organization);
        database.join(&format!("user_{name}"), "ch_1", at(20)).unwrap();
    }
    database.leave("user_c", "ch_1", at(21)).unwrap();
    database.set_orchestrator_disabled("vp_d", true, None, at(21)).unwrap();
    let message = post(world, "user_a", "hello", 30);
    let recipients = database.recipients(&message).unwrap();
    let named: Vec<_> = recipients.iter().map(|one| (&*one.orchestrator_id, &*one.organization_id)).collect();
    assert_eq!(named, [("vp_b", "org_1")]);
}

fn messages_are_announced_once(world: &World) {
    let database = &world.database;
    world.orchestrator("a", "org_1");
    let (old, new) = (post(world, "user_a", "old", 30), post(world, "user_a", "new", 40));
    assert_eq!(ids(&database.unannounced(at(40), None, 10).unwrap()), [old.id.as_str()]);
    assert_eq!(database.mark_announced(&old.id), Ok(true));
    assert_eq!(database.mark_announced(&old.id), Ok(false));
    assert_eq!(ids(&database.unannounced(at(99), None, 10).unwrap()), [new.id.as_str()]);
}

fn an_orchestrator_catches_up_on_others(world: &World) {
    let database = &world.database;
    let (a, c) = (world.orchestrator("a", "org_1"), world.orchestrator("c", "org_1"));
    world.orchestrator("b", "org_1");
    database.join("user_a", "ch_1", at(20)).unwrap();
    for n in 0..5 {
        post(world, "user_a", "own", 30 + n);
    }
    let one = post(world, "user_b", "hello @user_c", 40);
    let two = post(world, "user_b", "100% @USER_C", 40);
    let found = |since, after: Option<&Cursor>, limit| -> Vec<String> {
        let found = database.messages_since(&a, at(since), after, limit).unwrap();
        assert!(found.iter().all(|message| message.channel_name == "General"));
        found.into_iter().map(|found| found.message.id).collect()
    };
    assert_eq!(found(0, None, 2), [&*one.id, &*two.id], "own ones do not use up the limit");
    assert_eq!(found(40, None, 2), Vec::<String>::new());
    let after = Cursor { at: at(40), id: one.id.clone() };
    assert_eq!(found(0, Some(&after), 2), [&*two.id]);
    assert_eq!(database.messages_since(&c, at(0), None, 9), Ok(Vec::new()), "it is in no channel");
    let mentions = database.mentions_since(&c, at(0), 9).unwrap();
    assert_eq!(mentions.iter().map(|found| &*found.message.id).collect::<Vec<_>>(), [&*one.id]);
    assert_eq!(database.mentions_since(&a, at(0), 9), Ok(Vec::new()));
}

fn channels_are_changed_and_listed(world: &World) {
    let database = &world.database;
    let own = scope("org_1");
    let new = NewChannel {
        workspace_id: "ws_1".to_owned(),
        name: "Board".to_owned(),
        slug: "board".to_owned(),
        kind: Some("PRIVATE".to_owned()),
        ..Default::default()
    };
    let abroad = NewChannel { workspace_id: "ws_2".to_owned(), ..new.clone() };
    let problem = database.create_channel(abroad, Some(&own), at(40));
    assert_eq!(problem, Err(StoreError::Missing("workspace")));
    let board = database.create_channel(new.clone(), Some(&own), at(40)).unwrap();
    assert_eq!(database.create_channel(new, None, at(41)), Err(StoreError::Conflict("slug".to_owned())));
    let archive = ChannelChanges { is_archived: Some(true), ..Default::default() };
    assert!(database.update_channel(&board.id, archive, Some(&own), at(42)).unwrap().unwrap().is_archived);
    let list = |filter: ChannelFilter| database.channels(&filter, Some(&own), &first_page()).unwrap().items;
    assert_eq!(list(ChannelFilter::default()).len(), 2);
    assert_eq!(list(ChannelFilter { kind: Some("PRIVATE".to_owned()), ..Default::default() }).len(), 1);
    assert_eq!(list(ChannelFilter { archived: Some(false), ..Default::default() }).len(), 1);
    assert_eq!(list(ChannelFilter { workspace: Some("ws_2".to_owned()), ..Default::default() }), []);
    assert_eq!(database.delete_channel(&board.id, Some(&own)), Ok(true));
}
