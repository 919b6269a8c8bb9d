#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| torrent_dht::fuzzing::node(data));
