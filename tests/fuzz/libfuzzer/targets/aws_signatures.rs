#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| shardgate_fuzz::run("aws_signatures", bytes));
