//! The properties that every resource type that creates one role shares, as `AWS::IAM::Role` has them.

use sha2::{Digest, Sha256};

use crate::iam::arn::Arn;
use crate::iam::document::{Document, hex};
use crate::iam::name::{Name, is_iam_name};
use crate::iam::quota::{POLICY_NAME_LENGTH, ROLE_NAME_LENGTH, TAGS_PER_ENTITY};
use crate::resource::properties::Reader;
use crate::resource::reserved::reserved;
use crate::resource::spec::ReadContext;
use crate::state::Tags;
use crate::state::ownership::{Owner, TAG_KEYS};
use crate::text::listed;

/// The maximum length of a role's path, in characters.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html>
pub const PATH_LENGTH: usize = 512;

/// The maximum length of a role's description, in characters.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html>
pub const DESCRIPTION_LENGTH: usize = 1_000;

/// The maximum length of a tag's key, in characters.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_Tag.html>
pub const TAG_KEY_LENGTH: usize = 128;

/// The maximum length of a tag's value, in characters.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_Tag.html>
pub const TAG_VALUE_LENGTH: usize = 256;

/// The range of `MaxSessionDuration`, in seconds. Its start is the default.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html>
pub const SESSION_SECONDS: std::ops::RangeInclusive<i32> = 3_600..=43_200;

/// The number of tags that an author may set. IAM's quota is 50 tags; this project needs 3 of them: stack, logical id,
/// adopted.
pub const USER_TAGS: usize = TAGS_PER_ENTITY - TAG_KEYS.len();

/// The properties `RoleName`, `Path`, `Description`, `MaxSessionDuration`, `PermissionsBoundary` and `Tags`.
#[derive(Clone, Debug)]
pub struct RoleProperties {
    /// The name of the role. Derived from stack, logical id and path where `RoleName` is absent.
    pub name: Name,
    /// The path of the role, which begins and ends with `/`. The deployer's default where `Path` is absent.
    pub path: String,
    /// The description of the role, at most 1,000 characters. Empty where `Description` is absent.
    pub description: String,
    /// The maximum session duration of the role, 3,600 to 43,200 seconds. 3,600 seconds where `MaxSessionDuration` is
    /// absent.
    pub max_session_duration: i32,
    /// The ARN of the permissions boundary. The deployer's where `PermissionsBoundary` is absent.
    pub boundary: String,
    /// The author's tags, without the tags of this project.
    pub tags: Tags,
}

/// Parses the properties of a role. `context.existing`, where present, is the name of the role whatever `RoleName`
/// says.
pub fn parse(reader: &Reader<'_>, context: ReadContext<'_>) -> RoleProperties {
    let path = path(reader, context);
    let asked = name_within_guardrails(reader, context, "RoleName", ROLE_NAME_LENGTH, &mut Vec::new()).map(Name::new);
    let told = asked.is_some();
    let name = context.existing.cloned().or(asked).unwrap_or_else(|| derived_name(context, &path));
    if let Some(why) = reserved(&path, name.as_str(), "").filter(|_| context.existing.is_none()) {
        let missing = if told { "" } else { "missing, and " };
        reader.tighten("RoleName", format!("{missing}{why}"));
    }
    RoleProperties {
        name,
        path,
        description: description(reader),
        max_session_duration: reader
            .number("MaxSessionDuration", SESSION_SECONDS, "seconds")
            .unwrap_or(*SESSION_SECONDS.start()),
        boundary: boundary(reader, context),
        tags: tags(reader),
    }
}

/// Derives the name of a role from the stack, the logical id and the create-only property `Path`.
///
/// The same three lead to the same name, so that a redelivery finds the role that the first delivery created. A change
/// in any of them leads to another name, so that the old and the new role of a replacement can exist at the same time.
fn derived_name(context: ReadContext<'_>, path: &str) -> Name {
    let owner = context.owner;
    let hash = hash(owner, path);
    let prefix = context.guardrails.role_name_prefixes.first().map_or("", String::as_str);
    let stack = owner.stack_id.split('/').nth(1).unwrap_or_default();
    // The prefix and the hash stay whole. The stack and the logical id share what they and three hyphens leave.
    let room = ROLE_NAME_LENGTH.saturating_sub(prefix.len() + hash.len() + 3);
    // CloudFormation's stack names and logical ids are letters, digits and hyphens. A forged event may contain
    // anything.
    let fit = |text: &str, room| text.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(room).collect();
    let logical: String = fit(&owner.logical_id, room / 2);
    let stack: String = fit(stack, room - logical.len());
    Name::new(format!("{}-{stack}-{logical}-{hash}", prefix.strip_suffix('-').unwrap_or(prefix)))
}

/// Returns the end of a derived name: 12 hexadecimal digits, the start of the SHA-256 of the stack id, the logical id
/// and the path.
pub fn hash(owner: &Owner, path: &str) -> String {
    let digest = Sha256::digest(format!("{}\n{}\n{path}", owner.stack_id, owner.logical_id));
    hex(&digest).chars().take(12).collect()
}

