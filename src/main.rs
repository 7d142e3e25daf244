//! The `shardgate` program.

fn main() {}
