//! The secrets of a hub without servers: made on first use, kept in the data directory.

use std::{
    fs,
    io::{ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

use super::{Secret, error::ConfigError};

/// The file with what tokens are signed with.
pub const JWT_SECRET_FILE: &str = "daemon_jwt_secret";
/// The file with the key of administrators and publishers.
pub const ADMIN_API_KEY_FILE: &str = "admin_api_key";

fn error(path: &Path, problem: impl Into<String>) -> ConfigError {
    ConfigError::DataDir { path: path.display().to_string(), problem: problem.into() }
}

/// Makes the data directory, for this user only, unless it is there.
///
/// # Errors
/// When it cannot be made.
pub fn ensure_data_dir(path: &Path) -> Result<(), ConfigError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|cause| {
        error(
            path,
            format!("cannot be created: {cause}; set HUB_DATA_DIR to a directory that can be written"),
        )
    })
}

/// Reads the secret in `dir/name`; `None` when there is none yet.
///
/// # Errors
/// When it cannot be read, is empty, or everybody can read it.
pub fn read(dir: &Path, name: &str) -> Result<Option<Secret>, ConfigError> {
    let path = dir.join(name);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
        Err(cause) => {
            return Err(error(&path, format!("cannot be read: {cause}; run as the user who owns it")));
        }
    };
    let mode = fs::metadata(&path).map_err(|cause| error(&path, cause.to_string()))?.permissions().mode();
    // Group bits are let through: Kubernetes adds them to the files of a volume with an fsGroup.
    if mode & 0o007 != 0 {
        return Err(error(&path, format!("is open to every user: run chmod 600 {}", path.display())));
    }
    match text.trim() {
        "" => Err(error(&path, "is empty: delete it, and the next start makes a new one")),
        secret => Ok(Some(Secret::new(secret))),
    }
}

/// Reads the secret in `dir/name`, and makes it first when there is none. Two processes that start
/// at once get the same one.
///
/// # Errors
/// When it can be neither read nor made.
pub fn read_or_create(dir: &Path, name: &str) -> Result<Secret, ConfigError> {
    if let Some(secret) = read(dir, name)? {
        return Ok(secret);
    }
    ensure_data_dir(dir)?;
    let path = dir.join(name);
    let failed = |cause: std::io::Error| error(&path, format!("cannot be created: {cause}"));
    let draft = dir.join(format!(".{name}.{}", random_hex(8)));
    let written = write_private(&draft, &random_hex(32));
    // A link, unlike a rename, never replaces what another process made first, and the name never
    // shows a half-written file.
    let linked = written.and_then(|()| fs::hard_link(&draft, &path));
    let removed = fs::remove_file(&draft);
    match linked {
        Ok(()) => removed.map_err(failed)?,
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {}
        Err(cause) => return Err(failed(cause)),
    }
    read(dir, name)?.ok_or_else(|| error(&path, "vanished while it was created: start again"))
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

/// `bytes` random bytes as hexadecimal digits.
pub(super) fn random_hex(bytes: usize) -> String {
    (0..bytes).map(|_| format!("{:02x}", rand::random::<u8>())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("metadata").permissions().mode() & 0o777
    }

    #[test]
    fn a_secret_is_made_once_and_for_this_user_only() {
        let root = tempfile::tempdir().expect("a directory");
        let dir = root.path().join("data");
        let first = read_or_create(&dir, JWT_SECRET_FILE).expect("a secret");
        assert_eq!(first.expose().len(), 64);
        assert_eq!(mode(&dir), 0o700);
        assert_eq!(mode(&dir.join(JWT_SECRET_FILE)), 0o600);
        let second = read_or_create(&dir, JWT_SECRET_FILE).expect("a secret");
        assert_eq!(first.expose(), second.expose());
        assert_ne!(first.expose(), read_or_create(&dir, ADMIN_API_KEY_FILE).expect("a secret").expose());
        assert_eq!(fs::read_dir(&dir).expect("a listing").count(), 2, "no draft stays behind");
    }

    #[test]
    fn starts_at_the_same_time_agree() {
        let root = tempfile::tempdir().expect("a directory");
        let start = std::sync::Barrier::new(8);
        let secrets: Vec<String> = std::thread::scope(|scope| {
            let make = || {
                start.wait();
                read_or_create(root.path(), JWT_SECRET_FILE).expect("a secret").expose().to_owned()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert!(secrets.iter().all(|secret| *secret == secrets[0]), "{secrets:?}");
    }

    #[test]
    fn an_open_or_empty_file_is_refused_with_what_to_do() {
        let root = tempfile::tempdir().expect("a directory");
        let path = root.path().join(JWT_SECRET_FILE);
        fs::write(&path, "0123456789abcdef").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("set");
        let open = read(root.path(), JWT_SECRET_FILE).expect_err("refused").to_string();
        assert!(open.ends_with(&format!("run chmod 600 {}", path.display())), "{open}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o660)).expect("set");
        assert!(read(root.path(), JWT_SECRET_FILE).is_ok_and(|secret| secret.is_some()));
        fs::write(&path, "\n").expect("written");
        assert!(read(root.path(), JWT_SECRET_FILE).expect_err("refused").to_string().contains("is empty"));
    }
}
