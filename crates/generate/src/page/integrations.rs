//! The optimised integrations, and how far the tables scope what tasks are granted.

use std::collections::{BTreeMap, BTreeSet};

use mlops_roles_core::permissions::integration::need::Need;
use mlops_roles_core::permissions::integration::{Integration, all};

use super::table::{Part, code, codes, table};

/// Returns a section for each service, with a table of its actions.
pub fn integrations() -> Part {
    let mut services: BTreeMap<&str, Vec<[String; 5]>> = BTreeMap::new();
    for (service, action, integration) in all() {
        services.entry(service).or_default().push(row(service, action, integration));
    }
    let columns = ["integration", "also with", "actions", "on", "roles passed"];
    let sections = services.into_iter().map(|(service, rows)| format!("## {service}\n\n{}", table(columns, rows)));
    (sections.collect::<Vec<_>>().join("\n"), Vec::new())
}

fn row(service: &str, action: &str, integration: &Integration) -> [String; 5] {
    let patterns = integration.patterns.iter().map(|pattern| match pattern.as_str() {
        "token" => ".waitForTaskToken".to_owned(),
        other => format!(".{other}"),
    });
    let patterns: Vec<String> = patterns.collect();
    let actions = |of: fn(&Need) -> &BTreeSet<String>| -> BTreeSet<&str> {
        integration.grants.iter().flat_map(of).map(String::as_str).collect()
    };
    let (always, with_sync) = (actions(|need| &need.allow), actions(|need| &need.sync));
    let only_sync: Vec<&str> = with_sync.difference(&always).copied().collect();
    let mut allowed = Vec::from_iter((!always.is_empty()).then(|| codes(always.iter().copied())));
    allowed.extend((!only_sync.is_empty()).then(|| format!("With `.sync` also {}", codes(only_sync))));
    let on: BTreeSet<&str> = integration.grants.iter().flat_map(|need| &need.on).map(String::as_str).collect();
    let passed = integration.grants.iter().filter(|need| !need.pass.is_empty());
    let passed = passed.map(|need| format!("{} to {}", codes(need.pass.iter().map(String::as_str)), code(&need.to)));
    [
        code(&format!("{service}:{action}")),
        codes(patterns.iter().map(String::as_str)),
        allowed.join(". "),
        codes(on),
        passed.collect::<Vec<_>>().join("; "),
    ]
}

/// Returns the reasons for the wildcards that the tables have, each with its integrations.
pub fn wildcards() -> Part {
    let mut reasons: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (service, action, integration) in all() {
        for need in integration.grants.iter().filter(|need| !need.why.is_empty()) {
            reasons.entry(&need.why).or_default().insert(format!("{service}:{action}"));
        }
    }
    let rows = reasons.into_iter().map(|(why, of)| [why.to_owned(), codes(of.iter().map(String::as_str))]);
    (table(["reason", "integrations"], rows), Vec::new())
}

/// Returns how many grants of each service name a resource.
pub fn coverage() -> Part {
    let mut services: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    for (service, _, integration) in all() {
        let [actions, calls, scoped, open] = services.entry(service).or_default();
        *actions += 1;
        *calls += 1 + integration.patterns.len();
        for need in integration.grants.iter().filter(|need| !need.on.is_empty()) {
            let count = need.allow.len() + need.sync.len();
            if need.on.iter().any(|on| on == "*") { *open += count } else { *scoped += count }
        }
    }
    let mut total = [0; 4];
    for counts in services.values() {
        for (sum, count) in total.iter_mut().zip(counts) {
            *sum += count;
        }
    }
    let row = |name: String, counts: [usize; 4]| {
        let [actions, calls, scoped, open] = counts.map(|count| count.to_string());
        [name, actions, calls, scoped, open]
    };
    let mut rows: Vec<_> = services.into_iter().map(|(service, counts)| row(code(service), counts)).collect();
    rows.push(row("**all**".to_owned(), total));
    let columns =
        ["service", "integrations", "with their patterns", "IAM actions on named resources", "IAM actions on `*`"];
    (table(columns, rows), Vec::new())
}
