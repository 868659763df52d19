//! Tests what the guardrails read from the environment about the trust policies of execution roles.

use std::collections::BTreeMap;

use mlops_roles_core::guardrails::Guardrails;
use mlops_roles_core::resource::execution_role::{trusted_actions, trusted_services};

/// The guardrails of a function whose environment has this `ALLOWED_TRUST`, or none.
fn guardrails(allowed: Option<&str>) -> Guardrails {
    let mut variables = BTreeMap::from([
        ("ROLE_NAME_PREFIXES", "Team"),
        ("ROLE_PATHS", "/"),
        ("PERMISSIONS_BOUNDARY_ARN", "arn:aws:iam::123456789012:policy/Boundary"),
    ]);
    variables.extend(allowed.map(|text| ("ALLOWED_TRUST", text)));
    Guardrails::from_environment(|name| variables.get(name).map(|text| (*text).to_owned())).unwrap()
}

fn all() -> Vec<&'static str> {
    trusted_services().chain(trusted_actions()).collect()
}

#[test]
fn without_the_variable_no_other_trust_is_allowed() {
    assert!(!all().is_empty());
    for allowed in [None, Some(""), Some(",")] {
        let guardrails = guardrails(allowed);
        assert_eq!(guardrails.allowed_trust, Vec::<String>::new(), "{allowed:?}");
        assert!(!all().into_iter().any(|one| guardrails.allows_trust(one)), "{allowed:?}");
    }
}

#[test]
fn each_item_allows_itself_and_nothing_else() {
    for item in all() {
        let guardrails = guardrails(Some(item));
        let allowed: Vec<&str> = all().into_iter().filter(|one| guardrails.allows_trust(one)).collect();
        assert_eq!(allowed, [item]);
    }
    let guardrails = guardrails(Some(&all().join(",")));
    assert!(all().into_iter().all(|one| guardrails.allows_trust(one)));
}

#[test]
fn an_item_is_no_pattern_and_its_case_and_white_space_count() {
    for allowed in ["*", "sts:*", "events.*", "?vents.amazonaws.com", " events.amazonaws.com", "Events.amazonaws.com"] {
        let guardrails = guardrails(Some(allowed));
        assert!(!all().into_iter().any(|one| guardrails.allows_trust(one)), "{allowed}");
    }
    let guardrails = guardrails(Some("events.amazonaws.com,sts:TagSession"));
    for other in ["events.amazonaws.com.cn", "events", "EVENTS.amazonaws.com", "sts:tagsession", "sts:TagSession ", ""]
    {
        assert!(!guardrails.allows_trust(other), "{other}");
    }
}
