//! Tests which projects of SageMaker count as use of the service-catalog roles.

use serde_json::{Value, json};

use mlops_roles_testkit::account::sagemaker::Region;
use mlops_roles_testkit::account::{Books, Mischief};
use mlops_roles_testkit::service_catalog::{
    self, LAUNCH, USE, attribute, creating, deleting, joined, names, neighbours, solution, stage,
};

fn by_templates(roles: &[Option<&str>]) -> Value {
    let details = roles.iter().map(|role| {
        let mut detail = json!({ "TemplateName": "t", "TemplateURL": "https://templates.s3.amazonaws.com/t.yaml" });
        if let Some(role) = role {
            detail["RoleARN"] = json!(format!("arn:aws:iam::123456789012:role/{role}"));
        }
        json!({ "CfnTemplateProviderDetail": detail })
    });
    json!({ "TemplateProviderDetails": details.collect::<Vec<_>>() })
}

fn with_project(reply: Value) -> Books {
    let mut books = solution("/");
    books.regions.insert("us-east-1".into(), Region::with(&[("churn", "CreateCompleted")]).describing("churn", reply));
    books
}

#[tokio::test(start_paused = true)]
async fn a_project_that_runs_with_none_of_the_roles_is_no_use() {
    for reply in [
        by_templates(&[Some("AmazonSageMakerProjectsLaunchRole")]),
        by_templates(&[Some("service-role/Provisions"), Some("x/MyUseRole")]),
        by_templates(&[None]),
        json!({ "ProjectStatus": "DeleteCompleted", "ServiceCatalogProvisioningDetails": { "ProductId": "prod-1" } }),
    ] {
        let stage = stage(with_project(reply.clone()));
        let response = stage.send(&creating(json!({}))).await.success();
        assert_eq!(response.0["Data"]["InUseBy"], "", "{reply}");
        let response = stage.send(&deleting(json!({}))).await.success();
        assert_eq!(attribute(&response, "DeletedRoles"), names(&["LaunchRole", "UseRole"]), "{reply}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_project_that_runs_with_a_role_or_does_not_tell_is_use() {
    let is_use = "project `churn` (CreateCompleted) in us-east-1";
    let untold = "in us-east-1, for which SageMaker names no product or template";
    let product = json!({ "ProductId": "prod-1" });
    for (reply, part) in [
        (json!({ "ServiceCatalogProvisioningDetails": product }), is_use),
        (json!({ "ServiceCatalogProvisionedProductDetails": { "ProvisionedProductId": "pp-1" } }), is_use),
        (by_templates(&[Some(USE)]), is_use),
        (by_templates(&[Some("Other"), Some(&format!("service-role/{LAUNCH}"))]), is_use),
        (by_templates(&[Some("amazonsagemakerservicecatalogproductsglueROLE")]), is_use),
        (json!({}), untold),
        (json!({ "ServiceCatalogProvisioningDetails": {}, "TemplateProviderDetails": [] }), untold),
        (json!({ "TemplateProviderDetails": [{ "NewKindOfDetail": { "RoleARN": "x" } }] }), untold),
    ] {
        let books = with_project(reply.clone());
        let stage = stage(books.clone());
        let reason = stage.send(&deleting(json!({}))).await.failure().reason().to_owned();
        assert!(reason.contains(part), "{reply}: {reason}");
        assert_eq!(stage.fake.books(), joined(books, neighbours()), "{reply}");
    }
}

/// The permission came later than the type: an older deployment of the function lacks it.
#[tokio::test(start_paused = true)]
async fn a_project_that_cannot_be_read_is_use_and_the_reason_says_why() {
    for (mischief, why) in [
        (Mischief::Denied, "which could not be read: sagemaker:DescribeProject: AccessDenied"),
        (Mischief::Refused, "which could not be read: sagemaker:DescribeProject: "),
        (Mischief::Throttled, "which could not be read: sagemaker:DescribeProject: Throttling"),
        (Mischief::HangAfter, "which could not be read: the deadline passed before AWS replied"),
    ] {
        let books = with_project(by_templates(&[Some("Other")]));
        let stage = stage(books.clone());
        stage.fake.break_action("DescribeProject", mischief);
        let reason = stage.send(&deleting(json!({}))).await.failure().reason().to_owned();
        assert!(reason.contains(why) && reason.contains("nothing was changed"), "{mischief:?}: {reason}");
        assert_eq!(stage.fake.books(), joined(books, neighbours()), "{mischief:?}");
        stage.fake.heal();
        stage.fake.forget_calls();
        stage.send(&deleting(json!({}))).await.success();
    }
}

#[tokio::test(start_paused = true)]
async fn a_project_that_goes_between_list_and_description_is_no_use() {
    let stage = stage(with_project(by_templates(&[Some(USE)])));
    let calls = {
        let rehearsal = service_catalog::stage(with_project(by_templates(&[Some(USE)])));
        rehearsal.send(&deleting(json!({}))).await.failure();
        rehearsal.fake.calls()
    };
    let at = calls.iter().position(|call| call == "DescribeProject").unwrap();
    stage.fake.meddle(at, |books| drop(books.regions.remove("us-east-1")));
    stage.send(&deleting(json!({}))).await.success();
    assert!(stage.fake.calls().contains(&"DescribeProject".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn many_projects_are_read_a_few_at_once_and_no_longer_than_needed() {
    let described = async |mut region: Region, broken: bool| {
        region.projects = (0..50).map(|i| (format!("p-{i}"), "CreateCompleted".to_owned())).collect();
        let mut books = solution("/");
        books.regions.insert("us-east-1".into(), region);
        let stage = stage(books);
        if broken {
            stage.fake.break_action("DescribeProject", Mischief::Refused);
        }
        let response = stage.send(&creating(json!({}))).await.success();
        let asked = stage.fake.calls().iter().filter(|call| *call == "DescribeProject").count();
        (asked, response.0["Data"]["InUseBy"].as_str().unwrap().to_owned())
    };
    let templates = (0..50)
        .fold(Region::default(), |region, i| region.describing(&format!("p-{i}"), by_templates(&[Some("Other")])));
    assert_eq!(described(templates, false).await, (50, String::new()));

    let (asked, uses) = described(Region::default(), false).await;
    assert_eq!(asked, 20, "enough uses are known");
    assert!(
        uses.starts_with("project `p-0` (CreateCompleted) in us-east-1; ") && uses.ends_with("; 30 more"),
        "{uses}"
    );

    let (asked, uses) = described(Region::default(), true).await;
    assert_eq!(asked, 4, "one failure is enough");
    let unread = "project `p-4` (CreateCompleted) in us-east-1, which was not read and may run with the roles";
    assert!(uses.contains(unread), "{uses}");
}
