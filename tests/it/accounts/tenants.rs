//! Organizations, workspaces, users, orchestrators and members, and that tenants do not see each other.

use neolith_hub::store::{
    StoreError,
    accounts::{
        members::{Group, Joined},
        orchestrator_changes::{Face, NewOrchestrator, OrchestratorChanges},
        orchestrators::OrchestratorFilter,
        organizations::{NewOrganization, OrganizationChanges, OrganizationFilter},
        page::{Cursor, PageRequest},
        users::{NewUser, UserChanges, UserFilter},
        workspaces::{NewWorkspace, WorkspaceChanges, WorkspaceFilter},
    },
};
use serde_json::json;

use super::support::{World, at, first_page, on_both_engines, scope};

on_both_engines!(
    a_taken_value_is_named,
    what_is_referred_to_must_exist,
    changes_are_partial,
    pages_meet_without_gap_or_overlap,
    lists_are_filtered,
    tenants_do_not_see_each_other,
    legacy_keys_stay_out_of_sight_and_survive_changes,
    what_belongs_to_a_deleted_organization_goes_with_it,
    a_deleted_orchestrator_leaves_its_words,
    members_come_once_and_go,
    a_status_is_changed_once,
);

fn organization(slug: &str) -> NewOrganization {
    NewOrganization { name: slug.to_uppercase(), slug: slug.to_owned(), ..Default::default() }
}

fn a_taken_value_is_named(world: &World) {
    let database = &world.database;
    let conflict = |field: &str| StoreError::Conflict(field.to_owned());
    assert_eq!(database.create_organization(organization("org-1"), at(0)), Err(conflict("slug")));
    let same_id = NewOrganization { id: Some("org_1".to_owned()), ..organization("free") };
    assert_eq!(database.create_organization(same_id, at(0)), Err(conflict("id")));
    let change = OrganizationChanges { slug: Some("org-2".to_owned()), ..Default::default() };
    assert_eq!(database.update_organization("org_1", change, None, at(0)), Err(conflict("slug")));
    let workspace = |organization: &str| NewWorkspace {
        organization_id: organization.to_owned(),
        slug: "main".to_owned(),
        ..Default::default()
    };
    assert_eq!(database.create_workspace(workspace("org_1"), None, at(0)), Err(conflict("slug")));
    let user = || NewUser { email: Some("a@example.org".to_owned()), ..Default::default() };
    database.create_user(user(), None, at(0)).unwrap();
    assert_eq!(database.create_user(user(), None, at(0)), Err(conflict("email")));
    world.orchestrator("a", "org_1");
    let twin = NewOrchestrator { face: Face::Existing("user_a".to_owned()), ..orchestrator("org_1") };
    assert_eq!(database.create_orchestrator(twin, None, at(0)), Err(conflict("userId")));
}

fn orchestrator(organization: &str) -> NewOrchestrator {
    NewOrchestrator {
        id: None,
        organization_id: organization.to_owned(),
        workspace_id: None,
        face: Face::New(NewUser::default()),
        discipline: String::new(),
        role: String::new(),
        capabilities: None,
        daemon_endpoint: None,
    }
}

fn what_is_referred_to_must_exist(world: &World) {
    let database = &world.database;
    let workspace = NewWorkspace { organization_id: "nobody".to_owned(), ..Default::default() };
    assert_eq!(database.create_workspace(workspace, None, at(0)), Err(StoreError::Missing("organization")));
    let problem = database.create_orchestrator(orchestrator("nobody"), None, at(0));
    assert_eq!(problem, Err(StoreError::Missing("organization")));
    let faceless = NewOrchestrator { face: Face::Existing("nobody".to_owned()), ..orchestrator("org_1") };
    assert_eq!(database.create_orchestrator(faceless, None, at(0)), Err(StoreError::Missing("user")));
    let abroad = NewOrchestrator { workspace_id: Some("ws_2".to_owned()), ..orchestrator("org_1") };
    assert_eq!(database.create_orchestrator(abroad, None, at(0)), Err(StoreError::Missing("workspace")));
    assert_eq!(
        database.users(&UserFilter::default(), None, &first_page()).unwrap().items,
        [],
        "a failed creation leaves no user behind"
    );
}

