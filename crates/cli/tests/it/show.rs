//! Tests what `show` says of integrations and APIs. The expected output is in `show/`; `make bless` writes it there.

use std::collections::{BTreeMap, BTreeSet};

use mlops_roles_cli::show::find::find;
use mlops_roles_cli::show::search::search;
use mlops_roles_cli::show::shown::{Kind, Member, PASS_ROLE, Shown};
use mlops_roles_cli::show::text::{render, render_found};
use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::permissions::asl;
use mlops_roles_core::permissions::derive::derive;
use mlops_roles_core::permissions::features::Features;
use mlops_roles_core::permissions::integration::all;
use mlops_roles_core::permissions::integration::apis::services;
use mlops_roles_core::permissions::integration::context::DeriveContext;
use mlops_roles_core::permissions::integration::required::RequiredPermissions;
use mlops_roles_testkit::data;
use mlops_roles_testkit::snapshot::assert_unchanged;
use serde_json::json;

const FUNCTION: &str = "arn:aws:lambda:eu-west-1:123456789012:function:churn";
const ACTIVITY: &str = "arn:aws-cn:states:cn-north-1:123456789012:activity:label";

/// What is derived for a task of which all arguments are known only at run time.
fn derived(name: &str) -> RequiredPermissions {
    let resource = format!("arn:aws:states:::{name}");
    let task = json!({
        "Type": "Task", "Resource": resource, "QueryLanguage": "JSONata", "Arguments": "{% $x %}", "End": true
    });
    let (machine, refused) = asl::parse(&json!({ "StartAt": "S", "States": { "S": task } }));
    assert!(refused.is_empty(), "{name}: {refused:?}");
    let place = Place { partition: "aws".into(), region: "eu-west-1".into(), account: "123456789012".into() };
    let (none, roles) = (BTreeMap::new(), ["arn:aws:iam::123456789012:role/given".to_owned()]);
    let context = DeriveContext {
        place: &place,
        execution_roles: &roles,
        overrides: &none,
        actions: &none,
        resources: &BTreeMap::new(),
    };
    derive(&machine, &Features::default(), context)
}

/// Panics if something is derived that is not shown, or if words or sources are missing.
fn check(name: &str, required: &RequiredPermissions) -> Shown {
    let shown = find(name).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(shown.name, name);
    assert!(!shown.sources.is_empty(), "{name} has no source");
    let needs = shown.needs.iter();
    let resources = needs.clone().flat_map(|need| need.resources.iter().chain(&need.otherwise));
    let members = resources.flat_map(|one| &one.members).chain(needs.flat_map(|need| &need.condition_members));
    for Member { name: member, taken, .. } in members {
        assert!(!taken.is_empty(), "{name}: no words say what of `{member}` is taken; add them to `show/form.rs`");
    }
    let told: BTreeSet<String> = shown.actions().into_iter().collect();
    let granted = required.grants.iter().flat_map(|grant| &grant.actions);
    let missing: Vec<&String> = granted.filter(|action| !told.contains(*action)).collect();
    assert!(missing.is_empty(), "{name}: derived but not shown: {missing:?}");
    for grant in &required.pass_role_grants {
        let mut roles = shown.needs.iter().filter_map(|need| need.roles.as_ref());
        let is_told = roles.any(|roles| roles.service.as_ref().is_none_or(|service| *service == grant.service));
        assert!(is_told && told.contains(PASS_ROLE), "{name}: passes a role to {} and does not show it", grant.service);
    }
    shown
}

#[test]
fn each_pattern_of_each_integration_is_shown_with_all_that_is_derived() {
    let mut count = 0;
    for (service, action, integration) in all() {
        let patterns = integration.patterns.iter().map(|pattern| match pattern.as_str() {
            "token" => ".waitForTaskToken".to_owned(),
            pattern => format!(".{pattern}"),
        });
        for pattern in patterns.chain([String::new()]) {
            let name = format!("{service}:{action}{pattern}");
            let required = derived(&name);
            let shown = check(&name, &required);
            assert_eq!(shown.kind, Kind::Integration);
            assert_eq!(shown.needs.iter().any(|need| need.rule.is_some()), has_rule(&required), "{name}");
            count += 1;
        }
    }
    assert!(count > 90, "{count}");
}

/// Whether Step Functions learns by a managed rule that the task has ended.
fn has_rule(required: &RequiredPermissions) -> bool {
    let mut resources = required.grants.iter().flat_map(|grant| &grant.resources);
    resources.any(|arn| arn.contains(":rule/StepFunctionsGetEvent"))
}

#[test]
fn each_api_of_each_service_is_shown_with_all_that_is_derived() {
    let (mut compared, mut with_table) = (0, 0);
    for service in services() {
        if service.is_dropped() {
            let shown = check(&format!("aws-sdk:{}:anything", service.name), &RequiredPermissions::default());
            assert!(!shown.is_supported, "{}", service.name);
        }
        for api in service.apis() {
            let name = format!("aws-sdk:{}:{api}", service.name);
            let required = derived(&name);
            // What is refused keeps the action of its name for existing resources only, which is not shown.
            let is_refused = !required.tightened.is_empty();
            let nothing = RequiredPermissions::default();
            let shown = check(&name, if is_refused { &nothing } else { &required });
            compared += usize::from(!is_refused);
            with_table += usize::from(shown.integration.is_some());
            if shown.no_permission.is_some() {
                assert!(required.grants.is_empty(), "{name}");
            }
        }
    }
    assert!(compared > 17_000 && with_table > 40, "{compared} {with_table}");
}

