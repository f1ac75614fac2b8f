//! What daemons say of themselves.

use std::time::Duration;

use neolith_hub::{
    backplane::status::{
        ExplicitChoice, ExplicitPresence, ExplicitStatus, OperationalStatus, PresenceStatus, Statuses,
    },
    domain::clock::Timestamp,
};

use super::{Harness, fixtures::*};

fn presence(status: PresenceStatus, at: Timestamp) -> ExplicitPresence {
    ExplicitPresence {
        orchestrator: orchestrator("vp_1"),
        organization: None,
        daemon: daemon("d1"),
        status,
        status_text: Some("back soon".to_owned()),
        at,
    }
}

fn status(status: OperationalStatus, at: Timestamp) -> ExplicitStatus {
    ExplicitStatus {
        orchestrator: orchestrator("vp_1"),
        organization: None,
        daemon: daemon("d1"),
        status,
        message: None,
        at,
    }
}

pub(crate) async fn the_latest_explicit_choice_is_known<H: Harness>(_: &H, backplane: &H::Backplane) {
    let (owner, at) = (orchestrator("vp_1"), now());
    let later = at.plus(Duration::from_millis(1));
    assert_eq!(backplane.explicit_choice(&owner).await, Ok(None));
    backplane.set_presence(&presence(PresenceStatus::Away, at)).await.expect("set");
    let away = ExplicitChoice::Presence(PresenceStatus::Away);
    assert_eq!(backplane.explicit_choice(&owner).await, Ok(Some(away)));
    backplane.set_status(&status(OperationalStatus::Paused, later)).await.expect("set");
    let paused = ExplicitChoice::Status(OperationalStatus::Paused);
    assert_eq!(backplane.explicit_choice(&owner).await, Ok(Some(paused)));
    assert_eq!(backplane.explicit_choice(&orchestrator("vp_2")).await, Ok(None));
}

pub(crate) async fn who_says_active_lets_heartbeats_speak<H: Harness>(_: &H, backplane: &H::Backplane) {
    let (owner, at) = (orchestrator("vp_1"), now());
    backplane.set_status(&status(OperationalStatus::Error, at)).await.expect("set");
    let error = ExplicitChoice::Status(OperationalStatus::Error);
    assert_eq!(backplane.explicit_choice(&owner).await, Ok(Some(error)));
    let active = status(OperationalStatus::Active, at.plus(Duration::from_millis(1)));
    backplane.set_status(&active).await.expect("set");
    assert_eq!(backplane.explicit_choice(&owner).await, Ok(None));
}