fn changes_are_partial(world: &World) {
    let database = &world.database;
    let change = OrganizationChanges {
        description: Some(Some("what it is".to_owned())),
        settings: Some(json!({"a": [1]})),
        ..Default::default()
    };
    let changed = database.update_organization("org_1", change, None, at(99)).unwrap().unwrap();
    assert_eq!((changed.slug.as_str(), changed.description.as_deref()), ("org-1", Some("what it is")));
    assert_eq!(
        (changed.settings, changed.created_at, changed.updated_at),
        (json!({"a": [1]}), at(1), at(99))
    );
    let empty = OrganizationChanges { description: Some(None), ..Default::default() };
    let changed = database.update_organization("org_1", empty, None, at(100)).unwrap().unwrap();
    assert_eq!((changed.description, changed.settings), (None, json!({"a": [1]})));
    assert_eq!(database.update_organization("nobody", Default::default(), None, at(0)), Ok(None));

    let disabled = database.set_organization_disabled("org_1", true, None, at(5)).unwrap().unwrap();
    assert_eq!(disabled.disabled_at, Some(at(5)));
    let again = database.set_organization_disabled("org_1", true, None, at(6)).unwrap().unwrap();
    assert_eq!(again.disabled_at, Some(at(5)));
    let enabled = database.set_organization_disabled("org_1", false, None, at(7)).unwrap().unwrap();
    assert_eq!(enabled.disabled_at, None);
}

fn pages_meet_without_gap_or_overlap(world: &World) {
    let database = &world.database;
    for n in 0..7 {
        // Three share each moment, so the id has to order them.
        database.create_organization(organization(&format!("more-{n}")), at(1000 + n / 3)).unwrap();
    }
    let filter = OrganizationFilter { text: Some("MORE-".to_owned()), ..Default::default() };
    let all = database.organizations(&filter, None, &first_page()).unwrap();
    assert_eq!((all.items.len(), all.next), (7, None));
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = database.organizations(&filter, None, &PageRequest::new(2, after)).unwrap();
        found.extend(page.items);
        let Some(next) = page.next else { break };
        after = Cursor::parse(&next.to_string());
        assert!(after.is_some());
    }
    assert_eq!(found, all.items);
    assert!(found.is_sorted_by(|one, next| (one.created_at, &one.id) > (next.created_at, &next.id)));
}

fn lists_are_filtered(world: &World) {
    let database = &world.database;
    let (a, b) = (world.orchestrator("Ada", "org_1"), world.orchestrator("b_d", "org_2"));
    let ids = |filter: OrchestratorFilter| -> Vec<String> {
        let page = database.orchestrators(&filter, None, &first_page()).unwrap();
        page.items.into_iter().map(|orchestrator| orchestrator.id).collect()
    };
    let text = |text: &str| OrchestratorFilter { text: Some(text.to_owned()), ..Default::default() };
    assert_eq!(ids(text("ADA")), [a.as_str()]);
    assert_eq!(ids(text("_d")), [b.as_str()], "an underscore stands for itself");
    let of_two = OrchestratorFilter { organization: Some("org_2".to_owned()), ..Default::default() };
    assert_eq!(ids(of_two), [b.as_str()]);
    database.set_status(&a, "BUSY", at(20)).unwrap();
    let busy = OrchestratorFilter { status: Some("BUSY".to_owned()), ..Default::default() };
    assert_eq!(ids(busy), [a.as_str()]);
    database.set_orchestrator_disabled(&b, true, None, at(21)).unwrap();
    let disabled = OrchestratorFilter { disabled: Some(true), ..Default::default() };
    assert_eq!(ids(disabled), [b.as_str()]);

    let users = |filter: UserFilter| database.users(&filter, None, &first_page()).unwrap().items.len();
    assert_eq!(users(UserFilter { text: Some("ada".to_owned()), ..Default::default() }), 1);
    assert_eq!(users(UserFilter { organization: Some("org_1".to_owned()), ..Default::default() }), 1);
    assert_eq!(users(UserFilter { is_vp: Some(false), ..Default::default() }), 0);
}

