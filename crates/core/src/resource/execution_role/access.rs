//! The calls that SageMaker and code on it make with the role, for `VerifyAccess`.
//!
//! Those for logs, metrics, objects and networks are listed apart from the grants, so that a grant that lacks something
//! can't hide it. The others are the granted actions, on names as SageMaker's APIs have them.

use std::collections::BTreeSet;

use crate::iam::arn::Place;
use crate::permissions::integration::required::{Grant, PassRoleGrant};
use crate::permissions::simulation::{Check, ContextEntry};
use crate::resource::execution_role::bucket::Bucket;

/// The calls, as questions to IAM's policy simulator.
#[derive(Debug)]
pub struct Calls<'a> {
    place: &'a Place,
    checks: Vec<Check>,
}

impl<'a> Calls<'a> {
    /// Starts with the calls of every job: its logs and its metrics.
    pub fn of_every_job(place: &'a Place) -> Self {
        let mut calls = Self { place, checks: Vec::new() };
        let Place { partition, region, account } = place;
        let group = format!("arn:{partition}:logs:{region}:{account}:log-group:/aws/sagemaker/TrainingJobs");
        let stream = format!("{group}:log-stream:job");
        calls.add("(logs)", &["logs:CreateLogGroup", "logs:DescribeLogStreams"], &[&group], Vec::new());
        calls.add("(logs)", &["logs:CreateLogStream", "logs:PutLogEvents"], &[&stream], Vec::new());
        let namespace = ContextEntry::text("cloudwatch:namespace", "/aws/sagemaker/TrainingJobs");
        calls.add("(metrics)", &["cloudwatch:PutMetricData"], &["*"], vec![namespace]);
        calls
    }

    /// Adds calls. `property` is what they are made for.
    ///
    /// Resources of other accounts are left out: the policies of another account also decide on access to its
    /// resources, and IAM's simulator does not see them.
    pub fn add(&mut self, property: &str, actions: &[&str], resources: &[&str], context: Vec<ContextEntry>) {
        let is_own = |resource: &&&str| Place::from_arn(resource).is_none_or(|of| of.account == self.place.account);
        let resources: BTreeSet<String> = resources.iter().filter(is_own).map(|one| (*one).to_owned()).collect();
        if !resources.is_empty() && !actions.is_empty() {
            let actions = actions.iter().map(|action| (*action).to_owned()).collect();
            self.checks.push(Check { who: format!("`{property}`: the role"), actions, resources, context });
        }
    }

    /// Adds the calls of a job that reads its input from the bucket, or writes its output into it.
    pub fn of_bucket(&mut self, bucket: &Bucket) {
        let Bucket { path, arn, below, .. } = bucket;
        let object = format!("{arn}/{below}job/data");
        if bucket.reads {
            self.add(path, &["s3:GetObject"], &[&object], Vec::new());
            let prefix = ContextEntry::text("s3:prefix", &format!("{below}job/"));
            self.add(path, &["s3:ListBucket"], &[arn], vec![prefix]);
        }
        if bucket.writes {
            self.add(
                path,
                &["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts", "s3:PutObject"],
                &[&object],
                Vec::new(),
            );
        }
    }

    /// Adds the calls of a grant as they are made: on one resource of each kind, with the condition keys it asks for.
    ///
    /// A resource with a policy variable is left out: the variable has a value only in a session that SageMaker starts.
    pub fn of_grant(&mut self, grant: &Grant) {
        let resources = grant.resources.iter().filter(|resource| !resource.contains('$'));
        let names: Vec<String> = resources.map(|resource| named(resource)).collect();
        // The simulator takes the names of actions, no patterns.
        let actions: Vec<&str> =
            grant.actions.iter().map(String::as_str).filter(|action| !action.contains('*')).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.add(&grant.state, &actions, &names, ContextEntry::of_condition(grant.condition.as_ref()));
    }

    /// Adds the call that passes the role.
    pub fn of_passed(&mut self, passed: &PassRoleGrant) {
        let service = ContextEntry::text("iam:PassedToService", &passed.service);
        self.add(&passed.state, &["iam:PassRole"], &[&passed.role], vec![service]);
    }

    /// Returns the questions.
    pub fn into_checks(self) -> Vec<Check> {
        self.checks
    }
}

/// Returns an ARN that the pattern matches, with a name in place of each wildcard. `*` alone stays.
fn named(pattern: &str) -> String {
    if pattern == "*" { pattern.to_owned() } else { pattern.replace('*', "-1") }
}
