//! How many requests somebody may make, per address and per credential.

use std::{
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::StateStore,
};
use quick_cache::sync::Cache;

use super::error::ApiError;
use crate::config;

/// How many addresses or credentials each limit remembers; those not heard of for the longest time
/// start anew.
const CAPACITY: usize = 50_000;

/// Every limit of this hub.
pub(super) struct RequestLimits {
    /// Everything under `/api`, per address.
    pub(super) address: Limit<IpAddr>,
    /// Everything under `/api` with a token, per session.
    pub(super) credential: Limit<Arc<str>>,
    /// Logins and registrations, per address.
    pub(super) login: Limit<IpAddr>,
    /// Fleet routes, per address (contract 1.24).
    pub(super) fleet: Limit<IpAddr>,
    /// Admin routes, per address.
    pub(super) admin: Limit<IpAddr>,
    /// Entries of the audit log about a wrong key, per address: nobody floods it from outside.
    pub(super) refusals_on_record: Limit<IpAddr>,
}

impl RequestLimits {
    /// Limits as configured.
    pub(super) fn new(config: &config::Limits) -> Self {
        Self {
            address: Limit::per_minute(config.requests_per_address),
            credential: Limit::per_minute(config.requests_per_credential),
            login: Limit::per_minute(config.logins_per_address),
            fleet: Limit::per_minute(config.fleet_requests_per_address),
            admin: Limit::per_minute(config.admin_requests_per_address),
            refusals_on_record: Limit::per_minute(NonZeroU32::MIN),
        }
    }
}

/// One limit: so many requests at once, replenished evenly over a minute.
pub(super) struct Limit<K: Hash + Eq + Clone> {
    limiter: RateLimiter<
        K,
        Recent<K>,
        DefaultClock,
        NoOpMiddleware<<DefaultClock as governor::clock::Clock>::Instant>,
    >,
}

impl<K: Hash + Eq + Clone> Limit<K> {
    fn per_minute(requests: NonZeroU32) -> Self {
        let recent = Recent(Cache::new(CAPACITY));
        Self { limiter: RateLimiter::new(Quota::per_minute(requests), recent, DefaultClock::default()) }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// 429 with the time to wait.
    pub(super) fn count(&self, who: &K) -> Result<(), ApiError> {
        self.limiter.check_key(who).map_err(|not_until| {
            let wait = not_until.wait_time_from(DefaultClock::default().now());
            ApiError::rate_limited(wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)))
        })
    }
}

/// What a limit counts by. The hosts of one IPv6 network share their count: whoever has one address
/// of it has them all.
pub(super) fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// The state of those who were here lately, in bounded memory.
struct Recent<K: Hash + Eq>(Cache<K, Arc<AtomicU64>>);

impl<K: Hash + Eq + Clone> StateStore for Recent<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let state = match self.0.get_or_insert_with(key, || Ok::<_, std::convert::Infallible>(Arc::default()))
        {
            Ok(state) => state,
            Err(never) => match never {},
        };
        let mut before = state.load(Ordering::Acquire);
        loop {
            let (answer, after) = decide((before != 0).then(|| Nanos::from(before)))?;
            match state.compare_exchange_weak(before, after.into(), Ordering::Release, Ordering::Acquire) {
                Ok(_) => return Ok(answer),
                Err(now) => before = now,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asks_too_often_is_told_when_to_come_back() {
        let limit = Limit::per_minute(NonZeroU32::new(2).expect("two"));
        assert_eq!(limit.count(&1), Ok(()));
        assert_eq!(limit.count(&1), Ok(()));
        let refused = limit.count(&1).expect_err("the third");
        assert_eq!(refused, ApiError::rate_limited(30));
        assert_eq!(limit.count(&2), Ok(()), "somebody else");
    }

    #[test]
    fn one_network_is_one_caller() {
        let parse = |text: &str| counted(text.parse().expect("an address"));
        assert_eq!(parse("2001:db8::1"), parse("2001:db8::ffff:2"));
        assert_ne!(parse("2001:db8:0:1::1"), parse("2001:db8:0:2::1"));
        assert_eq!(parse("::ffff:10.0.0.1"), parse("10.0.0.1"));
        assert_ne!(parse("10.0.0.1"), parse("10.0.0.2"));
    }
}
