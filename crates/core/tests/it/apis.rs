//! Tests the table of APIs that `aws-sdk:` tasks call: each row is read, and each call leads to what its row says.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::permissions::asl;
use mlops_roles_core::permissions::derive::derive;
use mlops_roles_core::permissions::features::Features;
use mlops_roles_core::permissions::integration::api_need::ApiNeed;
use mlops_roles_core::permissions::integration::apis::{Api, Service, find, services};
use mlops_roles_core::permissions::integration::context::DeriveContext;
use mlops_roles_core::permissions::integration::required::RequiredPermissions;

use crate::integrations::{derived_in, placeholders, set};

const ENDPOINT: &str = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/churn";
const ROLE: &str = "arn:aws:iam::123456789012:role/Run";

/// All APIs that the table has needs for, with their service and name.
fn all() -> impl Iterator<Item = (Service, String, Vec<ApiNeed>, bool)> {
    services().filter(|service| service.prefix != "!").flat_map(|service| {
        service.apis().filter_map(move |api| match service.api(&api, true) {
            Ok(Api::Known { needs, confirmed }) => Some((service, api, needs, confirmed)),
            Ok(Api::NoAction(_) | Api::Unsupported) => None,
            Err(why) => panic!("{}:{api}: {why}", service.name),
        })
    })
}

fn own(service: Service, api: &str) -> String {
    format!("{}:{}{}", service.prefix, api[..1].to_uppercase(), &api[1..])
}

fn derived(service: Service, api: &str, parameters: Value) -> RequiredPermissions {
    derived_in("aws", &format!("aws-sdk:{}:{api}", service.name), Some(("Parameters", parameters)))
}

#[test]
fn each_service_and_each_api_is_found_by_its_name() {
    let names: Vec<&str> = services().map(|service| service.name).collect();
    assert!(names.len() > 400 && names.is_sorted(), "{}", names.len());
    for name in names {
        assert_eq!(find(name).unwrap().name, name);
    }
    let mut seen = BTreeSet::new();
    let count = all().inspect(|(service, api, ..)| assert!(seen.insert((service.name, api.clone())))).count();
    assert!(count > 15_000, "{count}");
    for wrong in ["", "zzz", "aaa", "sagemakr", "S3", "s3 "] {
        assert!(find(wrong).is_none(), "{wrong}");
    }
}

