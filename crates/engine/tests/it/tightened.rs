//! Tests what this version refuses although an earlier version accepted it. A Create is refused, and so is an Update
//! that changes the value. An Update that leaves the value unchanged, a rollback and a Delete succeed.

use serde_json::{Value, json};

use mlops_roles_testkit::fake::{Books, Mischief};
use mlops_roles_testkit::role_sets::{asking, of_type, stage, target_account};
use mlops_roles_testkit::stage::{Stage, create, delete, from_stack, properties, update, with};

const WORKFLOW: &str = "Custom::StepFunctionsWorkflowRole";
const EXECUTION: &str = "Custom::SageMakerExecutionRole";
const SETS: &str = "Custom::SageMakerMlopsRoles";
const TARGET: &str = "Custom::SageMakerDeployTarget";
/// Derived names contain the name of this stack.
const STACK: &str = "arn:aws:cloudformation:us-east-1:123456789012:stack/SetupLambdaExecution/7c1d";

struct Refusal {
    what: &'static str,
    kind: &'static str,
    good: Value,
    bad: Value,
    /// Properties that are refused for another value, if there are any.
    worse: Option<Value>,
    /// What the reason of the refusal mentions.
    says: &'static str,
}

/// Every such refusal. A new refusal gets an entry here.
fn refusals() -> Vec<Refusal> {
    let role = |name: &str| with(json!({ "RoleName": name }));
    let execution = |name: &str| asking(&json!({ "RoleName": name }), json!({}));
    let environment = |more: Value| asking(&json!({ "RoleSet": "Environment", "EnvName": "ds-team" }), more);
    let setup = |more: Value| {
        let set = json!({ "RoleSet": "SetupStackSetExecution", "EnvName": "ds-team", "AdministratorAccountId": "111111111111" });
        asking(&set, more)
    };
    let of_bridge = |more: Value| asking(&json!({}), more);
    let tags = |keys: &[&str]| {
        with(json!({ "Tags": keys.iter().map(|key| json!({ "Key": key, "Value": "" })).collect::<Vec<_>>() }))
    };
    let map = |mode: &str, reader: Value| {
        let done = json!({ "StartAt": "Done", "States": { "Done": { "Type": "Succeed" } } });
        let mut each = json!({ "Type": "Map", "ItemProcessor": done, "ItemReader": reader, "End": true });
        each["ItemProcessor"]["ProcessorConfig"] = json!({ "Mode": mode });
        with(json!({
            "Definition": { "StartAt": "Each", "States": { "Each": each } },
            "StateMachineName": "churn",
            "DataKeys": [],
        }))
    };
    let nested = |told: Option<&str>| {
        let machine = "States.Format('arn:aws:states:us-east-1:123456789012:stateMachine:c:{}', $.alias)";
        let task = json!({
            "Type": "Task",
            "Resource": "arn:aws:states:::states:startExecution",
            "Parameters": { "StateMachineArn.$": machine },
            "End": true,
        });
        let definition = json!({ "StartAt": "Run", "States": { "Run": task } });
        let told = told.map(|arn| json!({ "Run": [arn] })).unwrap_or_default();
        with(json!({ "Definition": definition, "ResourceOverrides": told }))
    };
    let reader = |call: Value| json!({ "Resource": "arn:aws:states:::s3:getObject", "Parameters": call });
    let calls = |resource: &str, parameters: Value| {
        let resource = format!("arn:aws:states:::{resource}");
        let task = json!({ "Type": "Task", "Resource": resource, "Parameters": parameters, "End": true });
        let definition = json!({ "StartAt": "Call", "States": { "Call": task } });
        with(json!({ "Definition": definition, "DataKeys": [], "SageMakerExecutionRoleArns": null }))
    };
    let role_of = |name: &str| json!({ "Name": "churn", "Role": format!("arn:aws:iam::123456789012:role/{name}") });
    let both_roles = json!({
        "TaskRoleArn": "arn:aws:iam::123456789012:role/SageMakerTask",
        "ExecutionRoleArn": "arn:aws:iam::123456789012:role/SageMakerTask",
    });
    let query = |text: &str| json!({ "QueryString": text, "WorkGroup": "w", "ResultConfiguration": { "OutputLocation": "s3://r/o/" } });
    let mut show = calls("athena:startQueryExecution", query("SHOW TABLES"));
    show["TaskResources"] = json!({ "Call": {} });
    let declaring = |declared: Value| {
        let mut properties = calls("sns:publish", json!({ "TopicArn": "arn:aws:sns:us-east-1:123456789012:t" }));
        properties["TaskResources"] = json!({ "Call": declared });
        properties
    };
    let key = |id: &str| {
        let mut properties = calls("glue:startJobRun", json!({ "JobName": "churn" }));
        properties["DataKeys"] = json!(format!("arn:aws:kms:us-east-1:123456789012:key/{id}"));
        properties
    };
    let build = |more: Value| {
        let mut parameters = json!({ "ProjectName": "churn" });
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        calls("codebuild:startBuild", parameters)
    };
    let of_source = |capability: &str, source: &str| {
        let source = format!("arn:aws:sagemaker:us-east-1:123456789012:{source}");
        asking(
            &json!({ "RoleName": "AmazonSageMaker-Churn", "SourceArn": source }),
            json!({ "Capabilities": [capability], "NamePrefix": "churn" }),
        )
    };
    let training = |source: &str| of_source("Training", source);
    let of_pipelines = |source: &str| of_source("Pipelines", source);
    vec![
        Refusal {
            what: "a source that no training job has",
            kind: EXECUTION,
            good: training("training-job/churn*"),
            bad: training("domain/*"),
            worse: Some(training("processing-job/churn-*")),
            says: "SageMaker can't assume the role for the capability `Training`; use \
                   `arn:aws:sagemaker:us-east-1:123456789012:*`",
        },
        Refusal {
            what: "a source that no pipeline of the prefix has",
            kind: EXECUTION,
            good: of_pipelines("pipeline/churn*/*"),
            bad: of_pipelines("pipeline/orders/*"),
            worse: Some(of_pipelines("training-job/churn-1")),
            says: "SageMaker can't assume the role for the capability `Pipelines`",
        },
        Refusal {
            what: "a source that the role can't be passed with",
            kind: EXECUTION,
            good: asking(&json!({ "RoleName": "AmazonSageMaker-Churn", "PassSelf": true }), json!({})),
            bad: asking(
                &json!({ "RoleName": "AmazonSageMaker-Churn", "PassSelf": true }),
                json!({ "SourceArn": "arn:aws:sagemaker:us-east-1:123456789012:training-job/*" }),
            ),
            worse: None,
            says: "SageMaker can't assume the role for what it passes itself to (`PassSelf`)",
        },
        Refusal {
            what: "a source that no feature has",
            kind: EXECUTION,
            good: asking(&json!({ "RoleName": "AmazonSageMaker-Churn" }), json!({})),
            bad: asking(
                &json!({ "RoleName": "AmazonSageMaker-Churn" }),
                json!({ "SourceArn": "arn:aws:sagemaker:us-east-1:123456789012:domain/d-1" }),
            ),
            worse: None,
            says: "SageMaker can't assume the role for any feature; use `arn:aws:sagemaker:us-east-1:123456789012:*`",
        },
        Refusal {
            what: "an API that AWS does not have",
            kind: WORKFLOW,
            good: calls("aws-sdk:sagemaker:describeEndpoint", json!({ "EndpointName": "churn" })),
            bad: calls("aws-sdk:sagemaker:describeEndpont", json!({ "EndpointName": "churn" })),
            worse: Some(calls("aws-sdk:sagemakr:describeEndpoint", json!({ "EndpointName": "churn" }))),
            says: "(did you mean `describeEndpoint`?)",
        },
        Refusal {
            what: "a call for which no permission is known",
            kind: WORKFLOW,
            good: calls(
                "aws-sdk:ssm:listTagsForResource",
                json!({ "ResourceType": "Document", "ResourceId": "churn" }),
            ),
            bad: calls("aws-sdk:ssm:listTagsForResource", json!({ "ResourceType": "Churn", "ResourceId": "churn" })),
            worse: Some(calls("aws-sdk:route53:listTagsForResource", json!({ "ResourceId": "churn" }))),
            says: "no permission in the table fits the members of this call",
        },
        Refusal {
            what: "a task definition whose roles nobody declares",
            kind: WORKFLOW,
            good: calls("ecs:runTask", json!({ "TaskDefinition": "churn", "Overrides": both_roles })),
            bad: calls("ecs:runTask", json!({ "TaskDefinition": "churn" })),
            worse: Some(calls("ecs:runTask", json!({ "TaskDefinition": "score" }))),
            says: "`TaskResources`: missing for state `Call` of the definition (digest ",
        },
        Refusal {
            what: "data of a query that nobody declares",
            kind: WORKFLOW,
            good: show,
            bad: calls("athena:startQueryExecution", query("SELECT 1")),
            worse: Some(calls("athena:startQueryExecution", query("INSERT INTO t VALUES (1)"))),
            says: "which reads the data of the tables that the query reads",
        },
        Refusal {
            what: "what a state declares and does not need",
            kind: WORKFLOW,
            good: calls("sns:publish", json!({ "TopicArn": "arn:aws:sns:us-east-1:123456789012:t" })),
            bad: declaring(json!({ "Read": "arn:aws:s3:::b/*" })),
            worse: Some(declaring(json!({ "Read": "arn:aws:s3:::c/*" }))),
            says: "in `Read` fits no need of state `Call` that its definition leaves open",
        },
        Refusal {
            what: "a key of data that no task touches",
            kind: WORKFLOW,
            good: calls("glue:startJobRun", json!({ "JobName": "churn" })),
            bad: key("1234abcd-12ab-34cd-56ef-1234567890ab"),
            worse: Some(key("12345678-12ab-34cd-56ef-1234567890ab")),
            says: "expected the key of data that a task reads or writes",
        },
        Refusal {
            what: "a role of an API that the deployer does not let pass",
            kind: WORKFLOW,
            good: calls("aws-sdk:glue:createCrawler", role_of("SageMakerGlue")),
            bad: calls("aws-sdk:glue:createCrawler", role_of("Glue")),
            worse: Some(calls("aws-sdk:glue:createCrawler", role_of("Admin"))),
            says: "`PassableRoleArns`",
        },
        Refusal {
            what: "a role of a build that is known only at run time",
            kind: WORKFLOW,
            good: build(json!({})),
            bad: build(json!({ "ServiceRoleOverride.$": "$.role" })),
            worse: None,
            says: "`ServiceRoleOverride`: the role is known only at run time",
        },
        Refusal {
            what: "a reader with the ARN of a bucket",
            kind: WORKFLOW,
            good: map("DISTRIBUTED", reader(json!({ "Bucket": "b", "Key": "k" }))),
            bad: map("DISTRIBUTED", reader(json!({ "Bucket": "arn:aws:s3:::b", "Key": "k" }))),
            worse: None,
            says: "`Bucket`: found an ARN, expected the name of a bucket",
        },
        Refusal {
            what: "an inline map with a reader",
            kind: WORKFLOW,
            good: map("DISTRIBUTED", reader(json!({ "Bucket": "b", "Key": "k" }))),
            bad: map("INLINE", reader(json!({ "Bucket": "b", "Key": "k" }))),
            worse: None,
            says: "state `Each`: `ItemReader`: allowed only in a distributed map",
        },
        Refusal {
            what: "a reader without its bucket",
            kind: WORKFLOW,
            good: map("DISTRIBUTED", reader(json!({ "Bucket": "b", "Key": "k" }))),
            bad: map("DISTRIBUTED", reader(json!({ "Key": "k" }))),
            worse: None,
            says: "`Bucket`: missing, expected the name of a bucket",
        },
        Refusal {
            what: "an override of a wildcard that an earlier version had",
            kind: WORKFLOW,
            good: nested(None),
            bad: nested(Some("arn:aws:states:us-east-1:123456789012:stateMachine:c:prod")),
            worse: None,
            says: "matches no wildcard or role of state `Run`",
        },
        Refusal {
            what: "a reader that is no object",
            kind: WORKFLOW,
            good: map("DISTRIBUTED", reader(json!({ "Bucket": "b", "Key": "k" }))),
            bad: map("DISTRIBUTED", json!("{% $reader %}")),
            worse: None,
            says: "found no object, expected an object with `Resource`",
        },
        Refusal {
            what: "keys of tags that differ in the case of letters beyond ASCII",
            kind: WORKFLOW,
            good: properties(),
            bad: tags(&["größe", "GRÖßE"]),
            worse: Some(tags(&["größe", "GRÖßE", "öl", "ÖL"])),
            says: "a key that no other tag has",
        },
        Refusal {
            what: "a name of SageMaker's project templates",
            kind: WORKFLOW,
            good: properties(),
            bad: role("AmazonSageMakerServiceCatalogProductsUseRole"),
            worse: Some(role("AmazonSageMakerServiceCatalogProductsGlueRole")),
            says: "`RoleName`: `AmazonSageMakerServiceCatalogProducts",
        },
        Refusal {
            what: "the same in another case, for an execution role",
            kind: EXECUTION,
            good: execution("AmazonSageMaker-Churn"),
            bad: execution("AmazonSageMakerServiceCatalogProductsEXECUTIONROLE"),
            worse: Some(execution("AmazonSageMakerServiceCatalogProductsLaunchrole")),
            says: "is reserved for `Custom::SageMakerServiceCatalogRoles`",
        },
        Refusal {
            what: "a name that target accounts trust",
            kind: WORKFLOW,
            good: properties(),
            bad: role("AmazonSageMaker-StackSetAdministration"),
            worse: Some(role("AmazonSageMaker-mySetupLambdaExecutionRole")),
            says: "because roles of target accounts trust every name",
        },
        Refusal {
            what: "such a name, derived",
            kind: WORKFLOW,
            good: properties(),
            bad: with(json!({ "RoleName": null })),
            worse: None,
            says: "`RoleName`: missing, and `AmazonSageMaker-SetupLambdaExecution-",
        },
        Refusal {
            what: "such a name for another role of a set",
            kind: SETS,
            good: environment(json!({})),
            bad: environment(json!({ "RoleNames": { "DataScientistRole": "ds-team-SetupLambdaExecution" } })),
            worse: Some(environment(json!({ "RoleNames": { "VPCFlowLogsRole": "ds-team-StackSetAdministration" } }))),
            says: "`RoleNames.",
        },
        Refusal {
            what: "such names, by a parameter",
            kind: SETS,
            good: environment(json!({})),
            bad: environment(json!({ "EnvName": "DS-StackSetAdministration", "EnvType": "d" })),
            worse: Some(environment(json!({ "EnvName": "DS-SetupLambdaExecution", "EnvType": "d" }))),
            says: "`RoleNames.DataScientistRole`: missing, and `DS-",
        },
        Refusal {
            what: "such a name for a deploy target",
            kind: TARGET,
            good: of_bridge(json!({})),
            bad: of_bridge(json!({ "RoleNames": { "ExecutionRole": "bridge-StackSetAdministration" } })),
            worse: Some(of_bridge(json!({ "NamePrefix": "bridge-SetupLambdaExecution" }))),
            says: "because roles of target accounts trust every name",
        },
        Refusal {
            what: "policies that make roles, as published",
            kind: TARGET,
            good: of_bridge(json!({})),
            bad: of_bridge(json!({ "Fidelity": "AsPublished" })),
            worse: None,
            says: "ask the deployer to set `AllowPublishedIamWrites`",
        },
        Refusal {
            what: "the same of a set",
            kind: SETS,
            good: setup(json!({ "AdministratorEnvName": "ops" })),
            bad: setup(json!({ "AdministratorEnvName": "ops", "Fidelity": "AsPublished" })),
            worse: Some(setup(json!({
                "AdministratorEnvName": "ops", "Fidelity": "AsPublished", "AdministratorAccountId": "222222222222",
            }))),
            says: "ask the deployer to set `AllowPublishedIamWrites`",
        },
        Refusal {
            what: "an administrator account whose roles are not named",
            kind: SETS,
            good: setup(json!({ "AdministratorEnvName": "ops" })),
            bad: setup(json!({})),
            worse: None,
            says: "`AdministratorEnvName`: missing, so `StackSetAdministrationRoleName` would be",
        },
        Refusal {
            what: "the same for a target account",
            kind: SETS,
            good: target_account(json!({ "AdministratorEnvName": "ops" })),
            bad: target_account(json!({ "AdministratorEnvName": null })),
            worse: Some(target_account(
                json!({ "AdministratorEnvName": null, "AdministratorAccountId": "222222222222" }),
            )),
            says: "so `SetupLambdaExecutionRoleName` would be `*SetupLambdaExecution*`",
        },
    ]
}

