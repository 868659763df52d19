//! Tests that foreign entities are neither written to nor deleted, and that adopted entities are released.

use mlops_roles_testkit::account::{ACCOUNT, Books, Fake, Policy};
use mlops_roles_testkit::cases::by_hand;
use mlops_roles_testkit::stage::{BOUNDARY, POLICY, ROLE, Stage, create, delete, from_stack, properties, update, with};
use serde_json::json;

const OTHER: &str = "arn:aws:cloudformation:us-east-1:123456789012:stack/other/1a2b";

#[tokio::test(start_paused = true)]
async fn a_role_of_the_same_name_is_left_alone_also_by_the_delete_that_follows() {
    let stage = Stage::new(Fake::with(by_hand()));
    let response = stage.send(&create(&properties())).await.failure();
    assert!(
        response.reason().contains(ROLE) && response.reason().contains("`AdoptExisting: true`"),
        "{}",
        response.reason()
    );
    stage.send(&delete(response.id(), &properties())).await.success();
    assert_eq!(stage.fake.books(), by_hand());
}

#[tokio::test(start_paused = true)]
async fn roles_and_policies_of_another_stack_are_named_and_left_alone() {
    let stage = Stage::new(Fake::new());
    stage.send(&from_stack(create(&properties()), OTHER)).await.success();
    let books = stage.fake.books();
    let adopting = with(json!({ "AdoptExisting": "true" }));
    for properties in [properties(), adopting] {
        let response = stage.send(&create(&properties)).await.failure();
        assert!(response.reason().contains(OTHER) && response.reason().contains("AdoptFrom"), "{}", response.reason());
        assert!(response.reason().contains(POLICY), "all objections at once: {}", response.reason());
        stage.send(&delete(ROLE, &properties)).await.success();
        assert_eq!(stage.fake.books(), books);
    }
}

#[tokio::test(start_paused = true)]
async fn a_resource_of_the_same_stack_is_another_owner_too() {
    let stage = Stage::new(Fake::new());
    stage.send(&create(&properties())).await.success();
    let books = stage.fake.books();
    let mut event = create(&properties());
    event["LogicalResourceId"] = json!("Renamed");
    stage.send(&event).await.failure();
    assert_eq!(stage.fake.books(), books);
}

