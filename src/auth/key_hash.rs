//! Hashes of API keys in the formats that the platform has used (contract C8).

use pbkdf2::pbkdf2_hmac;
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;

/// Of PBKDF2.
const ITERATIONS: u32 = 100_000;
const SHA256_BYTES: usize = 32;
const SHA512_BYTES: usize = 64;

/// Whether `stored` is a hash of `key`. It may be
///
/// * SHA-256 in hex;
/// * `salt:hash` with SHA-256 of salt and key in hex, the salt as bytes of its hex or as written;
/// * `salt:hash` with 64 bytes of PBKDF2-HMAC-SHA512 in hex, the salt as written;
/// * bcrypt.
///
/// Anything else is a hash of no key. The slow formats take a tenth of a second and more, so call
/// this on a blocking pool.
#[must_use]
pub fn matches(stored: &str, key: &str) -> bool {
    if key.is_empty() {
        return false;
    }
    if stored.starts_with("$2") {
        return bcrypt::verify(key, stored).unwrap_or(false);
    }
    let (salt, hash) = match stored.split_once(':') {
        Some((salt, hash)) => (Some(salt), hash),
        None => (None, stored),
    };
    let Ok(hash) = hex::decode(hash) else { return false };
    match (salt, hash.len()) {
        (None, SHA256_BYTES) => same(&hash, &Sha256::digest(key)),
        (Some(salt), SHA256_BYTES) => {
            let salted = |salt: &[u8]| Sha256::new().chain_update(salt).chain_update(key).finalize();
            let as_bytes = hex::decode(salt).is_ok_and(|salt| same(&hash, &salted(&salt)));
            as_bytes | same(&hash, &salted(salt.as_bytes()))
        }
        (Some(salt), SHA512_BYTES) => {
            let mut derived = [0; SHA512_BYTES];
            pbkdf2_hmac::<Sha512>(key.as_bytes(), salt.as_bytes(), ITERATIONS, &mut derived);
            same(&hash, &derived)
        }
        _ => false,
    }
}

fn same(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "vp_key";

    fn sha256(text: impl AsRef<[u8]>) -> String {
        hex::encode(Sha256::digest(text))
    }

    #[track_caller]
    fn assert_opens(stored: &str) {
        assert!(matches(stored, KEY), "{stored}");
        assert!(!matches(stored, "vp_kez"), "{stored}");
        assert!(!matches(stored, ""), "{stored}");
    }

    #[test]
    fn plain_digests_match_in_either_case() {
        assert_opens(&sha256(KEY));
        assert_opens(&sha256(KEY).to_uppercase());
    }

    #[test]
    fn salted_digests_match_with_the_salt_as_bytes_and_as_text() {
        let bytes = [&[0xab_u8, 0xcd][..], KEY.as_bytes()].concat();
        assert_opens(&format!("abcd:{}", sha256(bytes)));
        assert_opens(&format!("abcd:{}", sha256(format!("abcd{KEY}"))));
        assert_opens(&format!("pepper:{}", sha256(format!("pepper{KEY}"))));
    }

    #[test]
    fn bcrypt_hashes_match() {
        assert_opens(&bcrypt::hash(KEY, 4).expect("a hash"));
    }

    /// Derived with Python's `hashlib.pbkdf2_hmac("sha512", b"vp_key", b"c0ffee", 100000, 64)`.
    #[test]
    fn pbkdf2_hashes_match() {
        assert_opens(concat!(
            "c0ffee:",
            "93ca4c72a566f00cba73a2c7100eb8bbfaee5d908983eac74f4c971d6abd052e",
            "6beaf7578fa8729586dac1bc4fd3b77ff6eefa76617bbf881d9473068d3c10bb"
        ));
    }

    #[test]
    fn nothing_else_is_a_hash_of_any_key() {
        let short = sha256(KEY);
        for stored in ["", ":", "$2", "$2b$04$short", KEY, &short[..62], &format!(":{}", &short[..62])] {
            assert!(!matches(stored, KEY), "{stored:?}");
        }
        assert!(!matches(&sha256(""), ""));
    }
}
