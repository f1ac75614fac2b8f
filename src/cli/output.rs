//! Standard output and error, with errors that count.

use std::io::{self, Write};

/// Writes a line to standard output at once, so that a reader in a pipe sees it.
pub(super) fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Writes a line for people to standard error.
pub(super) fn note(text: &str) -> io::Result<()> {
    writeln!(io::stderr().lock(), "{text}")
}