fn tenants_do_not_see_each_other(world: &World) {
    let database = &world.database;
    let theirs = world.orchestrator("theirs", "org_2");
    let own = scope("org_1");
    let own = Some(&own);
    assert_eq!(database.organization("org_2", own), Ok(None));
    assert_eq!(database.update_organization("org_2", Default::default(), own, at(50)), Ok(None));
    assert_eq!(database.delete_organization("org_2", own), Ok(false));
    let listed = database.organizations(&OrganizationFilter::default(), own, &first_page()).unwrap();
    assert_eq!(listed.items.len(), 1);

    assert_eq!(database.workspace("ws_2", own), Ok(None));
    let rename = WorkspaceChanges { name: Some("taken over".to_owned()), ..Default::default() };
    assert_eq!(database.update_workspace("ws_2", rename, own, at(50)), Ok(None));
    assert_eq!(database.workspace("ws_2", None).unwrap().unwrap().name, "Main");
    assert_eq!(database.delete_workspace("ws_2", own), Ok(false));
    let both = WorkspaceFilter { organization: Some("org_2".to_owned()), ..Default::default() };
    assert_eq!(database.workspaces(&both, own, &first_page()).unwrap().items, []);

    assert_eq!(database.orchestrator(&theirs, own), Ok(None));
    assert_eq!(database.profile(&theirs, own), Ok(None));
    let status = OrchestratorChanges { status: Some("BUSY".to_owned()), ..Default::default() };
    assert_eq!(database.update_orchestrator(&theirs, status, own, at(50)), Ok(None));
    assert_eq!(database.set_orchestrator_disabled(&theirs, true, own, at(50)), Ok(None));
    assert_eq!(database.delete_orchestrator(&theirs, own, at(50)), Ok(false));
    let untouched = database.orchestrator(&theirs, None).unwrap().unwrap();
    assert_eq!((untouched.status.as_str(), untouched.disabled_at), ("OFFLINE", None));

    assert_eq!(database.user("user_theirs", own), Ok(None));
    let rename = UserChanges { name: Some(None), ..Default::default() };
    assert_eq!(database.update_user("user_theirs", rename, own, at(50)), Ok(None));
    assert_eq!(database.delete_user("user_theirs", own), Ok(false));
    assert_eq!(database.user_name("user_theirs"), Ok(Some("theirs".to_owned())));

    assert_eq!(database.channel("ch_2", own), Ok(None));
    assert_eq!(database.delete_channel("ch_2", own), Ok(false));
    for group in [Group::Organization("org_2"), Group::Workspace("ws_2"), Group::Channel("ch_2")] {
        assert_eq!(database.members(group, own, &first_page()), Ok(None));
        assert!(matches!(
            database.add_member(group, "user_theirs", "ADMIN", own, at(50)),
            Err(StoreError::Missing(_))
        ));
        assert_eq!(database.change_role(group, "user_theirs", "OWNER", own), Ok(false));
        assert_eq!(database.remove_member(group, "user_theirs", own, at(50)), Ok(false));
    }
    let mine = Group::Organization("org_1");
    let problem = database.add_member(mine, "user_theirs", "MEMBER", own, at(50));
    assert_eq!(problem, Err(StoreError::Missing("user")), "nor can it be drawn over");
    let problem = database.add_member(Group::Channel("ch_1"), "user_theirs", "MEMBER", None, at(50));
    assert_eq!(problem, Err(StoreError::Missing("user")));
}

fn legacy_keys_stay_out_of_sight_and_survive_changes(world: &World) {
    let database = &world.database;
    let id = world.orchestrator("a", "org_1");
    world.sql(
        r#"UPDATE orchestrators SET capabilities = '{"apiKeyHash":"aa","apiKey":{"hash":"bb"},"charter":1}';
           UPDATE users SET vp_config = '{"apiKeyHash":"cc"}';"#,
    );
    let shown = serde_json::to_string(&database.profile(&id, None).unwrap().unwrap()).unwrap();
    assert!(shown.contains("charter") && !shown.contains("apiKey") && !shown.contains("vpConfig"), "{shown}");
    let hashes = || -> Vec<String> {
        let keys = database.legacy_keys(&id).unwrap().unwrap();
        assert!(keys.enabled);
        keys.keys.into_iter().map(|key| key.hash).collect()
    };
    assert_eq!(hashes(), ["aa", "bb", "cc"]);
    let changes =
        OrchestratorChanges { capabilities: Some(json!({"apiKeyHash": "forged"})), ..Default::default() };
    let changed = database.update_orchestrator(&id, changes, None, at(30)).unwrap().unwrap();
    assert_eq!(changed.capabilities, json!({}));
    assert_eq!(hashes(), ["aa", "bb", "cc"]);
    assert_eq!(database.legacy_keys("nobody"), Ok(None));
}

