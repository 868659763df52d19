#![no_main]

use libfuzzer_sys::{Corpus, fuzz_mutator, fuzz_target};
use mlops_roles_fuzz::mutate;
use mlops_roles_testkit::claims;

// The text has the form `["Custom::Type", {properties}]`.
fuzz_target!(|text: &str| -> Corpus { if claims::properties(text) { Corpus::Keep } else { Corpus::Reject } });

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { mutate::json(data, size, max_size, seed) });
