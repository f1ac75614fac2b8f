use std::fs;

use super::*;

fn load(environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    load_with(&Overrides::default(), environment)
}

fn load_with(overrides: &Overrides, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::from_sources(overrides, environment, Secrets::Inspect)
}

fn sentence(environment: &[(&str, &str)]) -> String {
    let sentence = load(environment).expect_err("refused").to_string();
    assert!(!sentence.contains('\n'), "{sentence}");
    sentence
}

fn file(text: &str) -> (tempfile::TempDir, Overrides) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("hub.toml");
    fs::write(&path, text).expect("written");
    (dir, Overrides { config_file: Some(path), data_dir: None })
}

#[test]
fn without_any_source_the_hub_is_self_contained_on_loopback() {
    let config = load(&[]).expect("a configuration");
    assert_eq!(config.server.bind, "127.0.0.1:3000");
    assert!(config.is_self_contained() && config.server.data_dir.is_absolute());
    assert_eq!(config.websocket.heartbeat_interval, Duration::from_secs(30));
    assert_eq!(config.websocket.max_connections_per_orchestrator, 5);
    assert_eq!(config.delivery.redelivery_schedule.len(), 5);
    assert_eq!(config.database.sqlite_path().map(PathBuf::from), Some(config.server.data_dir.join("hub.db")));
    assert!(
        matches!(config.backplane, Backplane::Embedded { queue_file } if queue_file.ends_with("queue.db"))
    );
    assert_eq!((config.log.format, config.log.filter.as_str()), (LogFormat::Text, "info"));
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
    let (_dir, overrides) =
        file("[websocket]\nauth_timeout_ms = 4000\nmessage_limit = 7\n[log]\nformat = \"json\"\n");
    let config = load_with(&overrides, &[("WS_AUTH_TIMEOUT", "5000")]).expect("a configuration");
    assert_eq!(config.websocket.auth_timeout, Duration::from_secs(5));
    assert_eq!(config.websocket.message_limit, 7);
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.websocket.message_window, Duration::from_secs(60));
    let path = overrides.config_file.expect("a path");
    let by_variable = load(&[("HUB_CONFIG", path.to_str().expect("text"))]).expect("a configuration");
    assert_eq!(by_variable.websocket.message_limit, 7);
}

#[test]
fn every_key_has_a_variable() {
    let config = load(&[
        ("HUB_SERVER_DRAIN_RATE", "3"),
        ("HUB_AUTH_STRICT_SCOPES", "true"),
        ("HUB_WEBSOCKET_ALLOWED_ORIGINS", "https://a.example, *"),
        ("HUB_DELIVERY_REDELIVERY_SCHEDULE_MS", "100,200"),
        ("HUB_LOG_FORMAT", "json"),
        ("RUST_LOG", "debug"),
        ("WS_PATH", "/hub"),
        ("DAEMON_API_URL", "https://neolith.example"),
        ("WS_AUTH_TIMEOUT", ""),
    ])
    .expect("a configuration");
    assert_eq!((config.server.drain_rate, config.auth.strict_scopes), (3, true));
    assert_eq!(config.websocket.allowed_origins, ["https://a.example", "*"]);
    assert_eq!(config.delivery.redelivery_schedule, [100, 200].map(Duration::from_millis));
    assert_eq!((config.log.filter.as_str(), config.server.ws_path.as_str()), ("debug", "/hub"));
    assert_eq!(config.websocket.auth_timeout, Duration::from_secs(10), "an empty variable is not set");
    assert!(config.daemon_api.is_some());
}

#[test]
fn the_address_comes_from_the_most_deliberate_source() {
    let bind = |environment: &[(&str, &str)]| load(environment).expect("a configuration").server.bind;
    let container = [("HOSTNAME", "3f2a"), ("PORT", "8080")];
    assert_eq!(bind(&container), "3f2a:8080");
    assert_eq!(bind(&[container[0], container[1], ("HUB_BIND", "0.0.0.0:9")]), "0.0.0.0:9");
    assert_eq!(bind(&[("HOSTNAME", "::1")]), "[::1]:3000");
    let (_dir, overrides) = file("[server]\nbind = \"0.0.0.0:4000\"\n");
    let config = load_with(&overrides, &container).expect("a configuration");
    assert_eq!(config.server.bind, "0.0.0.0:8080", "a file's address is not lost to a container's name");
    assert!(sentence(&[("PORT", "http")]).starts_with("PORT must be a port number"));
    assert!(sentence(&[("HUB_BIND", "3000")]).starts_with("server.bind (HUB_BIND) must be address:port"));
    assert!(sentence(&[("HUB_BIND", "::1:3000")]).contains("[::1]:3000"));
}

