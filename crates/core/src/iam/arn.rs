//! Amazon Resource Names: the ones the program builds, and the reading of those it is given.

use std::fmt;

/// Where the function runs and the only place whose roles and stacks it serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub partition: String,
    pub region: String,
    /// Twelve digits.
    pub account: String,
}

impl Place {
    /// The place in any ARN that names a region and an account: a function's, a stack's.
    pub fn from_arn(arn: &str) -> Option<Self> {
        let arn = Arn::parse(arn)?;
        let account_is_one = arn.account.len() == 12 && arn.account.bytes().all(|b| b.is_ascii_digit());
        (account_is_one && !arn.region.is_empty()).then(|| Self {
            partition: arn.partition.to_owned(),
            region: arn.region.to_owned(),
            account: arn.account.to_owned(),
        })
    }

    /// `path` begins and ends with a slash, as IAM has it.
    pub fn policy_arn(&self, path: &str, name: &str) -> String {
        format!("arn:{}:iam::{}:policy{path}{name}", self.partition, self.account)
    }

    pub fn role_arn(&self, path: &str, name: &str) -> String {
        format!("arn:{}:iam::{}:role{path}{name}", self.partition, self.account)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "account {} in {} ({})", self.account, self.region, self.partition)
    }
}

/// `arn:partition:service:region:account:resource`, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arn<'a> {
    pub partition: &'a str,
    pub service: &'a str,
    pub region: &'a str,
    pub account: &'a str,
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        let (scheme, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
        let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
        let whole = scheme == "arn" && !partition.is_empty() && !service.is_empty() && !resource.is_empty();
        whole.then_some(Self { partition, service, region, account, resource })
    }

    /// Whether it names one thing in one region of one account: nothing in it is a pattern or a variable.
    pub fn is_of_one_place(text: &str) -> bool {
        Place::from_arn(text).is_some() && !text.contains(['*', '?', '$'])
    }

    /// The path and name of an IAM entity: `role/a/b/Name` is `("/a/b/", "Name")`.
    pub fn iam_entity(&self, kind: &str) -> Option<(&'a str, &'a str)> {
        let rest = self.resource.strip_prefix(kind)?;
        let at = rest.rfind('/')?;
        let (path, name) = rest.split_at_checked(at + 1)?;
        (self.service == "iam" && path.starts_with('/') && !name.is_empty()).then_some((path, name))
    }
}

/// Whether `text` fits an IAM pattern: `*` is any run of characters, `?` any one.
pub fn matches(pattern: &str, text: &str) -> bool {
    fits(pattern, text, |one, other| one == other)
}

/// The same where case does not count, as in the names of actions.
pub fn matches_in_any_case(pattern: &str, text: &str) -> bool {
    fits(pattern, text, |one, other| one.eq_ignore_ascii_case(&other))
}

/// Greedy matching with one point of return, linear but for the stars: patterns come from templates.
fn fits(pattern: &str, text: &str, same: impl Fn(char, char) -> bool) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    let mut star = None;
    loop {
        let (mut after, mut rest) = (pattern.clone(), text.clone());
        let Some(one) = rest.next() else { break };
        match after.next() {
            Some('*') => {
                star = Some((after.clone(), text.clone()));
                pattern = after;
            }
            Some(spec) if spec == '?' || same(spec, one) => (pattern, text) = (after, rest),
            _ => {
                let Some((after, taken)) = &mut star else { return false };
                taken.next();
                (pattern, text) = (after.clone(), taken.clone());
            }
        }
    }
    pattern.all(|c| c == '*')
}

/// How the names of a partition's regions begin. Those of `aws` begin with two letters.
/// <https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html>
pub const REGION_PREFIXES: [(&str, &str); 7] = [
    ("aws-cn", "cn"),
    ("aws-eusc", "eusc-de"),
    ("aws-iso", "us-iso"),
    ("aws-iso-b", "us-isob"),
    ("aws-iso-e", "eu-isoe"),
    ("aws-iso-f", "us-isof"),
    ("aws-us-gov", "us-gov"),
];

/// What the names of regions say after the place.
pub const DIRECTIONS: [&str; 9] =
    ["central", "east", "north", "northeast", "northwest", "south", "southeast", "southwest", "west"];

/// Whether it is the name of a region of the partition by its form: place, direction, number. Which ones there are today
/// only AWS knows.
pub fn is_region(name: &str, partition: &str) -> bool {
    let mut parts = name.rsplitn(3, '-');
    let (number, direction, place) = (parts.next(), parts.next(), parts.next().unwrap_or_default());
    let prefix = REGION_PREFIXES.iter().find(|(of, _)| *of == partition).map(|(_, prefix)| *prefix);
    let two_letters = place.len() == 2 && place != "cn" && place.bytes().all(|b| b.is_ascii_lowercase());
    number.is_some_and(|number| number.len() == 1 && number.bytes().all(|b| b.is_ascii_digit()))
        && direction.is_some_and(|direction| DIRECTIONS.contains(&direction))
        && prefix.map_or(two_letters, |prefix| prefix == place)
}

/// The partition that a region of this name is in.
pub fn partition_of(region: &str) -> Option<&'static str> {
    partitions().find(|partition| is_region(region, partition))
}

/// Every partition.
pub fn partitions() -> impl Iterator<Item = &'static str> {
    ["aws"].into_iter().chain(REGION_PREFIXES.map(|(partition, _)| partition))
}
