#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use mlops_roles_fuzz::mutate;
use mlops_roles_testkit::claims;

fuzz_target!(|text: &str| {
    claims::definition(text);
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { mutate::json(data, size, max_size, seed) });