#[test]
fn redis_is_composed_of_its_parts_unless_there_is_a_url() {
    let url = |environment: &[(&str, &str)]| {
        let secret = [environment, &[("DAEMON_JWT_SECRET", "0123456789")]].concat();
        match load(&secret).expect("a configuration").backplane {
            Backplane::Redis { url } => url.expose().to_owned(),
            Backplane::Embedded { .. } => "embedded".to_owned(),
        }
    };
    let parts =
        [("REDIS_HOST", "cache"), ("REDIS_PORT", "6380"), ("REDIS_PASSWORD", "p@/ß"), ("REDIS_DB", "2")];
    assert_eq!(url(&parts), "redis://:p%40%2F%C3%9F@cache:6380/2");
    assert_eq!(url(&[("REDIS_HOST", "cache")]), "redis://cache:6379/0");
    assert_eq!(url(&[("REDIS_HOST", "cache"), ("REDIS_URL", "redis://other")]), "redis://other");
    assert_eq!(url(&[("REDIS_PASSWORD", "left over")]), "embedded");
    let kubernetes = [("REDIS_HOST", "redis"), ("REDIS_PORT", "tcp://10.0.0.1:6379")];
    assert_eq!(url(&kubernetes), "redis://redis:6379/0", "a service link is no port");
    for refused in ["http://cache", "rediss://cache", "redis://a,redis://b", "redis://"] {
        let sentence = sentence(&[("REDIS_URL", refused)]);
        assert!(sentence.contains("(REDIS_URL) must be one URL such as redis://"), "{refused}: {sentence}");
    }
}

#[test]
fn unknown_names_are_refused_by_name() {
    assert!(sentence(&[("HUB_WS_PATH", "/x")]).starts_with("HUB_WS_PATH is not a variable of the hub"));
    load(&[
        ("HUB_SERVICE_HOST", "10.0.0.1"),
        ("HUB_PORT", "tcp://10.0.0.1:3000"),
        ("HUB_PORT_3000_TCP_PORT", "3000"),
    ])
    .expect("what Kubernetes sets for a service named hub does no harm");
    for (text, name) in [
        ("[server]\nbnid = \"x\"\n", "server.bnid is no setting"),
        ("[sever]\nbind = \"x\"\n", "sever is no setting"),
        ("bind = \"x\"\n", "bind is no setting"),
    ] {
        let (_dir, overrides) = file(text);
        let sentence = load_with(&overrides, &[]).expect_err("refused").to_string();
        assert!(sentence.contains(name) && sentence.contains("hub.toml"), "{sentence}");
    }
}

#[test]
fn two_names_with_two_values_are_a_contradiction() {
    let sentence = sentence(&[("WS_AUTH_TIMEOUT", "1"), ("HUB_WEBSOCKET_AUTH_TIMEOUT_MS", "2")]);
    assert!(sentence.starts_with("HUB_WEBSOCKET_AUTH_TIMEOUT_MS and WS_AUTH_TIMEOUT are the same setting"));
    load(&[("WS_AUTH_TIMEOUT", "1000"), ("HUB_WEBSOCKET_AUTH_TIMEOUT_MS", "1000")]).expect("they agree");
}

