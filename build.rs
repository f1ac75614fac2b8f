//! Tells cargo what the binary embeds beside Rust sources.

#[expect(clippy::print_stdout, reason = "the way to talk to cargo")]
fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
