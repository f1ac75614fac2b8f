//! The composition root: builds everything once, and stops it in order.

use std::{future::Future, net::TcpListener, path::Path, sync::Arc, time::Duration};

use actix::Supervisor;
use actix_web::{App, HttpServer, middleware::from_fn, web};
use thiserror::Error;
use uuid::Uuid;

use crate::{
    actors::{
        announcer::Announcer,
        canary::{Canary, CanaryLine},
        connection_manager::ConnectionManager,
        connections::Connections,
        dead_letter_keeper::DeadLetterKeeper,
        event_router::{CommandsTo, EventRouter, LegacyIn},
        heartbeat_monitor::{Colleagues, HeartbeatMonitor, Watch},
        ingress::{IngressReader, Reading},
        ingress_rules::{IngressRules, keeper::RuleKeeper, memory::RuleMemory},
        intake::Intake,
        ledger_check::LedgerCheck,
        messages::DrainAll,
        offline_queue::{OfflineQueue, Schedule},
        queue_access::QueueAccess,
        resolver::Resolver,
        routing::{MessageRouter, RoutingRules},
        services::{HubState, Services, Shared},
        status_recorder::StatusRecorder,
    },
    auth::{failures::AuthFailures, token::TokenVerifier},
    backplane::{Backplane, BackplaneError, registry::ConnectionRegistry as _, routing::QueueBounds},
    config::{self, Config},
    domain::{canary::canary_of, clock::now, ids::NodeId},
    http::{self, HttpState},
    session::effect::Limits,
    store::{StoreError, database::Database, database_url::DatabaseUrl},
    telemetry::{canary::CanaryWatch, metrics::Metrics},
};

