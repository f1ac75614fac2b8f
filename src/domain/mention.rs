//! Who is mentioned in a message (contract 9.10): `@` and a user's id or name, or a list in the
//! message's metadata.

use serde_json::Value;

/// What somebody may be mentioned by.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    /// Ids, which must be spelled exactly.
    pub ids: &'a [&'a str],
    /// Names for people, whose capitals do not matter.
    pub names: &'a [&'a str],
}

/// Whether `content` or `metadata` mentions somebody who goes by `names`. `@ann` does not mention
/// somebody called `anna`, nor the other way round.
#[must_use]
pub fn mentions(content: &str, metadata: &Value, names: Names<'_>) -> bool {
    let listed = metadata.get("mentions").and_then(Value::as_array).into_iter().flatten();
    let mut listed = listed.filter_map(|entry| {
        let id = ["userId", "orchestratorId", "vpId", "id"].into_iter().find_map(|name| entry.get(name));
        id.unwrap_or(entry).as_str()
    });
    listed.any(|id| names.ids.contains(&id))
        || content.match_indices('@').any(|(at, _)| {
            let rest = content.get(at + 1..).unwrap_or_default();
            let rest = rest.strip_prefix('{').unwrap_or(rest);
            let is_meant = |name: &str, same: fn(&str, &str) -> bool| {
                let split = rest.split_at_checked(name.len());
                !name.is_empty() && split.is_some_and(|(head, tail)| same(head, name) && ends_a_name(tail))
            };
            names.ids.iter().any(|id| is_meant(id, |head, id| head == id))
                || names
                    .names
                    .iter()
                    .any(|name| is_meant(name, |head, name| head.to_lowercase() == name.to_lowercase()))
        })
}

fn ends_a_name(rest: &str) -> bool {
    let mut after = rest.chars();
    match after.next() {
        // A full stop ends a sentence, unless a name goes on behind it.
        Some('.') => !after.next().is_some_and(char::is_alphanumeric),
        Some(next) => !next.is_alphanumeric() && !matches!(next, '_' | '-' | '@'),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ANN: Names<'_> = Names { ids: &["user_1", "vp_1"], names: &["Ann Lee", "ann"] };

    fn mentioned(content: &str) -> bool {
        mentions(content, &Value::Null, ANN)
    }

    #[test]
    fn ids_and_names_are_found_anywhere() {
        for content in ["@user_1", "hey @ann, look", "@{user_1}", "(@Ann Lee)", "ask @vp_1.", "@ANN!"] {
            assert!(mentioned(content), "{content}");
        }
    }

    #[test]
    fn parts_of_longer_names_are_somebody_else() {
        for content in
            ["@user_10", "@anna", "@ann-marie", "ann", "user_1", "@USER_1", "@ann.smith", "@", "é@né"]
        {
            assert!(!mentioned(content), "{content}");
        }
    }

    #[test]
    fn metadata_may_list_who_is_mentioned() {
        for entry in [json!("user_1"), json!({ "userId": "user_1" }), json!({ "orchestratorId": "vp_1" })] {
            assert!(mentions("", &json!({ "mentions": [1, entry] }), ANN), "{entry}");
        }
        assert!(!mentions("", &json!({ "mentions": ["user_2"] }), ANN));
        assert!(!mentions("", &json!({ "mentions": "user_1" }), ANN));
    }
}
