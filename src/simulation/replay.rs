//! One seed again, with everything that happens in it.

use std::io::Write as _;

use super::{plan::Plan, tests::setting, world::World};

/// How much of what happens is worth a line of the journal.
const LINE: usize = 240;

/// What shows a run again.
pub(super) fn command(seed: u64) -> String {
    format!("SIM_SEED={seed} cargo test --lib simulation::replay -- --nocapture")
}

/// One line for what happens at a moment.
pub(super) fn line(at: u64, what: &str) -> String {
    let what: String = what.chars().take(LINE).collect();
    format!("{at:>7} ms  {what}")
}

/// Everything that happens in the world of a plan, a line each, and what broke, if anything did.
pub(super) fn journal(plan: Plan) -> String {
    let mut world = World::new(plan);
    world.journal = Some(Vec::new());
    let end = world.live();
    let mut lines = world.journal.take().unwrap_or_default();
    lines.push(match end {
        Ok(counts) => format!("{counts:?}: every promise was kept"),
        Err(violation) => violation.to_string(),
    });
    lines.join("\n")
}

/// Shows the seed in `SIM_SEED`, or the first one.
#[test]
fn shows_everything_that_happens() {
    let seed = setting("SIM_SEED").unwrap_or_default();
    let plan = Plan::of(seed);
    let journal = format!("{plan:#?}\n{}\n", journal(plan.clone()));
    if setting("SIM_SEED").is_some() {
        std::io::stdout().write_all(journal.as_bytes()).expect("a standard output");
    }
    assert!(journal.contains("every promise was kept"), "seed {seed}, see above");
}
