//! `Subnets`, `SecurityGroups` and `LimitToSubnets`: the network interfaces of jobs and models in a VPC.

use serde_json::json;

use crate::iam::arn::Place;
use crate::permissions::integration::required::{Grant, RequiredPermissions};
use crate::permissions::integration::resource_pattern::ResourcePattern;
use crate::permissions::simulation::ContextEntry;
use crate::resource::execution_role::access::Calls;
use crate::resource::properties::{Reader, ValidationError};

/// The actions of EC2 that have no resource-level permissions. A model in a VPC needs `ec2:DescribeVpcEndpoints` too.
/// <https://docs.aws.amazon.com/sagemaker/latest/dg/host-vpc.html>
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html>
const DESCRIBE: [&str; 6] = [
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcEndpoints",
    "ec2:DescribeVpcs",
];

/// The action that puts an interface into a subnet with security groups.
const CREATE: &str = "ec2:CreateNetworkInterface";

/// The actions on an existing interface.
const CHANGE: [&str; 3] =
    ["ec2:CreateNetworkInterfacePermission", "ec2:DeleteNetworkInterface", "ec2:DeleteNetworkInterfacePermission"];

/// The capabilities whose processing jobs `LimitToSubnets` would keep from being created.
const PROCESSES: [&str; 2] = ["ModelMonitor", "Processing"];

/// The subnets and security groups of the role's jobs.
#[derive(Debug)]
pub struct Network {
    /// The ARNs of the subnets. At least one.
    subnets: Vec<String>,
    /// The ARNs of the security groups. At least one.
    groups: Vec<String>,
    /// Whether the grants name the subnets and security groups (`LimitToSubnets`).
    is_limited: bool,
    /// The ARN of every network interface of the account and region.
    interfaces: String,
}

impl Network {
    /// Parses the three properties. Returns `None` where the role gets no access to a network.
    pub fn parse(reader: &Reader<'_>, place: &Place) -> Option<Self> {
        let Place { partition, region, account } = place;
        let arn = |kind: &str, id: &str| format!("arn:{partition}:ec2:{region}:{account}:{kind}/{id}");
        let ids = |property: &'static str, start: &str, kind: &str| -> Vec<String> {
            let mut ids = Vec::new();
            for (path, text) in reader.texts(property) {
                let id = text.strip_prefix(start);
                match id.filter(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_hexdigit())) {
                    Some(_) => ids.push(arn(kind, &text)),
                    None => reader.invalid(&path, &text, &format!("`{start}` followed by hexadecimal digits")),
                }
            }
            ids
        };
        let subnets = ids("Subnets", "subnet-", "subnet");
        let groups = ids("SecurityGroups", "sg-", "security-group");
        let is_limited = reader.flag("LimitToSubnets").unwrap_or(false);
        let given =
            |property| reader.raw(property).is_some_and(|value| value.as_array().is_none_or(|items| !items.is_empty()));
        if given("Subnets") != given("SecurityGroups") {
            let problem = "only one of the two is given, and a job in a VPC needs both; give both, or neither";
            let paths = ["Subnets", "SecurityGroups"].map(str::to_owned).into();
            reader.add(ValidationError { paths, problem: problem.into() });
        }
        if is_limited && !given("Subnets") {
            reader.report(
                "LimitToSubnets",
                "`true` has no effect without `Subnets` and `SecurityGroups`; add them, or remove `LimitToSubnets`",
            );
        }
        let has_both = !subnets.is_empty() && !groups.is_empty();
        has_both.then(|| Self { subnets, groups, is_limited, interfaces: arn("network-interface", "*") })
    }

    /// Reports `LimitToSubnets` beside a capability that starts processing jobs.
    ///
    /// "If you specify a private VPC for your processing job, add the following permissions. Don't scope in the policy
    /// with any conditions or resource filters. Otherwise, the validation checks that occur during the creation of the
    /// processing job fail."
    /// <https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html#sagemaker-roles-createprocessingjob-perms>
    pub fn check(&self, reader: &Reader<'_>, has: impl Fn(&str) -> bool) {
        for capability in PROCESSES.into_iter().filter(|one| self.is_limited && has(one)) {
            let problem = format!(
                "`true` does not go with `{capability}`, because SageMaker refuses to create a processing job in a VPC \
                 if conditions or resources limit the network grants; remove one of the two"
            );
            reader.report("LimitToSubnets", problem);
        }
    }

    /// Adds the grants: on every resource, or on the named subnets and security groups only.
    ///
    /// AWS does not document whom SageMaker gives permission on a network interface, so no condition limits the
    /// grantee.
    pub fn grant(&self, required: &mut RequiredPermissions) {
        let mut push = |actions: &[&str], on, condition| {
            required.grants.push(Grant::of("Subnets", actions, on, condition));
        };
        let any = |why| vec![ResourcePattern::always("*".to_owned(), why)];
        push(&DESCRIBE, any("the `ec2:Describe…` actions have no resource-level permissions"), None);
        if !self.is_limited {
            let actions: Vec<&str> = CHANGE.into_iter().chain([CREATE]).collect();
            push(&actions, any("SageMaker refuses a processing job in a VPC if resources limit this grant"), None);
            return;
        }
        let interfaces =
            || ResourcePattern::always(self.interfaces.clone(), "EC2 chooses the id of a network interface");
        let named = self.subnets.iter().chain(&self.groups).map(|arn| ResourcePattern::exact(arn.clone()));
        push(&[CREATE], named.chain([interfaces()]).collect(), None);
        push(&CHANGE, vec![interfaces()], Some(json!({ "ArnEquals": { "ec2:Subnet": self.subnets } })));
    }

    /// Adds the calls of SageMaker. To create a processing job, it validates the actions on every resource.
    pub fn called(&self, calls: &mut Calls<'_>) {
        calls.add("Subnets", &DESCRIBE, &["*"], Vec::new());
        if !self.is_limited {
            let actions: Vec<&str> = CHANGE.into_iter().chain([CREATE]).collect();
            calls.add("Subnets", &actions, &["*"], Vec::new());
            return;
        }
        let interface = self.interfaces.replace('*', "eni-00000000000000000");
        let named: Vec<&str> =
            self.subnets.iter().chain(&self.groups).chain([&interface]).map(String::as_str).collect();
        calls.add("Subnets", &[CREATE], &named, Vec::new());
        for subnet in &self.subnets {
            calls.add("Subnets", &CHANGE, &[&interface], vec![ContextEntry::text("ec2:Subnet", subnet)]);
        }
    }
}
