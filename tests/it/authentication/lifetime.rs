//! Tokens end while connections live.

use crate::support::{
    event::Event, identity::Identity, in_both_modes, socket::Daemon, token::seconds_from_now, world::Mode,
};

in_both_modes! {
    a_connection_ends_with_its_token,
    a_second_auth_renews_the_token,
    a_second_auth_for_another_orchestrator_ends_the_connection,
}

fn a_connection_ends_with_its_token(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new().with_claim("exp", seconds_from_now(2));
    let mut daemon = Daemon::connect(&world.hub, &identity);
    daemon.expect_refusal("TOKEN_EXPIRED", 4003);
}

fn a_second_auth_renews_the_token(mode: Mode) {
    let world = mode.start();
    let short_lived = Identity::new().with_claim("exp", seconds_from_now(2));
    let long_lived = short_lived.clone().with_claim("exp", seconds_from_now(3600));
    let mut renewing = world.subscriber(&short_lived);
    // Ends at the same second as the first token, and so tells when that would have ended.
    let mut clock = Daemon::connect(&world.hub, &Identity::new().with_claim("exp", seconds_from_now(2)));

    renewing.authenticate(&long_lived);

    assert_eq!(clock.expect_close().code, 4003);
    let event = Event::to(&short_lived);
    world.publish(&event);
    assert_eq!(renewing.take_event()["eventId"], event.id(), "it still is subscribed");
}

fn a_second_auth_for_another_orchestrator_ends_the_connection(mode: Mode) {
    let world = mode.start();
    let mut daemon = Daemon::connect(&world.hub, &Identity::new());
    daemon.auth(&Identity::new());
    daemon.expect_refusal("AUTH_FAILED", 4001);
}
