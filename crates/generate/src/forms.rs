//! What values look like, in the form that cfn-lint, editors and other validators read alike.
//!
//! Not everything is as one would write it for one validator alone:
//! - A flag is no `enum`: cfn-lint takes any text for equal to `false`.
//! - A pattern concerns text; cfn-lint holds it against numbers and flags too, as CloudFormation writes them.
//! - Of one or a list, the keywords for both stand side by side: of alternatives, no validator tells which one was meant.

use std::borrow::Cow;

use mlops_roles_core::iam::arn::{DIRECTIONS, REGION_PREFIXES};
use mlops_roles_core::iam::quota::{POLICY_NAME_LENGTH, ROLE_NAME_LENGTH};
use mlops_roles_core::resource::{role, workflow_role};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// Text that can't be a number: CloudFormation would make text of that, and many people leave the quotes out.
pub fn text(pattern: &str) -> Schema {
    json_schema!({ "type": "string", "pattern": pattern })
}

/// Text that may stand there without quotes, a number or a flag.
pub fn scalar(pattern: &str) -> Schema {
    json_schema!({ "type": ["string", "number", "boolean"], "pattern": pattern })
}

pub fn words<'a>(words: impl Iterator<Item = &'a str>) -> Schema {
    json_schema!({ "type": "string", "enum": words.collect::<Vec<_>>() })
}

/// The name of a role or policy.
pub fn iam_name(range: std::ops::RangeInclusive<usize>) -> Schema {
    scalar(&format!("^[A-Za-z0-9+=,.@_-]{{{},{}}}$", range.start(), range.end()))
}

fn tag_key() -> Schema {
    let mut schema = scalar(&format!("^(?![Aa][Ww][Ss]:){TAG_CHARACTERS}+$"));
    schema.insert("maxLength".to_owned(), role::TAG_KEY_LENGTH.into());
    schema
}

fn tag_value() -> Schema {
    let mut schema = scalar(&format!("^{TAG_CHARACTERS}*$"));
    schema.insert("maxLength".to_owned(), role::TAG_VALUE_LENGTH.into());
    schema
}

/// All but the ASCII that is neither letter, digit, white space nor one of `_.:/=+-@`: what is a letter elsewhere, each
/// validator says by another class.
const TAG_CHARACTERS: &str = r##"[^!"#$%&'()*,;<>?\[\\\]^`{|}~]"##;

fn region() -> Schema {
    let places: Vec<&str> = REGION_PREFIXES.iter().map(|(_, place)| *place).collect();
    // What a parameter's list was split into may have spaces around it.
    text(&format!(r"^\s*([a-z]{{2}}|{})-({})-[0-9]\s*$", places.join("|"), DIRECTIONS.join("|")))
}

macro_rules! forms {
    ($($name:ident: $schema:expr;)+) => { $(
        pub struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    )+ };
}

forms! {
    Anything: Schema::default();
    Token: json_schema!({ "type": "string", "minLength": 1 });
    Flag: json_schema!({ "type": ["boolean", "string"], "pattern": "^(true|false)$" });
    Scalar: json_schema!({ "type": ["string", "number", "boolean"] });
    Text: json_schema!({ "type": ["string", "number", "boolean"], "minLength": 1 });
    RoleName: iam_name(1..=ROLE_NAME_LENGTH);
    PolicyName: iam_name(1..=POLICY_NAME_LENGTH);
    Path: json_schema!({ "type": "string", "pattern": "^/([!-~]*/)?$", "maxLength": role::PATH_LENGTH });
    Description: json_schema!({
        "type": ["string", "number", "boolean"],
        "pattern": r"^[\t\n\r -~\u00a1-\u00ff]*$",
        "maxLength": role::DESCRIPTION_LENGTH,
    });
    StateMachineName:
        scalar(&format!("^[!'()+.0-9=@A-Z_a-z-]{{1,{}}}$", workflow_role::STATE_MACHINE_NAME_LENGTH));
    TagKey: tag_key();
    TagValue: tag_value();
    BucketName: json_schema!({
        "type": ["string", "number", "boolean"],
        "pattern": r"^(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
    });
    // Printable ASCII but `*`, `?` and `$`.
    Folder: scalar("^[ -#%-)+-.0->@-~][ -#%-)+->@-~]*$");
    Region: region();
    SubnetId: text("^subnet-[0-9A-Fa-f]+$");
    SecurityGroupId: text("^sg-[0-9A-Fa-f]+$");
    Arn: text("^arn:[^:]+:[^:]+:[^:]*:[^:]*:.");
    RoleArn: text("^arn:[^:*?$]+:iam::[0-9]{12}:role/([^*?$]*/)?[A-Za-z0-9+=,.@_-]{1,64}$");
    PolicyArn: text("^arn:[^:*?]+:iam::(aws|[0-9]{12}):policy/([^*?]*/)?[^/*?]+$");
    StackId: text("^arn:[^:]+:cloudformation:[^:]+:[0-9]{12}:stack/");
    SageMakerArn: text("^arn:[^:$]+:sagemaker:[^:$]*:[0-9]{12}:[^$]+$");
    KeyArn: text("^arn:[^:*?$]+:kms:[^:*?$]+:[0-9]{12}:key/[A-Za-z0-9-]+$");
    // The one key of a state machine is not in any list of keys, and its region and account are not looked at.
    MachineKeyArn: text("^arn:[^:*?]+:kms:[^:*?]*:[^:*?]*:key/[^*?]*$");
    Repository:
        scalar("^(arn:[^:*?$]+:ecr:[^:*?$]+:[0-9]{12}:repository/)?[a-z0-9._/-]{2,256}$");
    Definition: json_schema!({ "type": ["object", "string"] });
}

/// A whole number, also as text.
pub struct Number<const LEAST: i32, const MOST: i32>;

impl<const LEAST: i32, const MOST: i32> JsonSchema for Number<LEAST, MOST> {
    fn schema_name() -> Cow<'static, str> {
        format!("Number{LEAST}To{MOST}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["integer", "string"], "pattern": r"^\+?[0-9]+$", "minimum": LEAST, "maximum": MOST })
    }
}

/// One, or a list of them.
pub struct OneOrMany<T>(T);

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let item = generator.subschema_for::<T>();
        // Words concern lists too.
        if item.get("enum").is_some() {
            return json_schema!({ "anyOf": [item, { "type": "array", "items": item }] });
        }
        let mut schema = item.clone();
        let mut types = match schema.get("type").cloned() {
            Some(Value::Array(types)) => types,
            Some(one) => vec![one],
            None => Vec::new(),
        };
        types.push(json!("array"));
        schema.insert("type".to_owned(), types.into());
        schema.insert("items".to_owned(), item.to_value());
        schema
    }
}

/// An object whose members have any names.
pub struct ByName<T>(T);

impl<T: JsonSchema> JsonSchema for ByName<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("ByName{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": generator.subschema_for::<T>() })
    }
}