/// Returns whether `name` is a name that this project derives for the resource, with any prefix and any path of the
/// deployer.
pub fn is_derived(name: &str, context: ReadContext<'_>) -> bool {
    context.guardrails.role_paths.iter().any(|path| name.ends_with(&format!("-{}", hash(context.owner, path))))
}

fn path(reader: &Reader<'_>, context: ReadContext<'_>) -> String {
    let guardrails = context.guardrails;
    let default = guardrails.default_path().to_owned();
    let Some(path) = reader.text("Path") else { return default };
    let shape = path.starts_with('/') && path.ends_with('/') && path.bytes().all(|b| (b'!'..=b'~').contains(&b));
    if !shape || path.len() > PATH_LENGTH {
        let expected = "a path of at most 512 ASCII characters, without spaces, that begins and ends with `/`";
        reader.invalid("Path", &path, expected);
    } else if guardrails.allows_path(&path) {
        return path;
    } else {
        let expected = format!("one of {} (the deployer's `RolePaths`)", listed(&guardrails.role_paths));
        reader.invalid("Path", &path, &expected);
    }
    default
}

fn description(reader: &Reader<'_>) -> String {
    let Some(text) = reader.text_or_empty("Description") else { return String::new() };
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{a1}'..='\u{ff}');
    if text.chars().count() > DESCRIPTION_LENGTH || !text.chars().all(allowed) {
        reader.invalid("Description", &text, "at most 1,000 Latin-1 characters (no curly quotes, no emoji)");
    }
    text
}

/// Reads `PermissionsBoundary`, the ARN of the permissions boundary. Returns the deployer's boundary where the property
/// is absent. Reports an ARN that the guardrails do not allow, and returns it all the same.
pub fn boundary(reader: &Reader<'_>, context: ReadContext<'_>) -> String {
    let guardrails = context.guardrails;
    let Some(arn) = reader.text("PermissionsBoundary") else { return guardrails.boundary.clone() };
    if !guardrails.allows_boundary(&arn) {
        let mut allowed = vec![guardrails.boundary.clone()];
        allowed.extend(guardrails.narrower_boundaries.iter().cloned());
        let expected = format!(
            "one of {} (the deployer's `PermissionsBoundaryArn` and `NarrowerPermissionsBoundaryArns`)",
            listed(&allowed)
        );
        reader.invalid("PermissionsBoundary", &arn, &expected);
    }
    arn
}

/// Reads `Tags`. Reports more than [`USER_TAGS`] tags, reserved keys (`aws:…` and the tags of this project), and keys
/// and values that IAM does not accept.
pub fn tags(reader: &Reader<'_>) -> Tags {
    let tags = reader.tags("Tags");
    if tags.len() > USER_TAGS {
        let expected = format!("at most {USER_TAGS} tags (IAM allows 50, and mlops-roles needs 3 of them)");
        reader.invalid("Tags", &tags.len().to_string(), &expected);
    }
    let allowed = |c: char| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c);
    for (key, value) in &tags {
        let lower = key.to_ascii_lowercase();
        if TAG_KEYS.contains(&lower.as_str()) || lower.starts_with("aws:") {
            let expected = "a key that does not begin with `aws:` and is not an ownership tag (`mlops-roles:…`)";
            reader.invalid("Tags", key, expected);
        } else if key.is_empty() || key.chars().count() > TAG_KEY_LENGTH || !key.chars().all(allowed) {
            reader.invalid("Tags", key, "a key of 1 to 128 letters, digits, spaces and `_.:/=+-@`");
        }
        if value.chars().count() > TAG_VALUE_LENGTH || !value.chars().all(allowed) {
            reader.invalid("Tags", value, "a value of at most 256 letters, digits, spaces and `_.:/=+-@`");
        }
    }
    tags
}

/// Reads the name of a customer-managed policy, of 1 to 128 characters. Returns `None` where `property` is absent or
/// invalid. Adds a name outside the deployer's `RoleNamePrefixes` to `names_outside_guardrails`.
pub fn policy_name(
    reader: &Reader<'_>,
    context: ReadContext<'_>,
    property: &'static str,
    names_outside_guardrails: &mut Vec<String>,
) -> Option<String> {
    name_within_guardrails(reader, context, property, POLICY_NAME_LENGTH, names_outside_guardrails)
}

/// Reads a name of at most `longest` characters that begins with one of the deployer's `RoleNamePrefixes`. Adds a name
/// with another beginning to `names_outside_guardrails`.
fn name_within_guardrails(
    reader: &Reader<'_>,
    context: ReadContext<'_>,
    property: &'static str,
    longest: usize,
    names_outside_guardrails: &mut Vec<String>,
) -> Option<String> {
    let name = reader.text(property)?;
    if !is_iam_name(&name, longest) {
        reader.invalid(property, &name, &name_rule(longest));
    } else if !context.guardrails.allows_name(&name) {
        let prefixes = listed(&context.guardrails.role_name_prefixes);
        let expected = format!("a name that begins with one of {prefixes} (the deployer's `RoleNamePrefixes`)");
        reader.invalid(property, &name, &expected);
        names_outside_guardrails.push(name);
    } else {
        return Some(name);
    }
    None
}