#[test]
fn what_is_printed_is_what_was_blessed() {
    let names = [
        ("training-job", "sagemaker:createTrainingJob.sync"),
        ("query", "athena:startQueryExecution.sync"),
        ("endpoint", "aws-sdk:sagemaker:describeEndpoint"),
        ("copy", "aws-sdk:s3:copyObject"),
        ("function", FUNCTION),
    ];
    assert_unchanged(names.into_iter().flat_map(|(file, name)| {
        let shown = find(name).unwrap();
        let text = anstream::adapter::strip_str(&render(&shown)).to_string();
        let json = serde_json::to_string_pretty(&shown).unwrap() + "\n";
        [("txt", text), ("json", json)].map(|(end, text)| (data("show").join(format!("{file}.{end}")), text))
    }));
}

#[test]
fn the_whole_arn_is_a_name_in_each_partition() {
    for partition in ["aws", "aws-cn", "aws-us-gov"] {
        for name in ["sagemaker:createTrainingJob.sync", "aws-sdk:sagemaker:describeEndpoint.waitForTaskToken"] {
            let shown = find(&format!("arn:{partition}:states:::{name}")).unwrap();
            assert_eq!(shown.name, name);
            assert_eq!(shown.actions(), find(name).unwrap().actions());
        }
    }
    let shown = find(FUNCTION).unwrap();
    let arns: Vec<&str> = shown.needs.iter().flat_map(|need| &need.resources).map(|one| one.arn.as_str()).collect();
    let versions = format!("{FUNCTION}:*");
    assert_eq!((shown.kind, arns), (Kind::Function, vec![FUNCTION, versions.as_str()]));
    let shown = find(ACTIVITY).unwrap();
    assert!(shown.kind == Kind::Activity && shown.needs.is_empty() && shown.no_permission.is_some());
}

#[test]
fn a_resource_is_an_arn_with_members_and_words() {
    let shown = find("sagemaker:createTrainingJob").unwrap();
    let resource = &shown.needs[0].resources[0];
    assert_eq!(resource.arn, "arn:${Partition}:sagemaker:${Region}:${Account}:training-job/{TrainingJobName}");
    assert!(resource.members[0].taken.contains("in both spellings"), "{resource:?}");
    let key = shown.needs.iter().flat_map(|need| &need.resources).find(|one| one.arn.contains(":kms:")).unwrap();
    assert_eq!(key.members[0].refused.as_deref(), Some("an alias is refused"));
    assert!(!shown.actions().contains(&"sagemaker:StopTrainingJob".to_owned()), "that is only for `.sync`");
    let page = "https://docs.aws.amazon.com/step-functions/latest/dg/connect-sagemaker.html".to_owned();
    assert!(shown.sources.contains(&page), "{:?}", shown.sources);
    let page = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html";
    assert!(find("aws-sdk:sagemaker:describeEndpoint").unwrap().sources.contains(&page.to_owned()));
}

#[test]
fn a_wrong_name_is_told_with_the_closest_one() {
    for (name, part) in [
        ("sagemaker", "`sagemaker`: expected an integration such as"),
        ("aws-sdk:s3", "`aws-sdk:s3`: expected an integration such as"),
        ("", "expected an integration such as"),
        ("arn:aws:states", "`arn:aws:states`: expected an integration such as"),
        ("sagmaker:createTrainingJob", "did you mean `sagemaker`?"),
        ("sagemaker:createTrainingJobs", "did you mean `sagemaker:createTrainingJob`?"),
        ("sagemaker:createModel.sync", "Step Functions does not support `.sync` for this action"),
        ("aws-sdk:sagmaker:describeEndpoint", "did you mean `sagemaker`?"),
        ("aws-sdk:sagemaker:describeEndpiont", "did you mean `describeEndpoint`?"),
        ("aws-sdk:sagemaker:createTrainingJob.sync", "alone or with `.waitForTaskToken`"),
        ("aws-sdk:iam:passRole", "is not an API"),
        ("arn:aws:s3:::data", "expected the ARN of an integration, a Lambda function or an activity"),
    ] {
        let error = find(name).unwrap_err().to_string();
        assert!(error.contains(part), "{name}: {part} is missing in {error}");
    }
}

#[test]
fn a_search_finds_by_service_name_and_action_without_regard_to_case() {
    let names = |text: &str| search(text).into_iter().map(|one| one.name).collect::<Vec<_>>();
    for (text, name) in [
        ("SageMaker", "sagemaker:createTrainingJob"),
        ("describeendpoint", "aws-sdk:sagemaker:describeEndpoint"),
        ("SAGEMAKER:stoptrainingjob", "sagemaker:createTrainingJob"),
        ("logs:CreateLogGroup", "aws-sdk:cloudwatchlogs:createLogGroup"),
        ("passrole glue", "aws-sdk:glue:createJob"),
    ] {
        assert!(names(text).iter().any(|one| one == name), "{text} does not find {name}");
    }
    assert!(names("no such thing anywhere").is_empty());
    let found = search("sagemaker:createTrainingJob");
    assert_eq!(found[0].patterns, ["sync"]);
    let text = anstream::adapter::strip_str(&render_found(&found)).to_string();
    assert!(text.starts_with("sagemaker:createTrainingJob [.sync]\n  events:DescribeRule, "), "{text}");
    assert!(!render(&find(ACTIVITY).unwrap()).is_empty() && render_found(&[]).contains("nothing found"));
}
