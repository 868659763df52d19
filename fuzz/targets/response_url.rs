#![no_main]

use libfuzzer_sys::fuzz_target;
use mlops_roles_testkit::claims;

fuzz_target!(|text: &str| {
    claims::response_url(text);
});