/// Reads the name of an inline policy, of 1 to 128 characters. Returns `default` where `property` is absent. Reports an
/// invalid name, and returns it all the same.
pub fn inline_policy_name(reader: &Reader<'_>, property: &'static str, default: &str) -> String {
    let Some(name) = reader.text(property) else { return default.to_owned() };
    if !is_iam_name(&name, POLICY_NAME_LENGTH) {
        reader.invalid(property, &name, &name_rule(POLICY_NAME_LENGTH));
    }
    name
}

/// Reads the ARNs of the roles that the role `itself` may pass. Reports what [`check_passable`] reports, and returns every
/// ARN all the same.
pub fn passed_roles(
    reader: &Reader<'_>,
    context: ReadContext<'_>,
    property: &'static str,
    itself: &RoleProperties,
) -> Vec<String> {
    let mut arns = Vec::new();
    for (path, text) in reader.texts(property) {
        check_passable(reader, context, &path, &text, itself);
        arns.push(text);
    }
    arns
}

/// Reports why a role can't be passed. `text` must be the literal ARN of a role in this account and within the
/// guardrails, other than `itself`: `arn:aws:iam::123456789012:role/x`. `path` names the ARN in the message.
pub fn check_passable(reader: &Reader<'_>, context: ReadContext<'_>, path: &str, text: &str, itself: &RoleProperties) {
    if let Some(expected) = expected_to_pass(context, text, itself) {
        reader.invalid(path, text, &expected);
    }
}

/// What is expected in place of a role that the role `itself` may not pass. `None` if it may pass the role.
pub fn expected_to_pass(context: ReadContext<'_>, text: &str, itself: &RoleProperties) -> Option<String> {
    let place = context.place;
    let arn = Arn::parse(text).filter(|arn| arn.partition == place.partition && arn.region.is_empty());
    let entity = arn.and_then(|arn| arn.iam_entity("role"));
    match (arn, entity) {
        _ if text.contains(['*', '?', '$']) => Some("the ARN of one role, without `*`, `?` and `$`".to_owned()),
        (Some(arn), Some((_, name))) if is_iam_name(name, ROLE_NAME_LENGTH) && arn.account == place.account => {
            if Name::new(name) == itself.name {
                return Some("a role other than the workflow role itself".to_owned());
            }
            (!context.guardrails.allows_passing(text)).then(|| {
                let passable = listed(&context.guardrails.passable_roles);
                format!("a role that matches one of {passable} (the deployer's `PassableRoleArns`)")
            })
        }
        (Some(arn), Some(_)) if arn.account != place.account => {
            Some(format!("a role of account {} (IAM passes roles only within an account)", place.account))
        }
        _ => Some(format!("the ARN of a role, such as `{}`", place.role_arn("/", "Name"))),
    }
}

/// Reads `ManagedPolicyArns`, the managed policies to attach in addition. Each must be AWS's or this account's, and the
/// deployer's `AllowedManagedPolicyArns` must allow it. Reports the others, and returns every ARN all the same.
pub fn managed_policies(reader: &Reader<'_>, context: ReadContext<'_>) -> Vec<String> {
    let place = context.place;
    let mut arns = Vec::new();
    for (path, text) in reader.texts("ManagedPolicyArns") {
        let arn = Arn::parse(&text).filter(|arn| arn.partition == place.partition && arn.region.is_empty());
        let ours_or_aws = arn.is_some_and(|arn| {
            arn.iam_entity("policy").is_some() && (arn.account == "aws" || arn.account == place.account)
        });
        if !ours_or_aws || text.contains(['*', '?']) {
            let example = format!("arn:{}:iam::aws:policy/AmazonSageMakerReadOnly", place.partition);
            reader.invalid(&path, &text, &format!("the ARN of a managed policy, such as `{example}`"));
        } else if !context.guardrails.allows_managed_policy(&text) {
            let allowed = match context.guardrails.managed_policies.as_slice() {
                [] => "no managed policy".to_owned(),
                some => format!("one of {}", listed(some)),
            };
            reader.invalid(&path, &text, &format!("{allowed} (the deployer's `AllowedManagedPolicyArns`)"));
        }
        arns.push(text);
    }
    arns
}

/// Reports a document that is larger than IAM allows. `quota` is in characters, without white space. `what` names the
/// document in the message.
pub fn within(reader: &Reader<'_>, what: &str, document: &Document, quota: usize) {
    let size = document.size();
    if size > quota {
        let problem = format!(
            "the {what} would have {size} characters, and IAM allows {quota}; choose shorter names, or name fewer roles"
        );
        reader.report("", problem);
    }
}

/// Returns the rule for names of roles and policies, as a noun phrase for messages. `longest` is in characters.
pub fn name_rule(longest: usize) -> String {
    format!("1 to {longest} letters, digits and `+=,.@_-`")
}

/// Returns whether a physical id can be the name of a role: 1 to 64 letters, digits and `+=,.@_-`.
pub fn is_role_name(text: &str) -> bool {
    is_iam_name(text, ROLE_NAME_LENGTH)
}
