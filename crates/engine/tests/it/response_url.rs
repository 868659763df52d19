//! Tests where a response may be sent.

use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::protocol::request::Request;
use mlops_roles_core::protocol::response::Response;
use mlops_roles_core::protocol::response_url::ResponseUrl;
use mlops_roles_engine::deliver::{DeliveryError, ResponseSender};
use mlops_roles_testkit::stage::{Mailbox, create, properties};
use std::time::Duration;
use tokio::time::Instant;

/// The beginning of the names of CloudFormation's buckets.
const BUCKET: &str = "cloudformation-custom-resource-response";

fn place(partition: &str, region: &str) -> Place {
    Place { partition: partition.into(), region: region.into(), account: "123456789012".into() }
}

/// A partition, a region, and a URL that CloudFormation may give there.
fn trusted() -> Vec<(&'static str, &'static str, String)> {
    vec![
        ("aws", "us-east-1", format!("https://{BUCKET}-useast1.s3.amazonaws.com/x?y=z")),
        ("aws", "eu-west-1", format!("https://{BUCKET}-euwest1.s3-eu-west-1.amazonaws.com/x")),
        ("aws", "ap-southeast-2", format!("https://{BUCKET}-apsoutheast2.s3-ap-southeast-2.amazonaws.com/x")),
        ("aws", "us-east-2", format!("https://{BUCKET}-useast2.s3.us-east-2.amazonaws.com/x")),
        ("aws-cn", "cn-north-1", format!("https://{BUCKET}-cnnorth1.s3.cn-north-1.amazonaws.com.cn/x")),
        ("aws-us-gov", "us-gov-west-1", format!("https://{BUCKET}-usgovwest1.s3.us-gov-west-1.amazonaws.com/x")),
        ("aws", "us-east-1", format!("https://{BUCKET}-useast1.s3.dualstack.us-east-1.amazonaws.com/x")),
        ("aws", "us-east-1", format!("https://{BUCKET}-useast1.s3-fips.us-east-1.amazonaws.com/x")),
        ("aws", "us-east-1", format!("https://{BUCKET}-useast1.s3-fips.dualstack.us-east-1.amazonaws.com/x")),
        ("aws-us-gov", "us-gov-west-1", format!("https://{BUCKET}-usgovwest1.s3-fips.us-gov-west-1.amazonaws.com/x")),
        ("aws-cn", "cn-north-1", format!("https://{BUCKET}-cnnorth1.s3.dualstack.cn-north-1.amazonaws.com.cn/x")),
        (
            "aws-eusc",
            "eusc-de-east-1",
            format!("https://{BUCKET}-euscdeeast1.s3.dualstack.eusc-de-east-1.amazonaws.eu/x"),
        ),
    ]
}

/// URLs of other hosts, schemes, ports and regions.
fn other_hosts() -> Vec<String> {
    vec![
        format!("http://{BUCKET}-useast1.s3.amazonaws.com/x"),
        format!("https://{BUCKET}-useast1.s3.amazonaws.com:8443/x"),
        format!("https://user@{BUCKET}-useast1.s3.amazonaws.com/x"),
        format!("https://{BUCKET}-useast1.s3.amazonaws.com@example.com/x"),
        format!("https://{BUCKET}-useast1.s3.amazonaws.com.example.com/x"),
        format!("https://{BUCKET}-useast1.s3.amazonaws.com.cn/x"),
        format!("https://{BUCKET}-useast1-evil.s3.amazonaws.com/x"),
        format!("https://{BUCKET}-useast1.s3-eu-west-1.amazonaws.com/x"),
        format!("https://{BUCKET}-useast1.evil.s3.amazonaws.com/x"),
        format!("https://{BUCKET}-useast1.s3.dualstack.eu-west-1.amazonaws.com/x"),
        format!("https://{BUCKET}-useast1.s3-fips.eu-west-1.amazonaws.com/x"),
        format!("https://{BUCKET}-euwest1.s3-fips.us-east-1.amazonaws.com/x"),
        format!("https://{BUCKET}-useast1.s3-fips.amazonaws.com/x"),
        format!("https://{BUCKET}-useast1.s3.dualstack.amazonaws.com/x"),
        format!("https://{BUCKET}-useast1.s3.dualstack.s3-fips.us-east-1.amazonaws.com/x"),
        format!("https://{BUCKET}-useast1.s3-website.us-east-1.amazonaws.com/x"),
        format!("https://x.{BUCKET}-useast1.s3.amazonaws.com/x"),
        "https://s3.amazonaws.com/cloudformation-custom-resource-response-useast1/x".into(),
    ]
}

