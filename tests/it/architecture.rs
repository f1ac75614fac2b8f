//! The rooms of the crate, and which of them may know of which.

use std::{fs, path::Path};

/// A room, and the rooms that its files may name.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("protocol", &["domain"]),
    ("config", &["domain"]),
    ("session", &["domain", "protocol", "config"]),
    ("auth", &["domain", "protocol", "config"]),
    ("store", &["domain", "protocol", "config"]),
    ("telemetry", &["domain", "protocol", "config"]),
    ("client", &["domain", "protocol", "config"]),
    ("backplane", &["domain", "protocol", "config", "store"]),
    ("actors", &["domain", "protocol", "config", "session", "auth", "store", "telemetry", "backplane"]),
    (
        "http",
        &["domain", "protocol", "config", "session", "auth", "store", "telemetry", "backplane", "actors"],
    ),
    (
        "dashboard",
        &["domain", "protocol", "config", "auth", "store", "telemetry", "backplane", "actors", "http"],
    ),
];

/// An outside name, and the files in which it may stand; a name ending in `*` is a prefix.
const HOMES: &[(&str, &[&str])] = &[
    ("actix_web_actors", &["actors/connection*", "http/ws*"]),
    ("actix", &["actors*", "http*", "dashboard*", "cli*", "app*", "lib.rs", "main.rs"]),
    ("actix_web", &["actors*", "http*", "dashboard*", "cli*", "app*", "lib.rs", "main.rs"]),
    ("actix_http", &["actors/connection*", "http/ws*"]),
    ("diesel", &["store*"]),
    ("diesel_migrations", &["store*"]),
    ("r2d2", &["store*"]),
    ("redis", &["backplane/redis*"]),
    ("jsonwebtoken", &["auth*"]),
];

const LONGEST_FILE: usize = 500;

struct Source {
    /// Relative to `src`, with forward slashes.
    path: String,
    text: String,
}

impl Source {
    /// The first part of the path, which names the room.
    fn room(&self) -> &str {
        self.path.split('/').next().unwrap().trim_end_matches(".rs")
    }

    /// Numbered lines of code: neither comments nor the unit tests at the end.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(index, line)| (index + 1, line));
        let code = lines.take_while(|(_, line)| line.trim() != "#[cfg(test)]");
        code.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    fn is_in(&self, homes: &[&str]) -> bool {
        homes.iter().any(|home| match home.strip_suffix('*') {
            Some(prefix) => self.path.starts_with(prefix),
            None => self.path == *home,
        })
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources
                    .push(Source { path: relative(&root, &path), text: fs::read_to_string(&path).unwrap() });
            }
        }
    }
    sources
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/")
}

/// The names that follow `prefix` in a line, those inside one pair of braces included.
fn names_after<'a>(line: &'a str, prefix: &str) -> Vec<&'a str> {
    let word = |text: &'a str| {
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        &text[..end]
    };
    let starts = line.match_indices(prefix).map(|(at, _)| &line[at + prefix.len()..]);
    starts
        .flat_map(|rest| match rest.strip_prefix('{') {
            Some(list) => list.split(',').map(|item| word(item.trim())).collect(),
            None => vec![word(rest)],
        })
        .collect()
}

/// Whether the line uses a crate: `name::` that is not part of a longer path or word.
fn uses_crate(line: &str, name: &str) -> bool {
    let path = format!("{name}::");
    line.match_indices(&path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let own = before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':');
        own || line[..at].ends_with(" ::")
    }) || line.trim() == format!("use {name};")
}

#[track_caller]
fn assert_none(offences: &[String]) {
    assert!(offences.is_empty(), "\n{}\n", offences.join("\n"));
}

#[test]
fn rooms_import_in_one_direction_only() {
    let mut offences = Vec::new();
    for source in &sources() {
        let Some((room, allowed)) = MAY_IMPORT.iter().find(|(room, _)| *room == source.room()) else {
            continue;
        };
        // `use crate::{` opens a list over several lines; its first level names the rooms too.
        let mut in_list = false;
        for (number, line) in source.code() {
            let listed =
                if in_list { line.strip_prefix("    ").filter(|rest| !rest.starts_with(' ')) } else { None };
            in_list = line.trim_end().ends_with("use crate::{") || (in_list && line.trim() != "};");
            let listed = listed.and_then(|rest| names_after(rest, "").first().copied());
            let named = names_after(line, "crate::").into_iter().chain(listed);
            for name in named.filter(|name| MAY_IMPORT.iter().any(|(other, _)| other == name) || is_top(name))
            {
                if name != *room && !allowed.contains(&name) {
                    offences.push(format!("src/{}:{number}: {room} may not know of {name}", source.path));
                }
            }
        }
    }
    assert_none(&offences);
}

/// The rooms above all others, which nobody imports.
fn is_top(name: &str) -> bool {
    matches!(name, "app" | "cli")
}

#[test]
fn outside_crates_stay_in_their_homes() {
    let mut offences = Vec::new();
    for source in &sources() {
        for (name, homes) in HOMES.iter().filter(|(_, homes)| !source.is_in(homes)) {
            for (number, line) in source.code().filter(|(_, line)| uses_crate(line, name)) {
                // A module of the crate may have the name of an outside crate.
                let local =
                    ["crate", "self", "backplane"].iter().any(|own| line.contains(&format!("{own}::{name}")));
                let sibling = *name == "redis" && source.path == "backplane.rs";
                if !local && !sibling {
                    offences.push(format!("src/{}:{number}: {name} lives in {homes:?}", source.path));
                }
            }
        }
    }
    assert_none(&offences);
}

#[test]
fn only_the_configuration_reads_the_environment() {
    let reads = |line: &str| line.contains("std::env") || line.contains("env::var");
    let sources = sources();
    // The simulator is a test, and is told its seeds.
    let elsewhere = sources.iter().filter(|source| !matches!(source.room(), "config" | "simulation"));
    let offences: Vec<_> = elsewhere
        .flat_map(|source| {
            source
                .code()
                .filter(|(_, line)| reads(line))
                .map(|(number, line)| format!("src/{}:{number}: {}", source.path, line.trim()))
        })
        .collect();
    assert_none(&offences);
}

#[test]
fn no_file_is_longer_than_one_can_read() {
    let sources = sources();
    let long = sources.iter().map(|source| (source, source.text.lines().count()));
    let long = long.filter(|(_, lines)| *lines > LONGEST_FILE);
    let offences: Vec<_> =
        long.map(|(source, lines)| format!("src/{}: {lines} lines, split it", source.path)).collect();
    assert_none(&offences);
}