fn what_belongs_to_a_deleted_organization_goes_with_it(world: &World) {
    let database = &world.database;
    let id = world.orchestrator("a", "org_1");
    assert_eq!(database.delete_organization("org_1", None), Ok(true));
    assert_eq!(database.orchestrator(&id, None), Ok(None));
    assert_eq!(database.workspace("ws_1", None), Ok(None));
    assert_eq!(database.channel("ch_1", None), Ok(None));
    assert!(database.channel("ch_2", None).unwrap().is_some());
    assert_eq!(database.delete_organization("org_1", None), Ok(false));
}

fn a_deleted_orchestrator_leaves_its_words(world: &World) {
    let database = &world.database;
    let id = world.orchestrator("a", "org_1");
    database.join("user_a", "ch_1", at(11)).unwrap();
    assert_eq!(database.delete_orchestrator(&id, None, at(12)), Ok(true));
    assert_eq!(database.user("user_a", None).unwrap().unwrap().status, "INACTIVE");
    let members = database.members(Group::Channel("ch_1"), None, &first_page()).unwrap().unwrap();
    assert_eq!(members.items, []);
}

fn members_come_once_and_go(world: &World) {
    let database = &world.database;
    let own = scope("org_1");
    let user = NewUser { id: Some("u".to_owned()), ..Default::default() };
    database.create_user(user, Some(&own), at(0)).unwrap();
    for group in [Group::Workspace("ws_1"), Group::Channel("ch_1")] {
        let add = |role| database.add_member(group, "u", role, Some(&own), at(1));
        assert_eq!(add("MEMBER"), Ok(Joined::Joined));
        assert_eq!(add("OWNER"), Ok(Joined::AlreadyMember));
        assert_eq!(database.change_role(group, "u", "ADMIN", Some(&own)), Ok(true));
        let members = database.members(group, Some(&own), &PageRequest::new(1, None)).unwrap().unwrap();
        assert_eq!(members.items.first().map(|member| member.role.as_str()), Some("ADMIN"));
        let after = Some(Cursor { at: at(1), id: "zzz".to_owned() });
        let members = database.members(group, None, &PageRequest::new(5, after)).unwrap().unwrap();
        assert_eq!(members.items.len(), 1);
        assert_eq!(database.remove_member(group, "u", Some(&own), at(2)), Ok(true));
        assert_eq!(database.remove_member(group, "u", Some(&own), at(2)), Ok(false));
        assert_eq!(add("MEMBER"), Ok(Joined::Joined), "one may come back");
    }
    let missing = database.add_member(Group::Workspace("ws_1"), "nobody", "MEMBER", None, at(1));
    assert_eq!(missing, Err(StoreError::Missing("user")));
    let missing = database.add_member(Group::Workspace("none"), "u", "MEMBER", None, at(1));
    assert_eq!(missing, Err(StoreError::Missing("workspace")));
}

fn a_status_is_changed_once(world: &World) {
    let database = &world.database;
    let id = world.orchestrator("a", "org_1");
    assert_eq!(database.set_status(&id, "ONLINE", at(20)), Ok(true));
    assert_eq!(database.set_status(&id, "ONLINE", at(21)), Ok(false));
    assert_eq!(database.set_operational_status(&id, "error", Some("why"), at(22)), Ok(true));
    assert_eq!(database.set_operational_status("nobody", "error", None, at(22)), Ok(false));
    let profile = database.profile(&id, Some(&scope("org_1"))).unwrap().unwrap();
    assert_eq!(profile.orchestrator.status, "ONLINE");
    assert_eq!(profile.orchestrator.operational_message.as_deref(), Some("why"));
    assert_eq!(profile.orchestrator.last_status_update, Some(at(22)));
    assert_eq!(profile.orchestrator.capabilities, json!([]), "contract B22");
    assert_eq!(profile.user.unwrap().id, "user_a");
    assert_eq!(profile.organization.slug, "org-1");
}
