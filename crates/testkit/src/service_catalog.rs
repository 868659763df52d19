//! The service-catalog roles as the console creates them, and the events of the resource type that deletes them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::account::{Books, Fake, Policy, Role};
use crate::fixtures::FUNCTION;
use crate::stage::{Response, Stage, create, delete, update};

/// The resource type of the service-catalog roles.
pub const TYPE: &str = "Custom::SageMakerServiceCatalogRoles";

/// The physical id of the resource.
pub const ID: &str = "SageMakerServiceCatalogRoles/ServiceCatalog";

/// The name of the launch role.
pub const LAUNCH: &str = "AmazonSageMakerServiceCatalogProductsLaunchRole";

/// The name of the use role.
pub const USE: &str = "AmazonSageMakerServiceCatalogProductsUseRole";

/// The ARN of the policy that the console creates for the use role.
pub const CONSOLE_POLICY: &str =
    "arn:aws:iam::123456789012:policy/service-role/AmazonSageMakerServiceCatalogProductsUseRole-20210603T132536";

/// The ends of the eleven role names, after `AmazonSageMakerServiceCatalogProducts`.
pub const SUFFIXES: [&str; 11] = [
    "LaunchRole",
    "UseRole",
    "ApiGatewayRole",
    "CloudformationRole",
    "CodeBuildRole",
    "CodePipelineRole",
    "EventsRole",
    "FirehoseRole",
    "GlueRole",
    "LambdaRole",
    "ExecutionRole",
];

/// The properties of the type, with `more` added.
pub fn asking(more: Value) -> Value {
    let mut properties = json!({
        "ServiceToken": FUNCTION,
        "Regions": ["us-east-1", "eu-west-1"],
    });
    properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    properties
}

/// The event as one for this type.
pub fn of_type(mut event: Value) -> Value {
    event["ResourceType"] = json!(TYPE);
    event["LogicalResourceId"] = json!("ServiceCatalog");
    event
}

/// A Create with `more` properties.
pub fn creating(more: Value) -> Value {
    of_type(create(&asking(more)))
}

/// A Delete with `more` properties.
pub fn deleting(more: Value) -> Value {
    of_type(delete(ID, &asking(more)))
}

/// An Update from the `old` to the `new` properties.
pub fn updating(new: Value, old: Value) -> Value {
    of_type(update(ID, &asking(new), &asking(old)))
}

/// A service-catalog role with these attached and inline policies.
pub fn role(name: &str, path: &str, attached: &[&str], inline: &[&str]) -> Role {
    let empty = || json!({ "Version": "2012-10-17", "Statement": [] });
    Role {
        name: name.into(),
        path: path.into(),
        id: format!("AROA{name}"),
        trust: json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow",
            "Principal": { "Service": "servicecatalog.amazonaws.com" }, "Action": "sts:AssumeRole" }] }),
        description: "SageMaker role created from the SageMaker AWS Management Console.".into(),
        max_session_duration: 3_600,
        boundary: None,
        tags: [].into(),
        attached: attached.iter().map(|arn| (*arn).to_owned()).collect(),
        inline: inline.iter().map(|name| ((*name).to_owned(), empty())).collect(),
        last_used: None,
        made_at: 0,
    }
}

/// A policy with two versions, by its ARN.
pub fn policy(arn: &str) -> (String, Policy) {
    let (path, name) = arn.split_once(":policy").unwrap().1.rsplit_once('/').unwrap();
    let document = json!({ "Version": "2012-10-17", "Statement": [] });
    let policy = Policy {
        name: name.into(),
        path: format!("{path}/"),
        versions: [(1, document.clone()), (2, document)].into(),
        default: 2,
        next: 3,
        tags: [].into(),
        made_at: 0,
    };
    (arn.to_owned(), policy)
}

fn books(roles: impl IntoIterator<Item = Role>) -> Books {
    let roles = roles.into_iter().map(|role| (role.name.to_lowercase(), role)).collect();
    Books { roles, ..Books::default() }
}

/// The two roles as the published solution creates them.
pub fn solution(path: &str) -> Books {
    books([
        role(
            LAUNCH,
            path,
            &[
                "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole",
                "arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess",
            ],
            &["AmazonSageMakerServiceCatalogProductsLaunchRolePolicy"],
        ),
        role(
            USE,
            path,
            &["arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess"],
            &["AmazonSageMakerServiceCatalogProductsUseRolePolicy"],
        ),
    ])
}

/// All eleven roles as the console creates them. Somebody attached another policy to the use role by hand.
pub fn console() -> Books {
    let mut books = books(SUFFIXES.map(|suffix| {
        let name = format!("AmazonSageMakerServiceCatalogProducts{suffix}");
        role(&name, "/service-role/", &[&format!("arn:aws:iam::aws:policy/service-role/{name}ServicePolicy")], &[])
    }));
    let role = books.roles.get_mut(&USE.to_lowercase()).unwrap();
    role.attached = [CONSOLE_POLICY.to_owned(), "arn:aws:iam::aws:policy/AmazonS3FullAccess".to_owned()].into();
    books.policies.extend([policy(CONSOLE_POLICY)]);
    books
}

/// Roles and policies with similar names, which must never change.
pub fn neighbours() -> Books {
    let near = [
        "AmazonSageMakerProjectsLaunchRole",
        "AmazonSageMakerProjectsUseRole",
        "AmazonSageMakerServiceCatalogProductsUseRole2",
        "XAmazonSageMakerServiceCatalogProductsUseRole",
    ];
    let hand = "arn:aws:iam::123456789012:policy/service-role/AmazonSageMakerServiceCatalogProductsUseRole";
    let mut books =
        books(near.map(|name| role(name, "/service-role/", &["arn:aws:iam::aws:policy/ReadOnlyAccess"], &["Own"])));
    books.policies.extend([
        policy(&format!("{hand}-by-hand")),
        policy(&format!("{hand}-20210603T13253")),
        policy(&format!("{hand}20210603T132536")),
        policy(&CONSOLE_POLICY.replace("/service-role/", "/service-role/more/")),
        policy(&CONSOLE_POLICY.replace("/service-role/", "/")),
    ]);
    books.profiles.insert("Neighbour".into(), Some("AmazonSageMakerProjectsUseRole".into()));
    books
}

/// The content of two accounts in one.
pub fn joined(mut books: Books, more: Books) -> Books {
    books.roles.extend(more.roles);
    books.policies.extend(more.policies);
    books.profiles.extend(more.profiles);
    books.regions.extend(more.regions);
    books
}

/// A stage in front of an account that holds `books` and the neighbours.
pub fn stage(books: Books) -> Stage {
    Stage::new(Fake::with(joined(books, neighbours())))
}

/// The calls so far that are no reads.
pub fn writes(stage: &Stage) -> Vec<String> {
    let reads = |call: &String| ["Get", "List", "Describe"].iter().any(|verb| call.starts_with(verb));
    stage.fake.calls().into_iter().filter(|call| !reads(call)).collect()
}

/// The parts of an attribute of the response that is a list separated by commas.
pub fn attribute(response: &Response, name: &str) -> BTreeSet<String> {
    let text = response.0["Data"][name].as_str().unwrap_or_else(|| panic!("{name} is missing in {}", response.0));
    text.split(", ").filter(|one| !one.is_empty()).map(str::to_owned).collect()
}

/// The full names of the roles with these suffixes.
pub fn names(suffixes: &[&str]) -> BTreeSet<String> {
    suffixes.iter().map(|suffix| format!("AmazonSageMakerServiceCatalogProducts{suffix}")).collect()
}