#[test]
fn values_out_of_range_are_refused_with_the_range() {
    assert_eq!(
        sentence(&[("WS_MAX_CONNECTIONS_PER_VP", "0")]),
        "websocket.max_connections_per_orchestrator (WS_MAX_CONNECTIONS_PER_VP) must be between 1 and 1000000, not 0"
    );
    assert_eq!(
        sentence(&[("WS_AUTH_TIMEOUT", "soon")]),
        "WS_AUTH_TIMEOUT must be a whole number, not \"soon\""
    );
    for (name, value, expected) in [
        ("WS_HEARTBEAT_INTERVAL", "1", "websocket.heartbeat_interval_ms (WS_HEARTBEAT_INTERVAL)"),
        ("HUB_AUTH_STRICT_SCOPES", "maybe", "must be true or false"),
        ("HUB_DELIVERY_REDELIVERY_SCHEDULE_MS", ",", "must have at least one entry"),
        ("HUB_WEBSOCKET_ALLOWED_ORIGINS", "app.example", "must list origins"),
        ("WS_PATH", "daemon", "must be a free path"),
        ("DATABASE_URL", "mysql://db/hub", "database.url (DATABASE_URL) must begin with sqlite://"),
        ("HUB_LOG_FORMAT", "xml", "log.format (HUB_LOG_FORMAT) must be text or json"),
        ("DAEMON_API_URL", "neolith", "daemon_api.url (DAEMON_API_URL) must begin with http"),
        ("DAEMON_JWT_SECRET", "short", "auth.jwt_secret (DAEMON_JWT_SECRET) is too short"),
    ] {
        let sentence = sentence(&[(name, value)]);
        assert!(sentence.contains(expected), "{sentence}");
    }
}

#[test]
fn a_broken_file_is_refused_without_showing_it() {
    let (_dir, overrides) = file("[auth]\njwt_secret = \"hunter2\n");
    let sentence = load_with(&overrides, &[]).expect_err("refused").to_string();
    assert!(sentence.contains("hub.toml") && sentence.contains("line 2"), "{sentence}");
    assert!(!sentence.contains("hunter2") && !sentence.contains('\n'), "{sentence}");

    let (_dir, overrides) = file("[websocket]\nmessage_limit = \"many\"\n");
    let sentence = load_with(&overrides, &[]).expect_err("refused").to_string();
    assert!(sentence.contains("websocket.message_limit"), "{sentence}");

    let missing = Overrides { config_file: Some("/nowhere/hub.toml".into()), data_dir: None };
    let sentence = load_with(&missing, &[]).expect_err("refused").to_string();
    assert!(sentence.contains("/nowhere/hub.toml") && sentence.contains("--config"), "{sentence}");
}

#[test]
fn what_is_shared_between_hubs_must_be_given() {
    for shared in [("REDIS_URL", "redis://cache"), ("DATABASE_URL", "postgres://db/hub")] {
        assert!(sentence(&[shared]).starts_with("auth.jwt_secret (DAEMON_JWT_SECRET) is missing"));
        let config = load(&[shared, ("DAEMON_JWT_SECRET", "0123456789")]).expect("a configuration");
        assert!(config.auth.admin_api_key.is_none() && !config.is_self_contained());
    }
}

#[test]
fn only_a_command_that_may_creates_secrets() {
    let root = tempfile::tempdir().expect("a directory");
    let data_dir = root.path().join("data");
    let overrides = Overrides { config_file: None, data_dir: Some(data_dir.clone()) };
    Config::from_sources(&overrides, [], Secrets::Inspect).expect("a configuration");
    assert!(!data_dir.exists());
    let refused = [("HUB_LOG_FORMAT".to_owned(), "xml".to_owned())];
    Config::from_sources(&overrides, refused, Secrets::Create).expect_err("refused");
    assert!(!data_dir.exists(), "a refused configuration leaves nothing behind");
    let made = Config::from_sources(&overrides, [], Secrets::Create).expect("a configuration");
    let read = Config::from_sources(&overrides, [], Secrets::Inspect).expect("a configuration");
    assert_eq!(made.auth.jwt_secret.expose(), read.auth.jwt_secret.expose());
    let key = |config: &Config| config.auth.admin_api_key.as_ref().map(|key| key.expose().to_owned());
    assert!(key(&made).is_some() && key(&made) == key(&read));
}

#[test]
fn no_secret_shows_in_debug_output() {
    let config = load(&[
        ("REDIS_URL", "redis://:hunter2@cache"),
        ("DATABASE_URL", "postgres://u:hunter2@db/hub"),
        ("DAEMON_JWT_SECRET", "hunter2hunter2"),
        ("ADMIN_API_KEY", "hunter2"),
        ("DAEMON_API_URL", "https://neolith.example"),
        ("DAEMON_API_SECRET", "hunter2"),
    ])
    .expect("a configuration");
    assert!(!format!("{config:?}").contains("hunter2"));
}