#[tokio::test(start_paused = true)]
async fn an_adopted_role_is_released_with_what_others_gave_it() {
    let stage = Stage::new(Fake::with(by_hand()));
    let adopting = with(json!({ "AdoptExisting": "true", "Tags": [{ "Key": "ours", "Value": "1" }] }));
    stage.send(&create(&adopting)).await.success();
    let role = stage.fake.books().roles[&ROLE.to_lowercase()].clone();
    assert_eq!(role.boundary.as_deref(), Some(BOUNDARY));
    assert!(role.tags.contains_key("mlops-roles:adopted"));
    assert_eq!((role.attached.len(), role.inline.len()), (2, 2), "what others gave it stays");
    assert!(role.trust.to_string().contains("aws:SourceAccount"), "the trust is ours now");
    // An update in between does not make the role managed, so Delete must not delete it.
    let updated = with(json!({ "AdoptExisting": "true", "PolicyName": "AmazonSageMaker-Renamed" }));
    stage.send(&update(ROLE, &updated, &adopting)).await.success();
    stage.send(&delete(ROLE, &updated)).await.success();
    let mut released = stage.fake.books();
    let mut before = by_hand();
    // The trust policy and the details that the function set stay; the log has the earlier ones.
    let (released, before) =
        (released.roles.remove(&ROLE.to_lowercase()).unwrap(), before.roles.remove(&ROLE.to_lowercase()).unwrap());
    assert_eq!(released.tags, before.tags);
    assert_eq!(released.attached, before.attached);
    assert_eq!(released.inline, before.inline);
    assert_eq!(released.boundary.as_deref(), Some(BOUNDARY), "whoever chose the trust gets no more than they had");
    assert_eq!(released.id, before.id);
    assert!(stage.fake.books().policies.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_adoption_tags_first_and_fences_before_it_grants() {
    let stage = Stage::new(Fake::with(by_hand()));
    stage.send(&create(&with(json!({ "AdoptExisting": true })))).await.success();
    let calls = stage.fake.calls();
    let at = |action: &str| calls.iter().position(|call| call == action).unwrap();
    let writes = ["TagRole", "PutRolePermissionsBoundary", "UpdateAssumeRolePolicy", "AttachRolePolicy"];
    assert!(writes.windows(2).all(|pair| at(pair[0]) < at(pair[1])), "{calls:?}");
    let first = calls.iter().find(|call| !["Get", "List", "Describe"].iter().any(|verb| call.starts_with(verb)));
    assert_eq!(first.unwrap(), "TagRole");
}

#[tokio::test(start_paused = true)]
async fn a_policy_made_by_hand_can_be_adopted_too() {
    let mut books = by_hand();
    let policy = Policy {
        name: "AmazonSageMaker-Churn-Policy".into(),
        path: "/".into(),
        versions: [(1, json!({ "Version": "2012-10-17", "Statement": [] }))].into(),
        default: 1,
        next: 2,
        tags: [].into(),
        made_at: 0,
    };
    books.policies.insert(POLICY.into(), policy);
    let mut used = books.clone();
    used.users.insert("ann".into(), [POLICY.to_owned()].into());
    let stage = Stage::new(Fake::with(used.clone()));
    let adopting = with(json!({ "AdoptExisting": "true" }));
    let response = stage.send(&create(&adopting)).await.failure();
    assert!(response.reason().contains("can't be adopted: it is in use by user ann"), "{}", response.reason());
    assert_eq!(stage.fake.books(), used, "ann would have been granted what we write into it");

    let stage = Stage::new(Fake::with(books));
    stage.send(&create(&adopting)).await.success();
    stage.fake.change(|books| drop(books.users.insert("ann".into(), [POLICY.to_owned()].into())));
    stage.send(&delete(ROLE, &adopting)).await.success();
    let policy = stage.fake.books().policies[POLICY].clone();
    assert!(policy.tags.is_empty(), "released, whoever uses it by now");
    assert_eq!(policy.default, 2, "what it grants is what we set");
    assert!(!stage.fake.books().roles[&ROLE.to_lowercase()].attached.contains(POLICY));
}

#[tokio::test(start_paused = true)]
async fn what_a_stack_holds_cannot_be_adopted() {
    let stage = Stage::new(Fake::with(by_hand()));
    stage.fake.hold(ROLE, OTHER, "Role");
    stage.fake.hold("something-else", OTHER, "Else");
    let response = stage.send(&create(&with(json!({ "AdoptExisting": "true" })))).await.failure();
    assert!(response.reason().contains(&format!("`Role` of stack `{OTHER}`")), "{}", response.reason());
    assert_eq!(stage.fake.books(), by_hand());
}

#[tokio::test(start_paused = true)]
async fn what_a_stack_has_let_go_can_be_taken_over_by_its_name() {
    let stage = Stage::new(Fake::new());
    stage.send(&from_stack(create(&properties()), OTHER)).await.success();
    let books = stage.fake.books();
    let adopting = with(json!({ "AdoptFrom": OTHER }));
    stage.fake.hold(ROLE, OTHER, "WorkflowRole");
    // The stack may have the custom resource under a type name of its own, or may have imported the role under the
    // logical id that the custom resource had.
    for held in ["Custom::StepFunctionsWorkflowRole", "Custom::Another", "AWS::IAM::Role"] {
        stage.fake.held_type(held);
        let response = stage.send(&create(&adopting)).await.failure();
        assert!(response.reason().contains("still belongs to"), "{}", response.reason());
        assert_eq!(stage.fake.books(), books);
    }

    let stage = Stage::new(Fake::with(books));
    stage.fake.hold("a-bucket", OTHER, "WorkflowRole");
    stage.fake.held_type("AWS::S3::Bucket");
    stage.send(&create(&adopting)).await.success();
    // The late Delete of the former owner finds a foreign role. The Delete of the new owner releases the role.
    stage.send(&from_stack(delete(ROLE, &properties()), OTHER)).await.success();
    assert_eq!(stage.fake.books().roles.len(), 1);
    stage.send(&delete(ROLE, &adopting)).await.success();
    let books = stage.fake.books();
    assert_eq!((books.roles.len(), books.policies.len()), (1, 1), "released, not deleted");
    assert!(books.roles.values().all(|role| role.boundary.is_some()), "it had a boundary when it was taken over");
    assert!(books.roles.values().all(|role| role.tags.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn a_role_with_a_foreign_boundary_or_path_cannot_be_adopted() {
    let adopting = with(json!({ "AdoptExisting": "true" }));
    for (change, word) in [("boundary", "permissions boundary"), ("path", "path")] {
        let mut books = by_hand();
        let role = books.roles.get_mut(&ROLE.to_lowercase()).unwrap();
        match change {
            "boundary" => role.boundary = Some(format!("arn:aws:iam::{ACCOUNT}:policy/Foreign-boundary")),
            _ => role.path = "/service-role/".into(),
        }
        let stage = Stage::new(Fake::with(books.clone()));
        let response = stage.send(&create(&adopting)).await.failure();
        assert!(response.reason().contains(word), "{}", response.reason());
        assert_eq!(stage.fake.books(), books);
    }
}

#[tokio::test(start_paused = true)]
async fn a_deployer_who_does_not_allow_adoption_is_named() {
    let mut stage = Stage::new(Fake::with(by_hand()));
    stage.handler.guardrails.as_mut().unwrap().allow_adoption = false;
    let response = stage.send(&create(&with(json!({ "AdoptExisting": "true" })))).await.failure();
    assert!(response.reason().contains("`AllowAdoption`"), "{}", response.reason());
    assert_eq!(stage.fake.books(), by_hand());
}

#[tokio::test(start_paused = true)]
async fn switching_adoption_off_leaves_what_was_adopted_in_service() {
    let mut stage = Stage::new(Fake::with(by_hand()));
    let adopting = with(json!({ "AdoptExisting": "true" }));
    stage.send(&create(&adopting)).await.success();
    stage.handler.guardrails.as_mut().unwrap().allow_adoption = false;
    let changed = with(json!({ "AdoptExisting": "true", "Description": "still ours to change" }));
    stage.send(&update(ROLE, &changed, &adopting)).await.success();
    stage.send(&delete(ROLE, &changed)).await.success();
    assert_eq!(stage.fake.books().roles[&ROLE.to_lowercase()].tags, by_hand().roles[&ROLE.to_lowercase()].tags);
}

#[tokio::test(start_paused = true)]
async fn a_release_under_other_properties_leaves_no_policy_of_ours_attached() {
    let stage = Stage::new(Fake::with(by_hand()));
    let adopting = with(json!({ "AdoptExisting": "true" }));
    stage.send(&create(&adopting)).await.success();
    let other = with(json!({ "AdoptExisting": "true", "PolicyName": "AmazonSageMaker-Other" }));
    stage.send(&delete(ROLE, &other)).await.success();
    let books = stage.fake.books();
    assert_eq!(books.roles[&ROLE.to_lowercase()].attached, by_hand().roles[&ROLE.to_lowercase()].attached);
    assert!(books.policies.is_empty(), "{:?}", books.policies);
}

#[tokio::test(start_paused = true)]
async fn what_cloudformation_tagged_belongs_to_its_stack() {
    let mut books = by_hand();
    let tags = &mut books.roles.get_mut(&ROLE.to_lowercase()).unwrap().tags;
    tags.insert("aws:cloudformation:stack-id".into(), "arn:of-another-region".into());
    let stage = Stage::new(Fake::with(books.clone()));
    let response = stage.send(&create(&with(json!({ "AdoptExisting": "true" })))).await.failure();
    assert!(response.reason().contains("still belongs to stack `arn:of-another-region`"), "{}", response.reason());
    assert_eq!(stage.fake.books(), books);
}

#[tokio::test(start_paused = true)]
async fn a_role_whose_tags_somebody_took_off_is_not_deleted() {
    let stage = Stage::new(Fake::new());
    stage.send(&create(&properties())).await.success();
    stage.fake.change(|books| {
        books.roles.values_mut().for_each(|role| role.tags.clear());
        books.policies.values_mut().for_each(|policy| policy.tags.clear());
    });
    let books = stage.fake.books();
    stage.send(&delete(ROLE, &properties())).await.success();
    assert_eq!(stage.fake.books(), books);
}

#[tokio::test(start_paused = true)]
async fn what_a_stack_has_deleted_or_retained_is_held_by_nobody() {
    for status in ["DELETE_COMPLETE", "DELETE_SKIPPED"] {
        let stage = Stage::new(Fake::with(by_hand()));
        stage.fake.hold_as(ROLE, OTHER, "Role", status);
        stage.send(&create(&with(json!({ "AdoptExisting": "true" })))).await.success();
    }
}

#[tokio::test(start_paused = true)]
async fn a_resource_beyond_the_first_hundred_of_its_stack_is_held_all_the_same() {
    let stage = Stage::new(Fake::with(by_hand()));
    stage.fake.hold(ROLE, OTHER, "Role");
    // The stack's resources are listed in the order of their ids, and these come before the role's.
    (0..100).for_each(|n| stage.fake.hold(&format!("A{n}"), OTHER, "Else"));
    let response = stage.send(&create(&with(json!({ "AdoptExisting": "true" })))).await.failure();
    assert!(response.reason().contains(OTHER), "{}", response.reason());
    assert_eq!(stage.fake.books(), by_hand());
}

#[tokio::test(start_paused = true)]
async fn a_boundary_that_somebody_exchanged_is_put_back_on_an_adopted_role_and_left_on_release() {
    let stage = Stage::new(Fake::with(by_hand()));
    let adopting = with(json!({ "AdoptExisting": "true" }));
    stage.send(&create(&adopting)).await.success();
    let theirs = "arn:aws:iam::123456789012:policy/Stricter-boundary";
    let exchange = |books: &mut Books| {
        books.roles.get_mut(&ROLE.to_lowercase()).unwrap().boundary = Some(theirs.to_owned());
    };
    stage.fake.change(exchange);
    let revised = with(json!({ "AdoptExisting": "true", "Revision": "2" }));
    stage.send(&update(ROLE, &revised, &adopting)).await.success();
    assert_eq!(stage.fake.books().roles[&ROLE.to_lowercase()].boundary.as_deref(), Some(BOUNDARY));
    stage.fake.change(exchange);
    stage.send(&delete(ROLE, &revised)).await.success();
    assert_eq!(stage.fake.books().roles[&ROLE.to_lowercase()].boundary.as_deref(), Some(theirs));
}

#[tokio::test(start_paused = true)]
async fn an_adopted_role_without_room_for_our_grant_is_told_before_any_write() {
    let mut books = by_hand();
    let long = json!({ "Version": "2012-10-17", "Statement": [{ "Sid": "x".repeat(10_100) }] });
    books.roles.get_mut(&ROLE.to_lowercase()).unwrap().inline.insert("Long".into(), long);
    let stage = Stage::new(Fake::with(books.clone()));
    let response = stage.send(&create(&with(json!({ "AdoptExisting": "true" })))).await.failure();
    assert!(response.reason().contains("IAM allows 10240"), "{}", response.reason());
    assert_eq!(stage.fake.books(), books);
}

#[tokio::test(start_paused = true)]
async fn a_resource_refactored_into_another_stack_goes_on_there_by_adopt_from() {
    let stage = Stage::new(Fake::new());
    stage.send(&from_stack(create(&properties()), OTHER)).await.success();
    let response = stage.send(&update(ROLE, &with(json!({ "Revision": "2" })), &properties())).await.failure();
    assert!(response.reason().contains(&format!("`AdoptFrom: {OTHER}`")), "{}", response.reason());
    let moved = with(json!({ "AdoptFrom": OTHER, "Description": "moved" }));
    stage.send(&update(ROLE, &moved, &properties())).await.success();
    let role = stage.fake.books().roles[&ROLE.to_lowercase()].clone();
    assert_eq!(
        (role.description.as_str(), role.tags["mlops-roles:stack-id"].as_str()),
        ("moved", mlops_roles_testkit::stage::STACK)
    );
    // The role stays in service when the property is dropped again.
    stage.send(&update(ROLE, &properties(), &moved)).await.success();
}

#[tokio::test(start_paused = true)]
async fn a_boundary_that_somebody_took_off_stays_back_on_when_the_update_fails() {
    for boundary in [None, Some("arn:aws:iam::aws:policy/AdministratorAccess".to_owned())] {
        let stage = Stage::new(Fake::new());
        stage.send(&create(&properties())).await.success();
        let made = stage.fake.books();
        stage.fake.change(|books| books.roles.get_mut(&ROLE.to_lowercase()).unwrap().boundary = boundary);
        stage.fake.restrict();
        stage.fake.refuse("UpdateRole");
        let new = with(json!({ "Description": "new", "StateMachineName": "churn" }));
        let response = stage.send(&update(ROLE, &new, &properties())).await.failure();
        assert!(response.reason().ends_with("; rolled back"), "{}", response.reason());
        assert_eq!(stage.fake.books(), made);
    }
}

/// By physical id, CloudFormation finds only one resource, of whatever type.
#[tokio::test(start_paused = true)]
async fn a_resource_of_another_type_under_the_same_id_is_named_and_hides_who_holds_the_role() {
    for (of_type, told) in [
        ("AWS::S3::Bucket", "can't be adopted: the `AWS::S3::Bucket` resource `Data` of stack"),
        ("AWS::IAM::Role", "still belongs to resource `Data` of stack"),
        ("Custom::Other", "still belongs to resource `Data` of stack"),
    ] {
        let stage = Stage::new(Fake::with(by_hand()));
        stage.fake.hold(ROLE, OTHER, "Data");
        stage.fake.held_type(of_type);
        let before = stage.fake.books();
        let response = stage.send(&create(&with(json!({ "AdoptExisting": "true" })))).await.failure();
        assert!(response.reason().contains(told), "{}", response.reason());
        assert_eq!(stage.fake.books(), before);
    }
}
