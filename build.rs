//! Tells cargo what the binary embeds beside Rust sources.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