/// URLs that a careless parser takes for others, and hosts within a network.
fn disguised() -> Vec<String> {
    vec![
        format!("https://{BUCKET}-useast1%2es3.amazonaws.com.example.com/x"),
        format!("https://{BUCKET}-useast1.s3.amazonaws.com./x"),
        format!("https://{BUCKET}-useast1.s3.amazonaws.com:80/x"),
        format!("https://{BUCKET}-useast1.s3.amazonaws.com:0/x"),
        format!("https://{BUCKET}-useast1.s3.amazonaws.com%00.example.com/x"),
        format!("https://{BUCKET}-useast1.s3.amazonaws.com%2f.example.com/x"),
        format!("https://{BUCKET}-useast1.s3.us-east-1.amazonaws.com.example.com/x"),
        format!("https://{BUCKET}-useast1.s3-accelerate.amazonaws.com/x"),
        format!("https://{BUCKET}-useast1.s3-website-us-east-1.amazonaws.com/x"),
        format!("https://{BUCKET}-useast1.s3.amazonaws.c\u{43e}m/x"),
        format!("https://:secret@{BUCKET}-useast1.s3.amazonaws.com/x"),
        format!("https://%75ser@{BUCKET}-useast1.s3.amazonaws.com/x"),
        format!("https://example.com\\@{BUCKET}-useast1.s3.amazonaws.com/x"),
        format!("https://example.com#@{BUCKET}-useast1.s3.amazonaws.com/x"),
        format!("https://example.com?@{BUCKET}-useast1.s3.amazonaws.com/x"),
        format!("file://{BUCKET}-useast1.s3.amazonaws.com/x"),
        format!("javascript://{BUCKET}-useast1.s3.amazonaws.com/x"),
        format!("//{BUCKET}-useast1.s3.amazonaws.com/x"),
        "https://127.0.0.1/x".into(),
        "https://2130706433/x".into(),
        "https://0x7f.1/x".into(),
        "https://169.254.169.254/latest/meta-data".into(),
        "https://[::ffff:127.0.0.1]/x".into(),
        "https://[::1]/x".into(),
        "ftp://x/y".into(),
        "not a url".into(),
        String::new(),
    ]
}

#[tokio::test(start_paused = true)]
async fn answers_go_to_cloudformations_bucket_for_this_region_only() {
    for (partition, region, url) in trusted() {
        let mailbox = Mailbox::default();
        let sender = ResponseSender { transport: mailbox.clone(), endpoint: None };
        let request = Request::parse(&create(&properties())).unwrap();
        let response = Response::failed(&request.target, "id", "why".into());
        let to = ResponseUrl::new(&url);
        let at = place(partition, region);
        assert_eq!(
            sender.deliver(&to, &response, Some(&at), Instant::now() + Duration::from_secs(1)).await.unwrap(),
            200
        );
        for elsewhere in [None, Some(place(partition, "eu-south-2"))] {
            let refused =
                sender.deliver(&to, &response, elsewhere.as_ref(), Instant::now() + Duration::from_secs(1)).await;
            assert!(matches!(refused, Err(DeliveryError::Untrusted { .. })), "{url} from {elsewhere:?}");
        }
    }
    let us = place("aws", "us-east-1");
    for url in other_hosts().into_iter().chain(disguised()) {
        let mailbox = Mailbox::default();
        let sender = ResponseSender { transport: mailbox.clone(), endpoint: None };
        let request = Request::parse(&create(&properties())).unwrap();
        let response = Response::failed(&request.target, "id", "why".into());
        let refused = sender
            .deliver(&ResponseUrl::new(&url), &response, Some(&us), Instant::now() + Duration::from_secs(1))
            .await;
        assert!(matches!(refused, Err(DeliveryError::Untrusted { .. })), "{url}");
        assert!(mailbox.take().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_of_the_deployer_takes_answers_at_its_own_address_only() {
    let request = Request::parse(&create(&properties())).unwrap();
    let response = Response::failed(&request.target, "id", "why".into());
    for (url, fits) in [
        ("http://localhost:4566/x", true),
        ("http://localhost:4567/x", false),
        ("https://localhost:4566/x", false),
        ("http://localhost.example.com:4566/x", false),
        ("http://a@localhost:4566/x", false),
    ] {
        let mailbox = Mailbox::default();
        let sender = ResponseSender { transport: mailbox.clone(), endpoint: Some("http://localhost:4566".into()) };
        let sent =
            sender.deliver(&ResponseUrl::new(url), &response, None, Instant::now() + Duration::from_secs(1)).await;
        assert_eq!(sent.is_ok(), fits, "{url}");
        assert_eq!(mailbox.take().len(), usize::from(fits));
    }
}
