//! The `shardgate` program.

use std::process::ExitCode;

/// Maps huge requested blocks lazily, so that a hostile length in a frame becomes a decode error instead of an abort.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    shardgate::cli::main()
}
