//! The parameters of role sets, which a template sets as properties.

use serde::Deserialize;

use crate::iam::arn::{Arn, Place};
use crate::iam::name::is_iam_name;
use crate::iam::quota::ROLE_NAME_LENGTH;

/// A parameter of a role set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// The name of the property that sets the parameter: `EnvName`.
    pub name: String,
    /// The form of its value.
    pub form: Form,
    /// The value when the property is absent, with placeholders.
    ///
    /// A parameter without a default is required, unless it is optional.
    pub default: Option<String>,
    /// Whether the parameter may be absent. A parameter whose default refers to an absent one has its `otherwise`.
    #[serde(default)]
    pub optional: bool,
    /// The value when the default refers to an absent parameter: `*StackSetAdministration*`.
    ///
    /// The value is wider than a new resource may have.
    pub otherwise: Option<String>,
    /// The allowed values of a parameter with the form `Choice`. Empty for other forms.
    #[serde(default)]
    pub choices: Vec<String>,
}

/// The form of a parameter's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// A part of names: 1 to 32 ASCII letters, digits and hyphens.
    Label,
    /// A part of names: 1 to 32 lower-case ASCII letters, digits and hyphens.
    LowerLabel,
    /// The id of an account: 12 digits.
    Account,
    /// `YES` or `NO`, or `true` or `false`, which YAML makes of them.
    YesNo,
    /// One of the `choices` of the parameter.
    Choice,
    /// The name of a role: 1 to 64 characters.
    RoleName,
    /// The ARN of one role: `arn:aws:iam::123456789012:role/Name`.
    RoleArn,
    /// The ARN of one repository of Amazon ECR: `arn:aws:ecr:us-east-1:123456789012:repository/name`.
    RepositoryArn,
    /// The name of an S3 bucket: 3 to 63 lower-case letters, digits, dots and hyphens.
    Bucket,
    /// The name of an S3 bucket, or a pattern of the same characters and `*` with at least one letter or digit.
    BucketOrPattern,
    /// The ARN of one AWS KMS key, or `*` for all keys.
    KeyOrAll,
}

/// The longest value with the form `Label` or `LowerLabel`, in characters.
pub const LABEL_LENGTH: usize = 32;

impl Parameter {
    /// Describes the expected value for an error message, as a noun phrase.
    pub fn expected(&self) -> String {
        let expected = match self.form {
            Form::Label => "1 to 32 letters, digits and hyphens",
            Form::LowerLabel => "1 to 32 lower-case letters, digits and hyphens",
            Form::Account => "an account id of 12 digits, in quotes (YAML drops the leading zeros of a number)",
            Form::YesNo => "`YES` or `NO`",
            Form::Choice => {
                let choices: Vec<String> = self.choices.iter().map(|choice| format!("`{choice}`")).collect();
                return format!("one of {}", choices.join(", "));
            }
            Form::RoleName => "the name of a role: 1 to 64 letters, digits and `+=,.@_-`",
            Form::RoleArn => "the ARN of one role, such as `arn:aws:iam::123456789012:role/Name`",
            Form::RepositoryArn => "the ARN of one ECR repository",
            Form::Bucket => "the name of a bucket: 3 to 63 lower-case letters, digits, dots and hyphens",
            Form::BucketOrPattern => "the name of a bucket, or a pattern with `*` and at least one letter or digit",
            Form::KeyOrAll => "the ARN of a KMS key, or `*` for every key",
        };
        expected.to_owned()
    }

    /// Checks a value and returns it as the role set uses it: `YES` for `true`, other forms unchanged.
    ///
    /// Returns `None` when the value does not have the form of the parameter. ARNs must be in the partition of `place`.
    pub fn parse(&self, text: &str, place: &Place) -> Option<String> {
        let arn = |service| Arn::parse(text).filter(|arn| arn.service == service && arn.partition == place.partition);
        let regional = |service, kind: &str, more: &[u8]| {
            let allowed = |b: u8| b.is_ascii_alphanumeric() || more.contains(&b);
            let name =
                arn(service).filter(|_| Arn::is_of_one_place(text)).and_then(|arn| arn.resource.strip_prefix(kind));
            name.is_some_and(|name| !name.is_empty() && name.bytes().all(allowed))
        };
        let label = |allowed: fn(&u8) -> bool| {
            (1..=LABEL_LENGTH).contains(&text.len()) && text.bytes().all(|b| allowed(&b) || b == b'-')
        };
        let bucket = |more: &str| {
            let allowed =
                |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c) || more.contains(c);
            (3..=63).contains(&text.len()) && text.chars().all(allowed) && text.contains(char::is_alphanumeric)
        };
        let account = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
        let fits = match self.form {
            Form::Label => label(u8::is_ascii_alphanumeric),
            Form::LowerLabel => label(|b| b.is_ascii_lowercase() || b.is_ascii_digit()),
            Form::Account => account(text),
            Form::YesNo => {
                let said = [("YES", "YES"), ("true", "YES"), ("NO", "NO"), ("false", "NO")];
                return said.iter().find(|(word, _)| *word == text).map(|(_, meant)| (*meant).to_owned());
            }
            Form::Choice => self.choices.iter().any(|choice| choice == text),
            Form::RoleName => is_iam_name(text, ROLE_NAME_LENGTH),
            Form::RoleArn => arn("iam").is_some_and(|arn| {
                let name = arn.iam_entity("role").map(|(_, name)| name);
                arn.region.is_empty()
                    && account(arn.account)
                    && name.is_some_and(|name| is_iam_name(name, ROLE_NAME_LENGTH))
            }),
            Form::RepositoryArn => regional("ecr", "repository/", b"._-/"),
            Form::Bucket => bucket(""),
            Form::BucketOrPattern => bucket("*"),
            Form::KeyOrAll => text == "*" || regional("kms", "key/", b"-"),
        };
        fits.then(|| text.to_owned())
    }
}