/// Without members, with literals, and with expressions.
#[test]
fn each_api_leads_to_its_own_actions_whatever_the_call_tells() {
    let mut wrong = Vec::new();
    for (service, api, needs, _) in all() {
        let whole =
            derived_in("aws", &format!("aws-sdk:{}:{api}", service.name), Some(("Arguments", json!("{% $x %}"))));
        let none = derived(service, &api, json!({}));
        for (form, required) in [("none", &none), ("expression", &whole)] {
            wrong.extend(required.errors.iter().map(|error| format!("{}:{api}, {form}: {error}", service.name)));
        }
        let granted = |required: &RequiredPermissions, action: &String| {
            required.grants.iter().any(|grant| grant.actions.contains(action) && !grant.resources.is_empty())
        };
        let always =
            needs.iter().filter(|need| need.given.is_empty() && need.lacking.is_empty() && need.pass.is_empty());
        for need in always {
            let actions = if need.allow.is_empty() { vec![own(service, &api)] } else { need.allow.clone() };
            for action in actions {
                // What a call without members lacks is on `else`, or not needed.
                let expected = [(&whole, true), (&none, !need.otherwise.is_empty() || need.on == ["*"])];
                for (required, _) in expected.iter().filter(|(_, is_needed)| *is_needed) {
                    if !granted(required, &action) {
                        wrong.push(format!("{}:{api}: {action} is not granted", service.name));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} faults:\n{}", wrong.len(), wrong.join("\n"));
}

/// A role that the table knows is passed to its service. If AWS does not document the service, the call is refused.
#[test]
fn each_role_leads_to_a_grant_to_pass_it_or_to_a_refusal() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (service, api, needs, _) in all() {
        for need in needs.iter().filter(|need| !need.pass.is_empty()) {
            for member in need.pass.iter().filter(|member| !member.contains('*') && !member.contains("keys()")) {
                count += 1;
                let mut parameters = json!({});
                for given in need.given.iter().take(1) {
                    let (path, value) = given.split_once('=').unwrap_or((given, "given"));
                    set(&mut parameters, path, ("", value));
                }
                set(&mut parameters, member, ("", ROLE));
                let required = derived(service, &api, parameters);
                let is_passed = required
                    .pass_role_grants
                    .iter()
                    .any(|grant| grant.role == ROLE && grant.service == need.to && !need.to.is_empty());
                let is_refused = required.tightened.iter().any(|error| error.contains(member));
                if is_passed == need.to.is_empty() || is_refused != need.to.is_empty() {
                    wrong.push(format!("{}:{api} {member}: {:?}", service.name, required.tightened));
                }
            }
        }
    }
    assert!(count > 800, "{count}");
    assert!(wrong.is_empty(), "{} faults:\n{}", wrong.len(), wrong.join("\n"));
}

/// A literal name reaches the resource of that name alone: no wildcard but those that have their reason.
#[test]
fn each_name_of_a_call_is_in_the_resource_that_it_is_granted_on() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (service, api, needs, _) in all() {
        for on in
            needs.iter().filter(|need| need.given.is_empty() && need.condition.is_none()).flat_map(|need| &need.on)
        {
            let plain: Vec<(String, String)> = placeholders(on).into_iter().collect();
            if plain.is_empty() || plain.iter().any(|(member, how)| !how.is_empty() || member.contains("()")) {
                continue;
            }
            count += 1;
            let mut parameters = json!({});
            for (i, (member, _)) in plain.iter().enumerate() {
                set(&mut parameters, member, ("", &format!("name{i}")));
            }
            let required = derived(service, &api, parameters);
            let resources: Vec<&String> = required.grants.iter().flat_map(|grant| &grant.resources).collect();
            let has_all = |arn: &&&String| (0..plain.len()).all(|i| arn.contains(&format!("name{i}")));
            if !resources.iter().any(|arn| has_all(&arn)) {
                wrong.push(format!("{}:{api} {on}: {resources:?}", service.name));
            }
        }
    }
    assert!(count > 5_000, "{count}");
    assert!(wrong.is_empty(), "{} faults:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_misspelt_service_or_api_is_refused_with_the_nearest_name_for_new_resources() {
    for (resource, told) in [
        ("sagemakr:describeEndpoint", "(did you mean `sagemaker`?)"),
        ("sagemaker:describeEndpont", "(did you mean `describeEndpoint`?) as of 20"),
        ("sagemaker:DescribeEndpoint", "(did you mean `describeEndpoint`?)"),
    ] {
        let required = derived_in("aws", &format!("aws-sdk:{resource}"), Some(("Parameters", json!({}))));
        assert_eq!(required.errors, Vec::<String>::new());
        assert!(required.tightened.iter().any(|error| error.contains(told)), "{resource}: {:?}", required.tightened);
        assert_eq!(required.grants.len(), 1, "an existing resource keeps its grant");
    }
}

#[test]
fn what_is_not_confirmed_and_what_needs_no_permission_is_told() {
    let newer = all().find(|(.., confirmed)| !confirmed).map(|(service, api, ..)| (service, api)).unwrap();
    let required = derived(newer.0, &newer.1, json!({}));
    assert!(required.notices.iter().any(|notice| notice.contains("is not confirmed")), "{:?}", required.notices);
    assert!(!required.grants.is_empty());
    let required = derived_in("aws", "aws-sdk:sso:getRoleCredentials", Some(("Parameters", json!({}))));
    assert_eq!(required.grants, []);
    assert!(required.notices.iter().any(|notice| notice.contains("needs no permission")), "{:?}", required.notices);
}

/// The way out for an API that is newer than the table.
#[test]
fn the_author_tells_the_action_of_an_api_that_the_table_does_not_have() {
    let derived = |resource: &str, actions: &[&str]| {
        let resource = format!("arn:aws:states:::aws-sdk:{resource}");
        let task = json!({ "Type": "Task", "Resource": resource, "Parameters": {}, "End": true });
        let (machine, _) = asl::parse(&json!({ "StartAt": "First", "States": { "First": task } }));
        let place = Place { partition: "aws".into(), region: "us-east-1".into(), account: "123456789012".into() };
        let actions = actions.iter().map(|action| (*action).to_owned()).collect();
        let overrides = BTreeMap::from([("First".to_owned(), vec![ENDPOINT.to_owned()])]);
        let actions = BTreeMap::from([("First".to_owned(), actions)]);
        let context = DeriveContext {
            place: &place,
            execution_roles: &[],
            overrides: &overrides,
            actions: &actions,
            resources: &BTreeMap::new(),
        };
        derive(&machine, &Features::default(), context)
    };
    let told = derived("sagemaker:invokeNewEndpoint", &["sagemaker:InvokeNewEndpoint"]);
    assert_eq!((told.errors, told.tightened), (vec![], vec![]));
    let [grant] = told.grants.as_slice() else { panic!("{:?}", told.grants) };
    assert_eq!(grant.actions, BTreeSet::from(["sagemaker:InvokeNewEndpoint".to_owned()]));
    assert_eq!(grant.resources, BTreeSet::from([ENDPOINT.to_owned()]));
    for (resource, action, error) in [
        ("sagemaker:invokeNewEndpoint", "s3:GetObject", "expected an action of `sagemaker`"),
        ("sagemaker:describeEndpoint", "sagemaker:DescribeEndpoint", "with an API that the function does not know"),
    ] {
        let errors = derived(resource, &[action]).tightened;
        assert!(errors.iter().any(|one| one.contains(error)), "{resource}: {errors:?}");
    }
    for (resource, actions) in [
        ("newservice:doThing", &["sts:AssumeRole"][..]),
        ("newservice:doThing", &["newservice:DoThing", "s3:GetObject"]),
        ("sagemaker:invokeNewEndpoint", &["sagemaker:InvokeNewEndpoint", "iam:CreateRole"]),
    ] {
        let told = derived(resource, actions);
        assert!(told.grants.is_empty() && !told.tightened.is_empty(), "{resource}: {:?}", told.grants);
    }
    let other_service = derived("newservice:doThing", &["newservice:DoThing"]);
    assert_eq!(other_service.errors, Vec::<String>::new());
    assert!(other_service.tightened.iter().any(|one| one.contains("`ResourceOverrides`")), "it is of another service");
}

/// The members of an item of a list belong together.
#[test]
fn the_values_of_an_item_of_a_list_stay_together() {
    let page = |bucket: &str, name: &str| json!({ "S3Object": { "Bucket": bucket, "Name": name } });
    let pages = json!({ "DocumentPages": [page("b1", "k1"), page("b2", "k2")] });
    let required = derived_in("aws", "aws-sdk:textract:analyzeID", Some(("Parameters", pages)));
    let read = required.grants.iter().filter(|grant| grant.actions.contains("s3:GetObject"));
    let read: BTreeSet<&str> = read.flat_map(|grant| &grant.resources).map(String::as_str).collect();
    assert_eq!(read, BTreeSet::from(["arn:aws:s3:::b1/k1", "arn:aws:s3:::b2/k2"]));
}

/// One expression for a holder of a member may have the member or not.
#[test]
fn an_expression_for_a_holder_is_granted_with_and_without_its_member() {
    for (resource, member) in [
        ("rekognition:detectLabels", "Image"),
        ("textract:detectDocumentText", "Document"),
        ("lambda:createFunction", "Code"),
    ] {
        let parameters = json!({ format!("{member}.$"): "$.x" });
        let required = derived_in("aws", &format!("aws-sdk:{resource}"), Some(("Parameters", parameters)));
        for action in ["s3:GetObject", "s3:GetObjectVersion"] {
            assert!(required.grants.iter().any(|grant| grant.actions.contains(action)), "{resource}: {action}");
        }
    }
}

/// The execution roles of SageMaker are passed to no other service by an API.
#[test]
fn a_role_that_is_known_only_at_run_time_is_passed_to_sagemaker_alone() {
    let passed = |resource: &str, member: &str| {
        let parameters = json!({ format!("{member}.$"): "$.role" });
        derived_in("aws", &format!("aws-sdk:{resource}"), Some(("Parameters", parameters)))
    };
    assert!(!passed("sagemaker:createModel", "ExecutionRoleArn").pass_role_grants.is_empty());
    let function = passed("lambda:createFunction", "Role");
    assert_eq!(function.pass_role_grants, []);
    assert!(function.tightened.iter().any(|one| one.contains("known only at run time")), "{:?}", function.tightened);
}

/// A long name and many unknown names cost little: no hint is searched for a name that AWS could not have.
#[test]
fn a_name_that_is_longer_than_any_gets_no_hint() {
    let long = "x".repeat(100_000);
    let required = derived_in("aws", &format!("aws-sdk:ec2:{long}"), Some(("Parameters", json!({}))));
    assert!(required.tightened.iter().all(|one| !one.contains("did you mean")));
}

/// A literal that is refused for new resources leaves an existing one the action that it had, and grants nothing else.
#[test]
fn what_is_refused_for_new_resources_widens_nothing_for_an_existing_one() {
    let image = json!({ "Image": { "S3Object": { "Bucket": "photos", "Name": "a*" } } });
    let required = derived_in("aws", "aws-sdk:rekognition:detectLabels", Some(("Parameters", image)));
    assert!(required.tightened.iter().any(|one| one.contains("without the wildcards")), "{:?}", required.tightened);
    let actions: BTreeSet<&str> = required.grants.iter().flat_map(|grant| &grant.actions).map(String::as_str).collect();
    assert_eq!(actions, BTreeSet::from(["rekognition:DetectLabels"]));
    let thing = derived_in("aws", "aws-sdk:iot:describeThing", Some(("Parameters", json!({ "ThingName": "a*" }))));
    assert!(!thing.tightened.is_empty());
    let kept = thing.grants.iter().map(|grant| (grant.actions.clone(), grant.resources.clone()));
    let one = |text: &str| BTreeSet::from([text.to_owned()]);
    assert_eq!(kept.collect::<Vec<_>>(), [(one("iot:DescribeThing"), one("*"))]);
}

/// To compare with all names takes long, and a definition may have thousands of unknown ones.
#[test]
fn only_the_first_errors_have_the_closest_name() {
    let states: Map<String, Value> = (0..50)
        .map(|i| {
            let resource = format!("arn:aws:states:::aws-sdk:sagemaker:describeEndpont{i}");
            (format!("S{i}"), json!({ "Type": "Task", "Resource": resource, "End": true }))
        })
        .collect();
    let errors = crate::states::required(&crate::states::machine(&Value::Object(states)), &[]).errors;
    assert_eq!(errors.len(), 50);
    assert_eq!(errors.iter().filter(|error| error.contains("(did you mean `")).count(), 20);
}
