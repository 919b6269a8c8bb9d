#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| torrent_resume::fuzzing::import::target(data));