impl Refusal {
    fn event(&self, event: Value) -> Value {
        from_stack(of_type(event, self.kind), STACK)
    }

    /// A stage whose stack is updating the resource.
    fn updating(&self, id: &str, books: Books, status: &'static str) -> Stage {
        let stage = stage(books);
        stage.fake.stack_status(status);
        stage.fake.hold_as(id, STACK, "Roles", "UPDATE_IN_PROGRESS");
        stage.fake.held_type(self.kind);
        stage
    }

    /// The id of a resource with these properties as an earlier version created it, and the account that holds the
    /// resource.
    async fn made(&self, properties: &Value) -> (String, Books) {
        let stage = stage(Books::default());
        // A Create that is refused also says which id the resource would have had.
        let id = stage.send(&self.event(create(properties))).await.id().to_owned();
        let stage = self.updating(&id, stage.fake.books(), "UPDATE_IN_PROGRESS");
        let response = stage.send(&self.event(update(&id, properties, properties))).await.success();
        assert_eq!(response.id(), id, "{}", self.what);
        (id, stage.fake.books())
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_is_refused_and_makes_nothing() {
    for refusal in refusals() {
        let refused = stage(Books::default());
        let reason = refused.send(&refusal.event(create(&refusal.bad))).await.failure().reason().to_owned();
        assert!(reason.contains(refusal.says), "{}: {reason}", refusal.what);
        assert!(refused.fake.books() == Books::default(), "{}", refusal.what);
        let taken = stage(Books::default());
        let response = taken.send(&refusal.event(create(&refusal.good))).await.success();
        assert_eq!(response.0["Data"]["Warnings"], "", "{}", refusal.what);
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_that_leaves_it_as_it_was_goes_through_and_tells() {
    for refusal in refusals() {
        let (id, books) = refusal.made(&refusal.bad).await;
        let stage = refusal.updating(&id, books, "UPDATE_IN_PROGRESS");
        let mut tagged = refusal.bad.clone();
        let mut tags = tagged["Tags"].as_array().cloned().unwrap_or_default();
        tags.push(json!({ "Key": "team", "Value": "a" }));
        tagged["Tags"] = tags.into();
        let response = stage.send(&refusal.event(update(&id, &tagged, &refusal.bad))).await.success();
        let told = response.0["Data"]["Warnings"].as_str().unwrap();
        assert!(told.contains(refusal.says) || told.contains("see the function's log"), "{}: {told}", refusal.what);
        assert_eq!(response.id(), id, "{}", refusal.what);
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_that_changes_it_is_refused_and_changes_nothing() {
    for refusal in refusals() {
        let (id, books) = refusal.made(&refusal.good).await;
        let from_good = refusal.updating(&id, books.clone(), "UPDATE_IN_PROGRESS");
        let event = refusal.event(update(&id, &refusal.bad, &refusal.good));
        let response = from_good.send(&event).await.failure();
        assert!(response.reason().contains(refusal.says), "{}: {}", refusal.what, response.reason());
        assert_eq!(response.id(), id);
        assert!(from_good.fake.books() == books, "{}", refusal.what);

        let Some(worse) = &refusal.worse else { continue };
        let (id, books) = refusal.made(&refusal.bad).await;
        let from_bad = refusal.updating(&id, books.clone(), "UPDATE_IN_PROGRESS");
        from_bad.send(&refusal.event(update(&id, worse, &refusal.bad))).await.failure();
        assert!(from_bad.fake.books() == books, "{}", refusal.what);
        let to_good = refusal.updating(&id, books, "UPDATE_IN_PROGRESS");
        to_good.send(&refusal.event(update(&id, &refusal.good, &refusal.bad))).await.success();
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollback_brings_it_back_and_tells() {
    for status in ["UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"] {
        for refusal in refusals() {
            let (id, books) = refusal.made(&refusal.good).await;
            let stage = refusal.updating(&id, books, status);
            let response = stage.send(&refusal.event(update(&id, &refusal.bad, &refusal.good))).await.success();
            let told = response.0["Data"]["Warnings"].as_str().unwrap();
            assert!(!told.is_empty(), "{}", refusal.what);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_delete_is_never_in_its_way() {
    for refusal in refusals() {
        let (id, books) = refusal.made(&refusal.bad).await;
        assert!(books != Books::default());
        let stage = stage(books);
        stage.send(&refusal.event(delete(&id, &refusal.bad))).await.success();
        assert!(stage.fake.books() == Books::default(), "{}: something is left", refusal.what);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stack_that_does_not_tell_its_state_is_no_reason_to_accept_it() {
    let refusal = &refusals()[0];
    let (id, books) = refusal.made(&refusal.good).await;
    let event = refusal.event(update(&id, &refusal.bad, &refusal.good));
    let silent = refusal.updating(&id, books.clone(), "");
    silent.send(&event).await.failure();
    for action in ["DescribeStacks", "DescribeStackResource"] {
        let denied = refusal.updating(&id, books.clone(), "UPDATE_ROLLBACK_IN_PROGRESS");
        denied.fake.break_action(action, Mischief::Denied);
        let reason = denied.send(&event).await.failure().reason().to_owned();
        assert!(reason.starts_with("could not read ") && reason.ends_with("; nothing was changed"), "{reason}");
        assert!(denied.fake.books() == books);
    }
    assert!(silent.fake.books() == books);
}

/// Whoever may invoke the function could claim anything about what a resource had before.
#[tokio::test(start_paused = true)]
async fn an_update_that_the_stack_is_not_at_accepts_nothing() {
    for refusal in refusals() {
        let (id, books) = refusal.made(&refusal.good).await;
        let event = refusal.event(update(&id, &refusal.bad, &refusal.bad));
        for (held, kind, status) in [
            (id.as_str(), refusal.kind, "UPDATE_COMPLETE"),
            (&id, refusal.kind, "DELETE_IN_PROGRESS"),
            (&id, refusal.kind, "CREATE_IN_PROGRESS"),
            (&id, "Custom::SageMakerServiceCatalogRoles", "UPDATE_IN_PROGRESS"),
            ("another", refusal.kind, "UPDATE_IN_PROGRESS"),
        ] {
            let stage = refusal.updating(held, books.clone(), "UPDATE_IN_PROGRESS");
            stage.fake.hold_as(held, STACK, "Roles", status);
            stage.fake.held_type(kind);
            let response = stage.send(&event).await.failure();
            assert!(response.reason().contains(refusal.says), "{}: {}", refusal.what, response.reason());
            assert!(stage.fake.books() == books, "{}", refusal.what);
        }
    }
}

/// Otherwise a resource that once had a wide grant could get that grant anew.
#[tokio::test(start_paused = true)]
async fn an_update_that_replaces_it_accepts_nothing() {
    let old = asking(&json!({ "Fidelity": "AsPublished" }), json!({}));
    let refusals = refusals();
    let refusal = refusals.iter().find(|one| one.what == "policies that make roles, as published").unwrap();
    let (id, books) = refusal.made(&old).await;
    let mut new = old.clone();
    new["NamePrefix"] = json!("bridge2");
    let event = refusal.event(update(&id, &new, &old));
    let stage = refusal.updating(&id, books.clone(), "UPDATE_IN_PROGRESS");
    let response = stage.send(&event).await.failure();
    assert!(response.reason().contains(refusal.says), "{}", response.reason());
    assert!(stage.fake.books() == books);
    let back = refusal.updating(&id, books, "UPDATE_ROLLBACK_IN_PROGRESS");
    back.send(&event).await.success();
}
