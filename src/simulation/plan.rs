//! What a seed decides before anything happens: how large the world is, and what goes wrong in it.

use super::random::Random;

/// The kinds of world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Some hubs, a few daemons, some dozens of events, and every kind of fault.
    Small,
    /// More events for absent daemons than a queue holds.
    Flood,
    /// Large events for daemons that stop reading.
    Heavy,
    /// More than a thousand connections at once.
    Crowd,
}

/// How often something goes wrong, in the run's terms: per mille of the occasions, or how many times.
#[derive(Debug, Clone, Copy)]
pub(super) struct Faults {
    /// How often a hub is killed, drained, cut off from the bus.
    pub(super) kills: u64,
    pub(super) drains: u64,
    pub(super) bus_losses: u64,
    /// How often the store is away, and how often its answer to a write is lost although it wrote.
    pub(super) outages: u64,
    pub(super) lost_answers: u64,
    /// How often a daemon loses its connection, connects twice, or stops reading.
    pub(super) disconnects: u64,
    pub(super) take_overs: u64,
    pub(super) stalls: u64,
    /// How often a daemon changes its subscriptions.
    pub(super) changes_of_mind: u64,
    /// How often a publisher says the same again.
    pub(super) duplicates: u64,
    /// How often an administrator sends the dead letters round again.
    pub(super) redrives: u64,
}

/// What daemons do with events, per mille of the deliveries; the rest is acknowledged at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manners {
    pub(super) late: u64,
    pub(super) silent: u64,
    pub(super) refuse: u64,
    pub(super) progress: u64,
    pub(super) twice: u64,
    pub(super) over_http: u64,
}

/// What the events are like, per mille.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kinds {
    pub(super) fleeting: u64,
    pub(super) expiring: u64,
    pub(super) for_any: u64,
    pub(super) for_one: u64,
    pub(super) poison: u64,
    pub(super) foreign: u64,
    pub(super) urgent: u64,
    pub(super) large: u64,
    /// Published over HTTP to one hub, rather than on the channel that all hubs hear.
    pub(super) direct: u64,
}

/// One world.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) shape: Shape,
    pub(super) hubs: usize,
    pub(super) orchestrators: usize,
    pub(super) daemons_each: usize,
    pub(super) events: usize,
    /// In how many milliseconds the events are published and things go wrong.
    pub(super) span: u64,
    pub(super) window: usize,
    pub(super) max_attempts: u32,
    pub(super) redelivery: u64,
    pub(super) mailbox: usize,
    pub(super) page: usize,
    pub(super) commit_interval: u64,
    pub(super) buffer: usize,
    pub(super) recent: usize,
    pub(super) faults: Faults,
    pub(super) manners: Manners,
    pub(super) kinds: Kinds,
}

impl Plan {
    /// The world of a seed: mostly small ones.
    pub(super) fn of(seed: u64) -> Self {
        let shape = match seed % 400 {
            399 => Shape::Crowd,
            other if other % 40 == 7 => Shape::Flood,
            other if other % 40 == 23 => Shape::Heavy,
            _ => Shape::Small,
        };
        Self::shaped(seed, shape)
    }

    pub(super) fn shaped(seed: u64, shape: Shape) -> Self {
        let mut random = Random::new(seed ^ 0x51AB);
        let hubs = random.index(3) + 1;
        let mut plan = Self {
            seed,
            shape,
            hubs,
            orchestrators: random.index(3) + 1,
            daemons_each: random.pick(&[1, 1, 2, 3]),
            events: random.index(40) + 5,
            span: random.between(4_000, 20_000),
            window: random.index(6) + 1,
            max_attempts: u32::try_from(random.between(3, 8)).expect("small"),
            redelivery: random.between(500, 3_000),
            mailbox: random.index(12) + 1,
            page: random.index(30) + 1,
            commit_interval: random.between(1, 30),
            buffer: random.pick(&[8, 100, 100_000]),
            recent: random.pick(&[4, 32, 10_000]),
            faults: faults(&mut random),
            manners: manners(&mut random),
            kinds: kinds(&mut random),
        };
        match shape {
            Shape::Small => {}
            Shape::Flood => {
                let few = Faults { kills: 0, outages: 0, drains: 0, bus_losses: 0, ..plan.faults };
                (plan.orchestrators, plan.daemons_each, plan.events) = (1, 1, 1_040 + random.index(60));
                (plan.buffer, plan.window, plan.page, plan.faults) = (100_000, 200, 500, few);
                plan.manners = Manners { late: 0, silent: 0, refuse: 0, progress: 0, ..plan.manners };
            }
            Shape::Heavy => {
                let stalls = random.between(3, 8);
                (plan.orchestrators, plan.daemons_each, plan.events) = (1, 1, 25);
                (plan.window, plan.mailbox, plan.buffer, plan.kinds.large) = (8, 12, 100_000, 800);
                plan.faults = Faults { stalls, ..plan.faults };
            }
            Shape::Crowd => {
                (plan.hubs, plan.orchestrators, plan.daemons_each, plan.events) = (3, 1_100, 1, 600);
                (plan.buffer, plan.recent, plan.span) = (100_000, 10_000, 6_000);
            }
        }
        plan
    }
}

fn faults(random: &mut Random) -> Faults {
    let calm = random.chance(150);
    let mut often = |most: u64| if calm { 0 } else { random.between(0, most) };
    Faults {
        kills: often(2),
        drains: often(1),
        bus_losses: often(2),
        outages: often(2),
        lost_answers: often(150),
        disconnects: often(6),
        take_overs: often(3),
        stalls: often(3),
        changes_of_mind: often(2),
        duplicates: often(300),
        redrives: often(1),
    }
}

fn manners(random: &mut Random) -> Manners {
    let polite = random.chance(200);
    let mut often = |most: u64| if polite { 0 } else { random.between(0, most) };
    Manners {
        late: often(400),
        silent: often(300),
        refuse: often(200),
        progress: often(100),
        twice: often(200),
        over_http: often(150),
    }
}

fn kinds(random: &mut Random) -> Kinds {
    let mut often = |most: u64| random.between(0, most);
    Kinds {
        fleeting: often(300),
        expiring: often(300),
        for_any: often(400),
        for_one: often(300),
        poison: often(40),
        foreign: often(100),
        urgent: often(400),
        large: often(100),
        direct: often(1000),
    }
}
