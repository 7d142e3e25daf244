//! The bodies of `tests/fuzz/bodies.rs` for libFuzzer.
#![allow(dead_code, unused_imports, reason = "the support of all tests is here, of which the bodies use a part")]

#[path = "../bodies.rs"]
mod bodies;
#[path = "../../support/mod.rs"]
mod support;

/// As in the program: it maps what is asked for lazily.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Has the target of that name do what it does with `bytes`.
pub fn run(target: &str, bytes: &[u8]) {
    bodies::body(target)(bytes);
}
