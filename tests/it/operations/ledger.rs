//! The metric that must read 0.

use diesel::{Connection as _, SqliteConnection, connection::SimpleConnection as _};

use crate::support::{
    event::Event,
    eventually::eventually,
    identity::Identity,
    in_both_modes, metrics,
    world::{Mode, World},
};

in_both_modes! {
    books_that_do_not_balance_are_shown_and_named,
}

const OFTEN: (&str, &str) = ("HUB_DELIVERY_SWEEP_INTERVAL_MS", "100");

/// Writes one more accepted event into the books than there was, or one less.
fn cook_the_books(world: &World, mode: Mode, orchestrator: &str, by: i64) {
    match mode {
        Mode::Redis => {
            let name = format!("daemon:events:{orchestrator}:meta");
            let _: i64 = world.redis().run(&["HINCRBY", &name, "accepted", &by.to_string()]);
        }
        Mode::Embedded => {
            let file = world.hub.data_dir().join("queue.db").display().to_string();
            let mut file = SqliteConnection::establish(&file).unwrap();
            let change = format!(
                "PRAGMA busy_timeout = 5000;
                 UPDATE ledgers SET accepted = accepted + {by} WHERE orchestrator = '{orchestrator}'"
            );
            file.batch_execute(&change).unwrap();
        }
    }
}

fn imbalance(world: &World) -> f64 {
    metrics::total(&world.hub, "hub_ledger_imbalance", &[])
}

fn checked(world: &World) -> f64 {
    metrics::total(&world.hub, "hub_ledgers_checked", &[])
}

fn books_that_do_not_balance_are_shown_and_named(mode: Mode) {
    let world = mode.start_with(&[OFTEN]);
    let (away, here) = (Identity::new(), Identity::new());
    // Given one that events wait for, and one that is connected and has taken what it got
    let waiting = Event::to(&away);
    world.publish(&waiting);
    let mut daemon = world.subscriber(&here);
    let taken = Event::to(&here);
    world.publish(&taken);
    assert_eq!(daemon.take_event()["eventId"], taken.id());
    world.wait_until_stored(&mut daemon);
    eventually(|| checked(&world) >= 2.0, "both are looked at");
    assert_eq!(imbalance(&world), 0.0);
    // When the books of both are wrong, each the other way
    cook_the_books(&world, mode, &away.orchestrator, 2);
    cook_the_books(&world, mode, &here.orchestrator, -1);
    // Then the metric says by how many events, and the log says whose
    eventually(|| imbalance(&world) == 3.0, "the imbalance is shown");
    let log = world.hub.log();
    for orchestrator in [&away.orchestrator, &here.orchestrator] {
        let named = |line: &str| line.contains("do not balance") && line.contains(orchestrator.as_str());
        assert!(log.lines().any(named), "{orchestrator} is not named");
    }
    // And when they are right again, so is the metric
    cook_the_books(&world, mode, &away.orchestrator, -2);
    cook_the_books(&world, mode, &here.orchestrator, 1);
    eventually(|| imbalance(&world) == 0.0, "the books balance again");
}
