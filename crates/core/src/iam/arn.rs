//! Parses, builds and matches Amazon Resource Names (ARNs), and checks the names of regions and partitions.

use std::fmt;

/// The partition, region and account that the function runs in.
///
/// The function serves only the roles of this account and the stacks of this account and region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The partition of AWS: `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: String,
    /// The name of the region: `us-east-1`.
    pub region: String,
    /// The id of the account, 12 digits: `123456789012`.
    pub account: String,
}

impl Place {
    /// Takes the place from an ARN that names a region and an account, such as the ARN of a function or a stack.
    ///
    /// Returns `None` when the text is not an ARN, its region is empty or its account is not 12 digits.
    pub fn from_arn(arn: &str) -> Option<Self> {
        let arn = Arn::parse(arn)?;
        let account_is_one = arn.account.len() == 12 && arn.account.bytes().all(|b| b.is_ascii_digit());
        (account_is_one && !arn.region.is_empty()).then(|| Self {
            partition: arn.partition.to_owned(),
            region: arn.region.to_owned(),
            account: arn.account.to_owned(),
        })
    }

    /// Builds the ARN of a customer-managed policy: `arn:aws:iam::123456789012:policy/path/Name`.
    ///
    /// `path` begins and ends with a slash, as in IAM.
    pub fn policy_arn(&self, path: &str, name: &str) -> String {
        format!("arn:{}:iam::{}:policy{path}{name}", self.partition, self.account)
    }

    /// Builds the ARN of a role: `arn:aws:iam::123456789012:role/path/Name`.
    ///
    /// `path` begins and ends with a slash, as in IAM.
    pub fn role_arn(&self, path: &str, name: &str) -> String {
        format!("arn:{}:iam::{}:role{path}{name}", self.partition, self.account)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "account {} in {} ({})", self.account, self.region, self.partition)
    }
}

/// The parts of an ARN, borrowed from its text: `arn:partition:service:region:account:resource`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arn<'a> {
    /// The partition of AWS: `aws`. Not empty.
    pub partition: &'a str,
    /// The namespace of the service: `iam`. Not empty.
    pub service: &'a str,
    /// The name of the region: `us-east-1`. Empty for global services such as IAM.
    pub region: &'a str,
    /// The id of the account: `123456789012`. `aws` for AWS managed policies, empty for some services such as S3.
    pub account: &'a str,
    /// Everything after the fifth colon, which may contain further colons: `role/path/Name`. Not empty.
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Splits a text at its first five colons.
    ///
    /// Returns `None` when the text does not begin with `arn:`, has too few parts or lacks a partition, service or
    /// resource. The form of the region and the account is not checked.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        let (scheme, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
        let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
        let whole = scheme == "arn" && !partition.is_empty() && !service.is_empty() && !resource.is_empty();
        whole.then_some(Self { partition, service, region, account, resource })
    }

    /// Whether `text` is the ARN of one resource in one region of one account.
    ///
    /// Such an ARN has a region, an account of 12 digits and neither a wildcard (`*`, `?`) nor a variable (`$`).
    pub fn is_of_one_place(text: &str) -> bool {
        Place::from_arn(text).is_some() && !text.contains(['*', '?', '$'])
    }

    /// Splits the ARN of an IAM entity into path and name: `role/a/b/Name` becomes `("/a/b/", "Name")`.
    ///
    /// `kind` is the type of the entity: `role` or `policy`. Returns `None` when the ARN is of another service or kind.
    pub fn iam_entity(&self, kind: &str) -> Option<(&'a str, &'a str)> {
        let rest = self.resource.strip_prefix(kind)?;
        let at = rest.rfind('/')?;
        let (path, name) = rest.split_at_checked(at + 1)?;
        (self.service == "iam" && path.starts_with('/') && !name.is_empty()).then_some((path, name))
    }
}

/// Whether `text` matches an IAM pattern, in which `*` stands for any characters or none, and `?` for exactly one.
///
/// The comparison is case-sensitive.
pub fn matches(pattern: &str, text: &str) -> bool {
    fits(pattern, text, |one, other| one == other)
}

/// Whether some text matches both IAM patterns.
///
/// The time is the product of both lengths. This bound matters because patterns come from templates.
pub fn overlap(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let is_open = |pattern: &[u8]| pattern.iter().all(|b| *b == b'*');
    // What `one` is compared with when all of it is matched: the rest of `other` has to be stars.
    let mut row: Vec<bool> = (0..=other.len()).map(|j| other.get(j..).is_some_and(is_open)).collect();
    let mut rest_is_open = true;
    for a in one.iter().rev() {
        rest_is_open &= *a == b'*';
        let mut next = rest_is_open;
        let mut below = row.last().copied().unwrap_or_default();
        if let Some(last) = row.last_mut() {
            *last = rest_is_open;
        }
        for (b, cell) in other.iter().zip(&mut row).rev() {
            let meets =
                if *a == b'*' || *b == b'*' { *cell || next } else { (a == b || *a == b'?' || *b == b'?') && below };
            below = std::mem::replace(cell, meets);
            next = meets;
        }
    }
    row.first().copied().unwrap_or_default()
}

/// Whether `text` matches an IAM pattern when ASCII case is ignored. IAM compares the names of actions in this way.
pub fn matches_in_any_case(pattern: &str, text: &str) -> bool {
    fits(pattern, text, |one, other| one.eq_ignore_ascii_case(&other))
}

/// Matches greedily and backtracks only to the last star.
///
/// Without stars, the time is linear in the length of the text. With stars, it is at most the product of both lengths.
/// This bound matters because patterns come from templates.
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
            Some(expected) if expected == '?' || same(expected, one) => (pattern, text) = (after, rest),
            _ => {
                let Some((after, taken)) = &mut star else { return false };
                taken.next();
                (pattern, text) = (after.clone(), taken.clone());
            }
        }
    }
    pattern.all(|c| c == '*')
}

/// Pairs of a partition and the prefix of its regions' names: `cn` for `cn-north-1`.
///
/// The partition `aws` is not in the list, because its regions begin with two letters that vary: `us-east-1`.
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

/// The directions that the names of regions contain, second from last: `east` in `us-east-1`.
pub const DIRECTIONS: [&str; 9] =
    ["central", "east", "north", "northeast", "northwest", "south", "southeast", "southwest", "west"];

/// Whether `name` has the form of a region of the partition: prefix, direction and one digit, as in `us-east-1`.
///
/// The check is of the form only, because only AWS knows which regions exist today.
pub fn is_region(name: &str, partition: &str) -> bool {
    let mut parts = name.rsplitn(3, '-');
    let (number, direction, place) = (parts.next(), parts.next(), parts.next().unwrap_or_default());
    let prefix = REGION_PREFIXES.iter().find(|(of, _)| *of == partition).map(|(_, prefix)| *prefix);
    let two_letters = place.len() == 2 && place != "cn" && place.bytes().all(|b| b.is_ascii_lowercase());
    number.is_some_and(|number| number.len() == 1 && number.bytes().all(|b| b.is_ascii_digit()))
        && direction.is_some_and(|direction| DIRECTIONS.contains(&direction))
        && prefix.map_or(two_letters, |prefix| prefix == place)
}

/// Finds the partition of a region by the form of its name: `aws-cn` for `cn-north-1`. `None` when no partition fits.
pub fn partition_of(region: &str) -> Option<&'static str> {
    partitions().find(|partition| is_region(region, partition))
}

/// Lists all partitions, beginning with `aws`.
pub fn partitions() -> impl Iterator<Item = &'static str> {
    ["aws"].into_iter().chain(REGION_PREFIXES.map(|(partition, _)| partition))
}
