//! The mistakes of the original that must not come back (contract section 8), and the test that shows
//! of each that it has not. Paths are those of modules beside this one; `mistakes` are in this folder.
//!
//! | Mistake | Shown by |
//! |---|---|
//! | B1 issued keys are refused | `daemon_api::lifecycle`, `daemon_api::login::a_login_is_answered_for_every_generation_of_clients` |
//! | B2 a hash is looked for where none is written | `mistakes::keys::a_key_of_any_earlier_program_opens_its_own_orchestrator` |
//! | B3 without a hash any key opens | `mistakes::keys::where_no_hash_lies_no_key_opens`, `daemon_api::login::a_wrong_key_and_a_wrong_secret_look_the_same` |
//! | B4 hashes in another format than is verified | `mistakes::keys::a_key_of_any_earlier_program_opens_its_own_orchestrator` |
//! | B5 a default signing secret | `mistakes::secrets::a_hub_that_shares_its_servers_does_not_start_without_a_secret` |
//! | B6 anybody may register | `daemon_api::registration::what_exists_is_told_to_holders_of_a_key_only` |
//! | B7 tasks are posted to the registered host | cannot apply: the hub calls no registered address; B6 closes the way to one |
//! | B8 the secret is never checked, scopes are granted as asked | `daemon_api::login::a_wrong_key_and_a_wrong_secret_look_the_same`, `…::scopes_are_granted_as_far_as_key_and_capabilities_allow` |
//! | B9 refreshing fails open | `daemon_api::login::a_refresh_token_is_worth_nothing_without_its_session`, `daemon_api::outages::without_redis_nobody_is_let_in_and_heartbeats_go_on` |
//! | B10 no revocation | `daemon_api::sessions::an_ended_session_takes_its_tokens_and_sockets_along`, `daemon_api::registration::whoever_leaves_leaves_nothing_behind` |
//! | B11 `KEYS` in a request | `mistakes::redis::no_request_looks_through_all_keys` |
//! | B12 ids are found inside other ids | `mistakes::redis::an_id_within_another_is_another_id` |
//! | B13 a change loses scopes and refresh token | `daemon_api::sessions::changing_the_session_of_a_login_keeps_the_login_alive`, `backplane_contract::sessions::changes_at_the_same_time_are_all_kept` |
//! | B14 heartbeats write foreign sessions | `daemon_api::heartbeat::a_heartbeat_is_noted_in_the_own_session_only` |
//! | B15 a write per beat, states overwritten | `daemon_api::heartbeat::the_accounts_are_written_only_when_the_status_changes`, `…::a_heartbeat_does_not_overwrite_what_was_said_on_purpose` |
//! | B16 the same instance gets 409, check-then-set | `daemon_api::registration::a_second_instance_waits_until_the_first_is_silent`, `mistakes::redis::of_two_instances_that_register_at_once_one_stays` |
//! | B17 strangers enumerate | `daemon_api::registration::what_exists_is_told_to_holders_of_a_key_only` |
//! | B18 a slow hash hides the fast one | `mistakes::keys::a_key_of_any_earlier_program_opens_its_own_orchestrator` |
//! | B19, B20 pages and contents of messages | `daemon_api::messages` |
//! | B21 presence blocks the account | `daemon_api::heartbeat::a_heartbeat_does_not_overwrite_what_was_said_on_purpose` |
//! | B22 a status corrupts the capabilities | `daemon_api::statuses::a_status_leaves_the_capabilities_alone` |
//! | B23 the configuration shows a hash | `mistakes::keys::no_answer_shows_a_hash` |
//! | B24, B25, B26 reading and acknowledging events | `daemon_api::events`, `backplane_contract::queue`, `attacks::tenants` |
//! | B27 foreign and private channels are joined | `daemon_api::channels`, `attacks::tenants`; B11 for `KEYS` |
//! | B28 signatures are not verified | `attacks::tokens::a_forged_token_opens_nothing` |
//! | B29 tokens disclose the secret | `mistakes::secrets::a_token_does_not_carry_what_it_is_signed_with` |
//! | B30 a key opens the first orchestrator there is | `mistakes::keys::a_key_opens_the_orchestrator_it_was_issued_for` |
//! | B31 a token's id is taken for its session's | `daemon_api::login::a_refresh_token_may_be_used_again_and_again` |
//! | B32 one revocation ends another | `mistakes::redis::a_revocation_does_not_shorten_another` |
//! | B33 routing loses messages, ends newer sessions | `delivery::legacy_lists`, `delivery::addressing`, `daemon_api::registration::whoever_leaves_leaves_nothing_behind` |
//! | B34 registration succeeds without Redis | `daemon_api::outages::without_redis_nobody_is_let_in_and_heartbeats_go_on` |
//! | B35 the environment is ignored, reconnecting is given up | `config::tests::redis_is_composed_of_its_parts_unless_there_is_a_url`, `bad_days::redis_outage` |
//! | B36 a crash blocks registration, health is always unknown | `mistakes::redis::a_daemon_registers_again_after_the_hub_died`, `daemon_api::health` |
//! | B37 subscriptions are lost, presence is unreadable | `bad_days::redis_outage::a_hub_that_starts_before_its_redis_waits_for_it`, `daemon_api::statuses::presence_and_status_are_written_down_in_the_documented_layout` |
//! | B38 administration without authorization, a disable flag that expires | `daemon_api::login::a_key_that_was_taken_away_says_why_to_its_holder`: a column, not a flag with an end; the admin routes have tests of their own |
//! | B39 keys lie in the clear | `mistakes::secrets::no_key_lies_anywhere_in_the_clear` |
//! | B40 foreign private channels are revealed | `daemon_api::channels`, `attacks::tenants::ids_of_another_tenant_open_nothing` |
//! | B41 callers are redirected to a login page | `daemon_api::methods` (all of it) |
//! | B42 tokens in addresses | `attacks::headers::a_token_in_the_address_a_cookie_or_the_body_opens_nothing`, `mistakes::secrets::a_token_in_the_address_of_a_socket_does_not_authenticate` |
//! | B43 session ids can be guessed and collide | `mistakes::secrets::session_ids_cannot_be_guessed` |
//! | B44 the fleet loses members, looking changes it | `daemon_api::fleet::members_that_register_together_are_all_there`, `…::a_silent_fleet_daemon_is_listed_as_stale_and_must_register_again` |
//! | B45 published before it is durable | `bad_days::hub_death`, `delivery::acknowledgement`; the hub never reads `authorId` of a daemon's own message from its body |
//! | B46 no limits on the socket | `protocol::transport`, `protocol::limits`, `bad_days::stalled_peer` |

mod keys;
mod redis;
mod secrets;