/// How often all connections are looked at, at least and at most.
const SWEEP: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// How long to wait before a database server that was away is asked again.
const MIGRATION_RETRY: Duration = Duration::from_secs(5);
/// Where the name of the last run is kept, in the data directory.
const NODE_FILE: &str = "node";
/// How long the last writes may take when the hub stops.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// Why the hub could not start, or had to end.
#[derive(Debug, Error)]
pub enum AppError {
    /// The backplane's configuration is wrong, or its file cannot be opened.
    #[error(transparent)]
    Backplane(#[from] BackplaneError),
    /// The database's configuration is wrong, or a migration failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The HTTP server failed.
    #[error("the HTTP server failed: {0}")]
    Http(#[from] std::io::Error),
    /// Two metrics share a name.
    #[error("the metrics cannot be registered: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The API's description is wrong: a mistake in the program.
    #[error("the API's description is wrong: {0}")]
    Description(String),
    /// The node's name could not be drawn.
    #[error("the node has no name")]
    Node,
}

/// Runs the hub on `listener` until `shutdown` resolves, then drains and stops it. When `hurry`
/// resolves meanwhile, the drain ends at once; what is buffered is written all the same.
///
/// Must be called inside an actix system.
///
/// # Errors
/// When it cannot start, or its HTTP server fails.
pub async fn run(
    config: Config,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
    hurry: impl Future<Output = ()>,
) -> Result<(), AppError> {
    let database = open_database(&config)?;
    let services = start_actors(&config, database.clone())?;
    let drain_timeout = config.server.drain_timeout;
    let workers = config.server.workers;
    let state =
        web::Data::new(HttpState::new(services.clone(), config, database).map_err(AppError::Description)?);
    let workers = match workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    };
    let server = HttpServer::new(move || {
        App::new()
            .wrap(from_fn(http::admit))
            .wrap(http::headers())
            .configure(|routes| http::routes(routes, &state))
    })
    .workers(workers)
    .on_connect(http::transport::on_connect)
    // A closed WebSocket has nothing more to say; waiting here would cap connection churn.
    .client_disconnect_timeout(Duration::ZERO)
    .shutdown_timeout(1)
    .disable_signals()
    .listen(listener)?
    .run();
    let handle = server.handle();
    let serving = actix::spawn(server);
    shutdown.await;
    stop(&services, drain_timeout, hurry).await;
    handle.stop(true).await;
    match serving.await {
        Ok(result) => result.map_err(AppError::from),
        Err(failed) => Err(AppError::Http(std::io::Error::other(failed))),
    }
}

/// Opens the accounts database. A SQLite file is brought up to date; PostgreSQL may be away, and then
/// the routes that need it say so.
fn open_database(config: &Config) -> Result<Arc<Database>, AppError> {
    let database = Database::new(DatabaseUrl::parse(config.database.as_str())?);
    let database = Arc::new(database);
    if config.database.sqlite_path().is_some() {
        note_migrations(&database.migrate()?);
    } else {
        actix::spawn(migrate_when_possible(database.clone()));
    }
    Ok(database)
}

/// Brings a database server up to date as soon as it can be reached; nothing else waits for that.
async fn migrate_when_possible(database: Arc<Database>) {
    loop {
        let database = database.clone();
        match web::block(move || database.migrate()).await {
            Ok(Ok(applied)) => return note_migrations(&applied),
            Ok(Err(error)) => {
                log::warn!(error:% = error; "the database is not up to date yet; trying again");
            }
            Err(_) => return,
        }
        tokio::time::sleep(MIGRATION_RETRY).await;
    }
}

fn note_migrations(applied: &[String]) {
    if !applied.is_empty() {
        log::info!(count = applied.len(); "the database was brought up to date");
    }
}

/// Draws a name for this run of the hub, and finds the one of the run before it.
fn draw_node(data_dir: &Path) -> Result<(NodeId, Option<NodeId>), AppError> {
    let file = data_dir.join(NODE_FILE);
    let before = std::fs::read_to_string(&file).ok().and_then(|name| NodeId::parse(name.trim()).ok());
    let node = NodeId::parse(&Uuid::new_v4().simple().to_string()).map_err(|_| AppError::Node)?;
    if let Err(error) = std::fs::write(&file, node.as_str()) {
        log::warn!(error:% = error; "the name of this run is not kept; after a crash its connections count for a while");
    }
    Ok((node, before))
}

fn open_backplane(config: &Config) -> Result<Backplane, AppError> {
    Ok(match &config.backplane {
        config::Backplane::Embedded { queue_file } => Backplane::embedded(queue_file)?,
        config::Backplane::Redis { url } => Backplane::redis(url.expose())?,
    })
}

/// Who must sign what, as far as that is known at the start: a file is read, a server may be away, and
/// then it is what the last run knew.
fn ingress_rules(config: &Config, database: &Database) -> Result<(Arc<IngressRules>, RuleMemory), AppError> {
    let rules = IngressRules::new(config.ingress.signature_window, &config.auth.jwt_secret);
    let is_file = config.database.sqlite_path().is_some();
    let memory = RuleMemory::new(Some(config.server.data_dir.as_path()).filter(|_| !is_file));
    let known = if is_file { Some(database.ingress_rules()?) } else { memory.recall() };
    if let Some(known) = known {
        rules.replace(known, now());
    }
    Ok((Arc::new(rules), memory))
}

fn start_actors(config: &Config, database: Arc<Database>) -> Result<Arc<Services>, AppError> {
    let backplane = Arc::new(open_backplane(config)?);
    let metrics = Arc::new(Metrics::new()?);
    let delivery = &config.delivery;
    #[expect(clippy::cast_precision_loss, reason = "a start time to the millisecond")]
    metrics.started.set(now().wall.0 as f64 / 1000.0);
    let limits = limits(config);
    let (rules, memory) = ingress_rules(config, &database)?;
    let resolver = Arc::new(Resolver::new(database.clone(), backplane.clone(), rules.clone()));
    let queue = QueueAccess::new(
        rules.clone(),
        resolver.clone(),
        backplane.clone(),
        metrics.clone(),
        delivery.buffer_capacity,
        delivery.commit_size,
        limits.redelivery_after(1),
    );
    let (node, predecessor) = draw_node(&config.server.data_dir)?;
    let lone = matches!(*backplane, Backplane::Embedded(_));
    // A file has one hub, whose runs share a name; the books of a name in a file are kept for ever.
    let target =
        canary_of(if lone { backplane.name() } else { node.as_str() }).map_err(|_| AppError::Node)?;
    let shared = Arc::new(Shared {
        canary: CanaryLine::new(target, CanaryWatch::new(config.canary.map(|canary| canary.timeout))),
        node,
        predecessor,
        resolver,
        rules,
        backplane,
        queue,
        connections: Connections::default(),
        verifier: TokenVerifier::new(
            config.auth.jwt_secret.expose(),
            &config.auth.issuer,
            &config.auth.audience,
        ),
        failures: AuthFailures::default(),
        max_connections_per_orchestrator: config.websocket.max_connections_per_orchestrator,
        metrics,
        state: HubState::default(),
        malformed_kinds: dashmap::DashSet::new(),
        limits: Arc::new(limits),
    });
    let watch = Watch {
        sweep: sweep_interval(&shared.limits),
        slow_consumer: config.websocket.slow_consumer_timeout,
        offline_after: config.websocket.heartbeat_interval * 3,
    };
    let schedule =
        Schedule { commit_interval: delivery.commit_interval, sweep_interval: delivery.sweep_interval };
    let monitor = supervise(HeartbeatMonitor::new(shared.clone(), watch));
    let router = supervise(EventRouter::new(shared.clone()));
    let intake = Intake::new(shared.clone(), router.clone());
    let offline_queue = supervise(OfflineQueue::new(shared.clone(), schedule, intake.clone()));
    let drain_rate = config.server.drain_rate;
    let manager =
        supervise(ConnectionManager::new(shared.clone(), monitor.clone(), offline_queue.clone(), drain_rate));
    router.do_send(LegacyIn(offline_queue.clone()));
    router.do_send(CommandsTo(manager.clone()));
    let messages =
        MessageRouter::new(shared.clone(), intake.clone(), offline_queue.clone(), routing_rules(config));
    let announcer = supervise(Announcer::new(shared.clone(), database.clone(), intake.clone()));
    let rule_keeper = supervise(RuleKeeper::new(shared.clone(), database.clone(), memory));
    let reading = Reading { batch: config.ingress.batch, claim_after: config.ingress.claim_after };
    let ingress = supervise(IngressReader::new(shared.clone(), intake.clone(), reading));
    let recorder = supervise(StatusRecorder::new(shared.clone(), database.clone(), router.clone()));
    let keeper = supervise(DeadLetterKeeper::new(shared.clone(), database));
    let interval = config.canary.map(|canary| canary.interval);
    let canary = supervise(Canary::new(shared.clone(), router.clone(), interval));
    let ledger_check = supervise(LedgerCheck::new(shared.clone(), delivery.sweep_interval));
    monitor.do_send(Colleagues {
        manager: manager.clone(),
        router: router.clone(),
        recorder: recorder.clone(),
        offline_queue: offline_queue.clone(),
    });
    Ok(Arc::new(Services {
        shared,
        manager,
        intake,
        messages,
        rule_keeper,
        ingress,
        router,
        monitor,
        offline_queue,
        announcer,
        recorder,
        keeper,
        ledger_check,
        canary,
    }))
}

/// Starts an actor on the main thread that comes back when it fails.
fn supervise<A>(actor: A) -> actix::Addr<A>
where
    A: actix::Supervised + actix::Actor<Context = actix::Context<A>>,
{
    Supervisor::start(|_| actor)
}

fn limits(config: &Config) -> Limits {
    let (websocket, delivery) = (&config.websocket, &config.delivery);
    Limits {
        heartbeat_interval: websocket.heartbeat_interval,
        auth_timeout: websocket.auth_timeout,
        ping_interval: websocket.ping_interval,
        message_limit: websocket.message_limit,
        message_window: websocket.message_window,
        max_in_flight: delivery.max_in_flight,
        max_in_flight_ceiling: delivery.max_in_flight_ceiling,
        redelivery_schedule: delivery.redelivery_schedule.clone(),
        max_attempts: delivery.max_attempts,
        strict_scopes: config.auth.strict_scopes,
    }
}

fn routing_rules(config: &Config) -> RoutingRules {
    let routing = &config.routing;
    RoutingRules {
        max_attempts: routing.max_attempts,
        initial_delay: routing.initial_delay,
        backoff_multiplier: routing.backoff_multiplier,
        max_delay: routing.max_delay,
        queue_enabled: routing.queue_enabled,
        queue: QueueBounds { size: routing.max_queue_size, lifetime: routing.queue_ttl },
    }
}

/// Fine enough for the shortest deadline, coarse enough to cost nothing.
fn sweep_interval(limits: &Limits) -> Duration {
    let redelivery = limits.redelivery_schedule.iter().min().copied().unwrap_or(SWEEP.1);
    let shortest = limits.auth_timeout.min(limits.heartbeat_interval).min(redelivery);
    (shortest / 10).clamp(SWEEP.0, SWEEP.1)
}

/// Drains: nobody new, everybody sent away in slots, everything written (delivery section 5).
async fn stop(services: &Services, deadline: Duration, hurry: impl Future<Output = ()>) {
    let shared = &services.shared;
    shared.state.start_draining();
    log::info!(connections = shared.connections.len(); "draining");
    let patience = deadline.saturating_sub(FLUSH_TIMEOUT).max(Duration::from_secs(1));
    tokio::select! {
        drained = services.manager.send(DrainAll { deadline: patience }) => {
            if drained.is_err() {
                log::error!("the connections could not be drained");
            }
        }
        () = hurry => {
            log::warn!("the drain is cut short");
            shared.connections.close_all().await;
        }
    }
    let flush = async {
        let written = shared.queue.durable().await;
        // Closed connections are told to the backplane in batches; the last one may be on its way.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let retired = shared.backplane.retire(&shared.node).await;
        (written, retired)
    };
    match tokio::time::timeout(FLUSH_TIMEOUT, flush).await {
        Ok((Ok(_), Ok(()))) => log::info!("everything is written"),
        _ => log::error!("the backplane did not take the last changes in time"),
    }
}

#[cfg(test)]
mod tests;
