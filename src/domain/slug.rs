//! Names in addresses.

/// The longest of them.
pub const MAX_SLUG: usize = 100;

/// A name in addresses, made of a name for people: lower-case letters and digits, and a dash for
/// whatever is between them. Nothing when nothing of it can stand in an address.
#[must_use]
pub fn slug(name: &str) -> Option<String> {
    let mut slug = String::with_capacity(name.len().min(MAX_SLUG));
    for character in name.chars().flat_map(char::to_lowercase) {
        if slug.len() >= MAX_SLUG {
            break;
        }
        if character.is_ascii_alphanumeric() {
            slug.push(character);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    (!slug.is_empty()).then(|| slug.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_for_people_becomes_a_name_in_addresses() {
        assert_eq!(slug("Acme, Inc.").as_deref(), Some("acme-inc"));
        assert_eq!(slug("  Größe 7 ").as_deref(), Some("gr-e-7"));
        assert_eq!(slug("日本"), None);
        assert_eq!(slug(&"ab ".repeat(100)).map(|slug| slug.len()), Some(MAX_SLUG));
    }
}
