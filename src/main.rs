//! The `shardgate` program.

use std::process::ExitCode;

/// Maps huge requested blocks lazily, so that a hostile length in a frame becomes a decode error instead of an abort.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Options in the header of mimalloc 2 that `libmimalloc-sys` gives no name: `mi_option_purge_delay` and `mi_option_arena_purge_mult`.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
const ARENA_PURGE_MULT: libmimalloc_sys::mi_option_t = 24;

fn main() -> ExitCode {
    give_back_soon();
    shardgate::cli::main()
}

/// Lets the allocator return freed pages to the system after a millisecond, unless `MIMALLOC_PURGE_DELAY` says otherwise; whole segments
/// of them stay no longer, unless `MIMALLOC_ARENA_PURGE_MULT` says how many times as long.
///
/// They go when the same thread allocates or frees next after that time, so what one thread freed last stays. Of 10 ms, the allocator's
/// default, an attack of four minutes made 248 MiB, of one 220 (`tests/clients/hostile/run.sh`); of segments that stay ten times as
/// long, its default again, an attack of two minutes made 150 MiB on average, of as long 129. At once costs more than it gives: each
/// request that frees its body and its batch has the next one fault them in again, which took a third of the rate of PutRecords of
/// 500 x 1 KiB.
fn give_back_soon() {
    // The need: no crate offers these options without `unsafe`, and the environment that mimalloc reads them from is read before `main`.
    // SAFETY: the function writes one entry of a table of the allocator's own, which has to happen on one thread. There is no other
    // yet. A number that were not an option would be ignored.
    #[expect(unsafe_code, reason = "the need and the proof are above")]
    unsafe {
        libmimalloc_sys::mi_option_set_default(PURGE_DELAY, 1);
        libmimalloc_sys::mi_option_set_default(ARENA_PURGE_MULT, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_without_a_name_are_the_ones_that_are_meant() {
        // The allocator tells its options in the order of their numbers when it starts, so one more start of this program shows them.
        let program = std::env::current_exe().unwrap();
        let told = std::process::Command::new(program).arg("--list").env("MIMALLOC_VERBOSE", "1").output().unwrap();
        let told = String::from_utf8(told.stderr).unwrap();
        let names: Vec<_> = told.lines().filter_map(|line| line.strip_prefix("mimalloc: option '")?.split('\'').next()).collect();
        for (option, name) in [(PURGE_DELAY, "purge_delay"), (ARENA_PURGE_MULT, "arena_purge_mult")] {
            assert_eq!(names.get(option as usize), Some(&name), "{told}");
        }
    }
}
