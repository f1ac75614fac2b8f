//! A hub with accounts: organizations, orchestrators with credentials, channels.

use std::sync::{
    Arc, Mutex, PoisonError, Weak,
    atomic::{AtomicU32, Ordering},
};

use diesel::{Connection, PgConnection, connection::SimpleConnection};
use neolith_hub::{
    domain::clock::now,
    store::{
        accounts::{
            channel_changes::NewChannel,
            credential_changes::NewCredential,
            members::Group,
            orchestrator_changes::{Face, NewOrchestrator},
            organizations::NewOrganization,
            users::NewUser,
            workspaces::NewWorkspace,
        },
        database::Database,
        database_url::DatabaseUrl,
    },
};
use serde_json::{Value, json};

use super::{
    hub::{Hub, Setup},
    identity::{Identity, unique},
    postgres::PostgresServer,
    redis::RedisServer,
    socket::Daemon,
};

/// Of whichever tests run at the same time; the last of them stops it.
static SERVER: Mutex<Weak<PostgresServer>> = Mutex::new(Weak::new());
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// An empty PostgreSQL database: its URL, and the server that must outlive its use.
pub(crate) fn postgres_database() -> (String, Arc<PostgresServer>) {
    let server = {
        let mut shared = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(PostgresServer::start());
            *shared = Arc::downgrade(&server);
            server
        })
    };
    let name = format!("hub_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    let mut connection = PgConnection::establish(&server.url()).unwrap();
    connection.batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
    let url = server.url();
    let (address, _) = url.rsplit_once('/').unwrap();
    (format!("{address}/{name}"), server)
}

/// What the hub stands on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stand {
    /// Nothing: the embedded backplane and SQLite.
    Alone,
    /// Redis and PostgreSQL.
    Servers,
}

/// Runs each promise, a `fn(Stand)`, once on a hub without servers and once on Redis and PostgreSQL.
macro_rules! on_both_stands {
    ($($promise:ident),+ $(,)?) => {
        mod alone {
            $(#[test] fn $promise() { super::$promise(crate::support::platform::Stand::Alone); })+
        }
        mod servers {
            $(#[test] fn $promise() { super::$promise(crate::support::platform::Stand::Servers); })+
        }
    };
}
pub(crate) use on_both_stands;

impl Stand {
    /// A ready hub with default settings.
    pub(crate) fn start(self) -> Platform {
        self.start_with(&[])
    }

    /// A ready hub with some settings of its own.
    pub(crate) fn start_with(self, environment: &[(&str, &str)]) -> Platform {
        let kept = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Platform::start(self, Hub::setup().envs(environment), kept.collect())
    }
}

/// A hub, its accounts, and its servers, if it has any.
pub(crate) struct Platform {
    /// The hub.
    pub(crate) hub: Hub,
    /// Its accounts.
    pub(crate) database: Database,
    /// Its Redis, if it has one.
    pub(crate) redis: Option<RedisServer>,
    postgres: Option<(String, Arc<PostgresServer>)>,
    environment: Vec<(String, String)>,
}

impl Platform {
    /// Another hub on the same servers.
    pub(crate) fn another_hub(&self) -> Hub {
        let (url, _) = self.postgres.as_ref().unwrap();
        let settings: Vec<(&str, &str)> =
            self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Hub::setup().envs(&settings).redis(self.redis.as_ref().unwrap()).env("DATABASE_URL", url).start()
    }

    fn start(stand: Stand, setup: Setup, environment: Vec<(String, String)>) -> Self {
        match stand {
            Stand::Alone => {
                let hub = setup.start();
                let file = hub.data_dir().join("hub.db").display().to_string();
                let database = Database::new(DatabaseUrl::Sqlite(file));
                Self { hub, database, redis: None, postgres: None, environment }
            }
            Stand::Servers => {
                let redis = RedisServer::start();
                let (url, postgres) = postgres_database();
                let database = Database::new(DatabaseUrl::parse(&url).unwrap());
                database.migrate().unwrap();
                let hub = setup.redis(&redis).env("DATABASE_URL", &url).start();
                Self { hub, database, redis: Some(redis), postgres: Some((url, postgres)), environment }
            }
        }
    }

    /// A new organization with a workspace and a public channel.
    pub(crate) fn organization(&self) -> Organization<'_> {
        let (id, at) = (unique("org"), now().wall);
        let new = NewOrganization {
            id: Some(id.clone()),
            name: format!("The {id}"),
            slug: id.clone(),
            ..NewOrganization::default()
        };
        self.database.create_organization(new, at).unwrap();
        let workspace = NewWorkspace {
            organization_id: id.clone(),
            name: "Work".to_owned(),
            slug: "work".to_owned(),
            ..NewWorkspace::default()
        };
        let workspace = self.database.create_workspace(workspace, None, at).unwrap().id;
        let organization = Organization { platform: self, id, workspace, channel: String::new() };
        let channel = organization.channel("PUBLIC");
        Organization { channel, ..organization }
    }
}

/// A tenant.
pub(crate) struct Organization<'a> {
    platform: &'a Platform,
    /// Its id.
    pub(crate) id: String,
    /// Its workspace.
    pub(crate) workspace: String,
    /// A public channel in it.
    pub(crate) channel: String,
}

