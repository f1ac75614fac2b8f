//! Kills servers at random moments and starts them again.

use std::{
    thread,
    time::{Duration, Instant},
};

use rand::{RngExt as _, rngs::StdRng};

use super::{Stage, history::What, plan::Plan};
use crate::support::{hub::Hub, redis::RedisServer, world::Mode};

/// The servers of a run.
pub(super) struct Servers {
    pub(super) hubs: Vec<Hub>,
    pub(super) redis: Option<RedisServer>,
}

/// What is done to them.
#[derive(Clone, Copy)]
enum Fault {
    KillHub(usize),
    KillAllHubs,
    KillRedis,
    KillBoth(usize),
    PauseRedis,
}

impl Servers {
    /// Starts what the plan needs.
    pub(super) fn start(plan: &Plan) -> Self {
        let schedule = super::plan::ACK_DEADLINES.map(|deadline| deadline.as_millis().to_string()).join(",");
        let setup = || {
            Hub::setup().envs(&[
                ("HUB_DELIVERY_REDELIVERY_SCHEDULE_MS", &schedule),
                ("HUB_DELIVERY_SWEEP_INTERVAL_MS", "5000"),
                ("HUB_INGRESS_CLAIM_AFTER_MS", "3000"),
                // Daemons connect and talk far more often than they do in the field.
                ("HUB_WEBSOCKET_MESSAGE_LIMIT", "1000000"),
            ])
        };
        match plan.mode {
            Mode::Embedded => Self { hubs: vec![setup().start()], redis: None },
            Mode::Redis => {
                let redis = RedisServer::start_with_aof();
                let hubs = (0..plan.hubs()).map(|_| setup().redis(&redis).start()).collect();
                Self { hubs, redis: Some(redis) }
            }
        }
    }

    /// Does one fault after the other for as long as the plan says; everything runs afterwards.
    pub(super) fn torment(&mut self, stage: &Stage) {
        let (mut chance, end) = (stage.plan.chance(4000), Instant::now() + stage.plan.span);
        loop {
            let (least, most) = stage.plan.peace;
            let peace = Duration::from_millis(chance.random_range(least..most));
            if Instant::now() + peace >= end {
                thread::sleep(end.saturating_duration_since(Instant::now()));
                return;
            }
            thread::sleep(peace);
            let running = self.hubs.iter_mut().all(Hub::is_running);
            assert!(running, "a hub ended that nobody killed (seed {})", stage.plan.seed);
            let fault = self.choose(&mut chance);
            self.inflict(fault, stage, &mut chance);
        }
    }

    fn choose(&self, chance: &mut StdRng) -> Fault {
        let hub = chance.random_range(0..self.hubs.len());
        if self.redis.is_none() {
            return Fault::KillHub(hub);
        }
        match chance.random_range(0..100) {
            0..50 => Fault::KillHub(hub),
            50..60 => Fault::KillAllHubs,
            60..80 => Fault::KillRedis,
            80..92 => Fault::KillBoth(hub),
            _ => Fault::PauseRedis,
        }
    }

    fn inflict(&mut self, fault: Fault, stage: &Stage, chance: &mut StdRng) {
        let down = Duration::from_millis(chance.random_range(50..2500));
        let record = |what| stage.history.record(What::Fault(what));
        match fault {
            Fault::KillHub(hub) => {
                record(["hub 0 is killed", "hub 1 is killed"][hub]);
                self.hubs[hub].kill();
                thread::sleep(down);
                self.hubs[hub].start_again();
                record(["hub 0 is back", "hub 1 is back"][hub]);
            }
            Fault::KillAllHubs => {
                record("all hubs are killed");
                self.hubs.iter_mut().for_each(Hub::kill);
                thread::sleep(down);
                self.hubs.iter_mut().for_each(Hub::start_again);
                record("all hubs are back");
            }
            Fault::KillRedis => {
                record("Redis is killed");
                self.redis().kill();
                thread::sleep(down);
                self.redis().start_again();
                record("Redis is back");
            }
            Fault::KillBoth(hub) => {
                record(["Redis and hub 0 are killed", "Redis and hub 1 are killed"][hub]);
                self.redis().kill();
                self.hubs[hub].kill();
                thread::sleep(down);
                self.redis().start_again();
                self.hubs[hub].start_again();
                record("Redis and the hub are back");
            }
            Fault::PauseRedis => {
                record("Redis is paused");
                self.redis().pause();
                thread::sleep(down);
                self.redis().resume();
                record("Redis goes on");
            }
        }
    }

    fn redis(&mut self) -> &mut RedisServer {
        self.redis.as_mut().unwrap()
    }
}
