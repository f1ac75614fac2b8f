//! The page about metrics names what there is, and nothing else.

use std::{collections::BTreeSet, fs, path::Path};

/// Every word in quotes or backticks that could be a metric's name, up to its labels.
fn names(text: &str, quote: char) -> impl Iterator<Item = &str> {
    let words = text.split(quote).map(|word| word.split('{').next().unwrap_or_default());
    words.filter(|word| {
        let ours = ["ws_", "hub_", "process_"].iter().any(|prefix| word.starts_with(prefix));
        ours && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    })
}

#[test]
fn every_metric_is_on_the_page_and_the_page_has_no_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![root.join("src/telemetry/metrics.rs")];
    let folder = fs::read_dir(root.join("src/telemetry/metrics")).unwrap();
    files.extend(folder.map(|entry| entry.unwrap().path()));
    let code = |text: String| text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
    let sources: String = files.iter().map(|file| code(fs::read_to_string(file).unwrap())).collect();
    let registered: BTreeSet<&str> = names(&sources, '"').collect();
    assert!(registered.len() > 20, "{registered:?}");

    let page = fs::read_to_string(root.join("docs/metrics.md")).unwrap();
    // In the table, the name comes first.
    let rows: BTreeSet<&str> = page
        .lines()
        .filter(|line| {
            line.contains("| gauge |") || line.contains("| counter |") || line.contains("| histogram |")
        })
        .filter_map(|line| names(line, '`').next())
        .collect();
    let missing: Vec<_> = registered.difference(&rows).collect();
    let unknown: Vec<_> = rows.difference(&registered).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "not on the page: {missing:?}; only there: {unknown:?}"
    );
}