impl Organization<'_> {
    /// Another channel.
    pub(crate) fn channel(&self, kind: &str) -> String {
        let new = NewChannel {
            workspace_id: self.workspace.clone(),
            name: "Channel".to_owned(),
            slug: unique("channel"),
            kind: Some(kind.to_owned()),
            ..NewChannel::default()
        };
        self.platform.database.create_channel(new, None, now().wall).unwrap().id
    }

    /// A new orchestrator with a credential; no member of any channel.
    pub(crate) fn orchestrator(&self) -> Orchestrator<'_> {
        self.orchestrator_with(json!([]))
    }

    /// The same with capabilities.
    pub(crate) fn orchestrator_with(&self, capabilities: Value) -> Orchestrator<'_> {
        let (id, at) = (unique("vp"), now().wall);
        let database = &self.platform.database;
        let face = NewUser {
            email: Some(format!("{id}@example.com")),
            name: Some(format!("Agent {id}")),
            ..NewUser::default()
        };
        let new = NewOrchestrator {
            id: Some(id.clone()),
            organization_id: self.id.clone(),
            workspace_id: Some(self.workspace.clone()),
            face: Face::New(face),
            discipline: "engineering".to_owned(),
            role: "builder".to_owned(),
            capabilities: Some(capabilities),
            daemon_endpoint: None,
        };
        let user = database.create_orchestrator(new, None, at).unwrap().user_id.unwrap();
        let credential = NewCredential {
            orchestrator_id: id.clone(),
            name: "first".to_owned(),
            scopes: None,
            expires_at: None,
            created_by: None,
        };
        let issued = database.issue_credential(credential, None, at).unwrap();
        Orchestrator {
            organization: self,
            id,
            user,
            credential: issued.credential.id,
            key: issued.key.expose().to_owned(),
            secret: issued.secret.expose().to_owned(),
        }
    }

    /// Makes a user a member of a channel.
    pub(crate) fn admit(&self, user: &str, channel: &str) {
        let group = Group::Channel(channel);
        self.platform.database.add_member(group, user, "MEMBER", None, now().wall).unwrap();
    }
}

/// An orchestrator with what its daemon needs.
pub(crate) struct Orchestrator<'a> {
    organization: &'a Organization<'a>,
    /// Its id.
    pub(crate) id: String,
    /// The user that it appears as.
    pub(crate) user: String,
    /// The id of its credential.
    pub(crate) credential: String,
    /// Its API key.
    pub(crate) key: String,
    /// The secret beside it.
    pub(crate) secret: String,
}

impl Orchestrator<'_> {
    fn hub(&self) -> &Hub {
        &self.organization.platform.hub
    }

    /// The body of a registration.
    pub(crate) fn registration(&self, instance: &str) -> Value {
        json!({
            "orchestratorId": self.id, "organizationId": self.organization.id, "apiKey": self.key,
            "daemonInfo": {
                "instanceId": instance, "version": "1.0.0", "host": "localhost", "port": 8080,
                "protocol": "http", "startedAt": "2024-01-01T00:00:00Z", "capabilities": ["chat", "voice"],
            },
        })
    }

    /// Logs in; the whole answer.
    #[track_caller]
    pub(crate) fn login(&self) -> Value {
        let body = json!({ "apiKey": self.key, "apiSecret": self.secret });
        self.hub().call("POST", "/api/daemon/auth").json(&body).expect(200)
    }

    /// Logs in; the access token.
    #[track_caller]
    pub(crate) fn token(&self) -> String {
        self.login()["accessToken"].as_str().unwrap().to_owned()
    }

    /// Logs in for some scopes; the access token.
    #[track_caller]
    pub(crate) fn token_for(&self, scopes: &[&str]) -> String {
        let body = json!({ "apiKey": self.key, "apiSecret": self.secret, "scopes": scopes });
        let answer = self.hub().call("POST", "/api/daemon/auth").json(&body).expect(200);
        answer["accessToken"].as_str().unwrap().to_owned()
    }

    /// A daemon of it on a socket.
    #[track_caller]
    pub(crate) fn connect(&self) -> Daemon {
        Daemon::connect(self.hub(), &Identity::holding(&self.id, self.token()))
    }

    /// Makes it a member of its organization's channel.
    pub(crate) fn in_channel(self) -> Self {
        self.organization.admit(&self.user, &self.organization.channel);
        self
    }
}
