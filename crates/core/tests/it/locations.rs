//! Tests which objects in Amazon S3 a definition may be read from, and which content is accepted.

use std::collections::BTreeMap;

use mlops_roles_core::guardrails::Guardrails;
use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::resource::definition_location::{Location, digest};
use mlops_roles_core::resource::properties::Reader;
use serde_json::{Value, json};

fn guardrails(locations: &str, unpinned: &str) -> Guardrails {
    let variables = BTreeMap::from([
        ("ROLE_NAME_PREFIXES", "Team"),
        ("ROLE_PATHS", "/"),
        ("PERMISSIONS_BOUNDARY_ARN", "arn:aws:iam::123456789012:policy/Boundary"),
        ("DEFINITION_LOCATIONS", locations),
        ("ALLOW_UNPINNED_DEFINITIONS", unpinned),
    ]);
    Guardrails::from_environment(|name| variables.get(name).map(|text| (*text).to_owned())).unwrap()
}

/// The location in the properties, and the errors about them.
fn parsed(properties: &Value, guardrails: &Guardrails) -> (Option<Location>, Vec<String>) {
    let place = Place { partition: "aws-cn".into(), region: "cn-north-1".into(), account: "123456789012".into() };
    let reader = Reader::new(properties.as_object().unwrap());
    let location = Location::parse(&reader, &place, guardrails);
    (location, reader.finish().errors.iter().map(ToString::to_string).collect())
}

fn located(bucket: &str, key: &str) -> Value {
    json!({ "DefinitionS3Location": { "Bucket": bucket, "Key": key, "Version": "1" } })
}

#[test]
fn a_bucket_has_a_name_that_can_be_part_of_a_host() {
    let guardrails = guardrails("arn:aws-cn:s3:::*", "false");
    for bucket in ["abc", "a-1", "a.b", "1.2.3", "a--b", &"a".repeat(63)] {
        let (location, errors) = parsed(&located(bucket, "k"), &guardrails);
        assert_eq!((location.unwrap().bucket.as_str(), errors), (bucket, Vec::new()));
    }
    for bucket in
        ["ab", "", "Abc", "a_b", "-ab", "ab-", ".ab", "ab.", "a..b", "a/b", "a@b", "a:80", "äbc", &"a".repeat(64)]
    {
        let (location, errors) = parsed(&located(bucket, "k"), &guardrails);
        assert!(location.is_none() && errors.len() == 1, "{bucket}: {errors:?}");
    }
}

#[test]
fn the_patterns_of_the_deployer_match_the_whole_key_as_it_is() {
    let guardrails = guardrails("arn:aws-cn:s3:::one/team/*,arn:aws-cn:s3:::two/x.json", "false");
    for (bucket, key, is_allowed) in [
        ("one", "team/a.json", true),
        ("one", "team/", true),
        ("one", "team", false),
        ("one", "other/team/a.json", false),
        ("one", "/team/a.json", false),
        ("one", "Team/a.json", false),
        ("one1", "team/a.json", false),
        ("two", "x.json", true),
        ("two", "x.json.bak", false),
        ("two", "*", false),
    ] {
        let (location, errors) = parsed(&located(bucket, key), &guardrails);
        assert!(location.is_some(), "a location that is not allowed is known all the same");
        assert_eq!(errors.is_empty(), is_allowed, "{bucket}/{key}: {errors:?}");
    }
    // A pattern of another partition matches nothing.
    let elsewhere = self::guardrails("arn:aws:s3:::one/*", "false");
    assert_eq!(parsed(&located("one", "k"), &elsewhere).1.len(), 1);
}

#[test]
fn an_object_is_pinned_by_its_version_or_its_digest() {
    let digest = "0".repeat(64);
    let location = |version: Option<&str>| {
        let mut location = json!({ "Bucket": "abc", "Key": "k" });
        if let Some(version) = version {
            location["Version"] = json!(version);
        }
        location
    };
    for (version, sha256, is_pinned) in [
        (Some("1"), None, true),
        (None, Some(digest.as_str()), true),
        (Some("null"), Some(digest.as_str()), true),
        (Some("null"), None, false),
        (None, None, false),
    ] {
        let mut properties = json!({ "DefinitionS3Location": location(version) });
        if let Some(sha256) = sha256 {
            properties["DefinitionSha256"] = json!(sha256);
        }
        let (_, errors) = parsed(&properties, &guardrails("arn:aws-cn:s3:::*", "false"));
        assert_eq!(errors.is_empty(), is_pinned, "{properties}: {errors:?}");
        let (_, errors) = parsed(&properties, &guardrails("arn:aws-cn:s3:::*", "true"));
        assert_eq!(errors, Vec::<String>::new(), "{properties}");
    }
}

#[test]
fn the_content_is_text_with_the_expected_digest_and_no_error_quotes_it() {
    let location = |sha256: Option<String>| Location {
        bucket: "b".into(),
        key: "k".into(),
        version: None,
        sha256,
        refusals: Vec::new(),
    };
    let right = location(Some(digest(b"hidden")));
    assert_eq!(right.checked(b"hidden".to_vec()).unwrap(), "hidden");
    let wrong = right.checked(b"hidden!".to_vec()).unwrap_err().to_string();
    assert!(wrong.contains(&digest(b"hidden")) && wrong.contains(&digest(b"hidden!")), "{wrong}");
    assert!(!wrong.contains("hidden"), "{wrong}");
    let binary = location(None).checked(b"hidden\xff".to_vec()).unwrap_err().to_string();
    assert!(binary.contains("at offset 6") && !binary.contains("hidden"), "{binary}");
    assert_eq!(location(None).to_string(), "object `k` of bucket `b`");
}
