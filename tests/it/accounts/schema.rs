//! Both engines have the same tables.

use std::collections::BTreeSet;

use diesel::{
    Connection, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query, sql_types::Text,
};
use neolith_hub::store::database_url::DatabaseUrl;

use super::support::World;

#[derive(QueryableByName)]
struct Fact {
    #[diesel(sql_type = Text)]
    fact: String,
}

/// One line for each column and each index. Names of indexes that stand for a constraint are the
/// engine's own, so of those only uniqueness and columns count.
const SQLITE: &str = "
    SELECT t.name || '.' || c.name || ' ' || replace(c.type, 'BOOLEAN', 'BOOL')
        || CASE WHEN c.\"notnull\" THEN ' NOT NULL' ELSE '' END
        || CASE WHEN c.dflt_value IS NULL THEN '' ELSE ' DEFAULT ' || lower(c.dflt_value) END AS fact
    FROM sqlite_master t JOIN pragma_table_info(t.name) c
    WHERE t.type = 'table' AND t.name NOT LIKE '\\_\\_%' ESCAPE '\\'
    UNION ALL
    SELECT 'index ' || CASE WHEN i.origin = 'c' THEN i.name || ' ' ELSE '' END
        || CASE WHEN i.\"unique\" THEN 'UNIQUE ' ELSE '' END
        || CASE WHEN i.partial THEN 'PARTIAL ' ELSE '' END || t.name || '('
        || (SELECT group_concat(x.name, ',') FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno) x)
        || ')'
    FROM sqlite_master t JOIN pragma_index_list(t.name) i
    WHERE t.type = 'table' AND t.name NOT LIKE '\\_\\_%' ESCAPE '\\'
    UNION ALL
    SELECT 'reference ' || t.name || '.' || f.\"from\" || ' ' || f.\"table\" || '.' || f.\"to\" || ' ' || f.on_delete
        || ' ' || f.on_update
    FROM sqlite_master t JOIN pragma_foreign_key_list(t.name) f WHERE t.type = 'table'";

const POSTGRES: &str = "
    SELECT c.table_name || '.' || c.column_name || ' '
        || CASE c.data_type WHEN 'timestamp without time zone' THEN 'TIMESTAMP'
                            WHEN 'boolean' THEN 'BOOL' ELSE upper(c.data_type) END
        || CASE WHEN c.is_nullable = 'NO' THEN ' NOT NULL' ELSE '' END
        || CASE WHEN c.column_default IS NULL THEN ''
                ELSE ' DEFAULT ' || lower(replace(c.column_default, '::text', '')) END AS fact
    FROM information_schema.columns c
    WHERE c.table_schema = 'public' AND c.table_name NOT LIKE '\\_\\_%'
    UNION ALL
    SELECT 'index ' || CASE WHEN n.oid IS NULL THEN i.relname || ' ' ELSE '' END
        || CASE WHEN x.indisunique THEN 'UNIQUE ' ELSE '' END
        || CASE WHEN x.indpred IS NOT NULL THEN 'PARTIAL ' ELSE '' END || t.relname || '('
        || (SELECT string_agg(a.attname, ',' ORDER BY k.place)
            FROM unnest(x.indkey) WITH ORDINALITY AS k (attnum, place)
            JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.attnum)
        || ')'
    FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
    JOIN pg_namespace s ON s.oid = t.relnamespace
    LEFT JOIN pg_constraint n ON n.conindid = x.indexrelid AND n.contype IN ('p', 'u')
    WHERE s.nspname = 'public' AND t.relname NOT LIKE '\\_\\_%'
    UNION ALL
    SELECT 'reference ' || t.relname || '.' || a.attname || ' ' || r.relname || '.' || b.attname || ' '
        || CASE n.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' ELSE 'OTHER' END || ' '
        || CASE n.confupdtype WHEN 'c' THEN 'CASCADE' ELSE 'OTHER' END
    FROM pg_constraint n JOIN pg_class t ON t.oid = n.conrelid JOIN pg_class r ON r.oid = n.confrelid
    JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = n.conkey[1]
    JOIN pg_attribute b ON b.attrelid = r.oid AND b.attnum = n.confkey[1]
    WHERE n.contype = 'f'";

fn facts(world: &World) -> BTreeSet<String> {
    let facts: Vec<Fact> = match world.url() {
        DatabaseUrl::Sqlite(path) => {
            sql_query(SQLITE).load(&mut SqliteConnection::establish(path).unwrap()).unwrap()
        }
        DatabaseUrl::Postgres(url) => {
            sql_query(POSTGRES).load(&mut PgConnection::establish(url).unwrap()).unwrap()
        }
    };
    facts.into_iter().map(|fact| fact.fact).collect()
}

#[test]
fn both_engines_have_the_same_tables() {
    let (sqlite, postgres) = (facts(&World::sqlite()), facts(&World::postgres()));
    assert!(sqlite.len() > 150, "{sqlite:#?}");
    let only = |these: &BTreeSet<String>, those: &BTreeSet<String>| -> Vec<String> {
        these.difference(those).cloned().collect()
    };
    assert_eq!(
        only(&sqlite, &postgres),
        only(&postgres, &sqlite),
        "left: SQLite only; right: PostgreSQL only"
    );
}

/// The migrations after the first one, latest first, and how each engine undoes them.
const LATER: [(&str, &str, &str); 2] = [
    (
        "2025-03-01-000000_delivery",
        include_str!("../../../migrations/sqlite/2025-03-01-000000_delivery/down.sql"),
        include_str!("../../../migrations/postgres/2025-03-01-000000_delivery/down.sql"),
    ),
    (
        "2025-02-01-000000_rest_api",
        include_str!("../../../migrations/sqlite/2025-02-01-000000_rest_api/down.sql"),
        include_str!("../../../migrations/postgres/2025-02-01-000000_rest_api/down.sql"),
    ),
];

/// A hub of the first version left its rows behind.
#[test]
fn the_migrations_can_be_undone_and_done_again() {
    let worlds = [World::sqlite(), World::postgres()];
    for world in &worlds {
        for (name, sqlite, postgres) in LATER {
            world.sql(if matches!(world.url(), DatabaseUrl::Sqlite(_)) { sqlite } else { postgres });
            let version: String = name.chars().take(17).filter(char::is_ascii_digit).collect();
            world.sql(&format!("DELETE FROM __diesel_schema_migrations WHERE version = '{version}'"));
        }
        let names: Vec<String> = LATER.iter().rev().map(|(name, ..)| (*name).to_owned()).collect();
        assert_eq!(world.database.migrate(), Ok(names));
        let kept = world.database.organization("org_1", None).unwrap().unwrap();
        assert_eq!((kept.settings, kept.ingress_policy), (serde_json::json!({}), "off".to_owned()));
    }
}
