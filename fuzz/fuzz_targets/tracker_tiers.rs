#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| torrent_tracker::fuzzing::tiers(data));
