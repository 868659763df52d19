//! Defines the schemas of property values in a form that cfn-lint, editors and other validators read alike.
//!
//! Some schemas differ from what one validator alone would need:
//! - A flag is not an `enum`, because cfn-lint takes any text as equal to `false`.
//! - JSON Schema applies a pattern to text only. cfn-lint applies it to numbers and flags too, in the text form that
//!   CloudFormation gives them.
//! - A property that takes one value or a list has the keywords for both side by side. With alternatives (`anyOf`), no
//!   validator can tell which one the author meant.

use std::borrow::Cow;

use mlops_roles_core::iam::arn::{DIRECTIONS, REGION_PREFIXES};
use mlops_roles_core::iam::quota::{POLICY_NAME_LENGTH, ROLE_NAME_LENGTH};
use mlops_roles_core::resource::{role, workflow_role};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// Returns the schema of text whose pattern no number matches, so that only strings are allowed.
///
/// Where a number can match, use [`scalar`]: CloudFormation turns numbers into text, and many authors omit the quotes.
pub fn text(pattern: &str) -> Schema {
    json_schema!({ "type": "string", "pattern": pattern })
}

/// Returns the schema of text that an author may write without quotes, as a number or a flag.
pub fn scalar(pattern: &str) -> Schema {
    json_schema!({ "type": ["string", "number", "boolean"], "pattern": pattern })
}

/// Returns the schema of text that is one of a few words.
pub fn words<'a>(words: impl Iterator<Item = &'a str>) -> Schema {
    json_schema!({ "type": "string", "enum": words.collect::<Vec<_>>() })
}

/// Returns the schema of the name of a role or policy. `range` is its length in characters.
pub fn iam_name(range: std::ops::RangeInclusive<usize>) -> Schema {
    scalar(&format!("^[A-Za-z0-9+=,.@_-]{{{},{}}}$", range.start(), range.end()))
}

/// Returns the schema of the key of a tag, which must not begin with `aws:` in any case.
fn tag_key() -> Schema {
    let mut schema = scalar(&format!("^(?![Aa][Ww][Ss]:){TAG_CHARACTERS}+$"));
    schema.insert("maxLength".to_owned(), role::TAG_KEY_LENGTH.into());
    schema
}

/// Returns the schema of the value of a tag.
fn tag_value() -> Schema {
    let mut schema = scalar(&format!("^{TAG_CHARACTERS}*$"));
    schema.insert("maxLength".to_owned(), role::TAG_VALUE_LENGTH.into());
    schema
}

/// The characters of tags, as a class that excludes the other ASCII characters.
///
/// Letters, digits, white space and `_.:/=+-@` are allowed. The class does not name the letters outside ASCII, because
/// each validator has another notation for them.
const TAG_CHARACTERS: &str = r##"[^!"#$%&'()*,;<>?\[\\\]^`{|}~]"##;

/// Returns the schema of a region, such as `eu-central-1`.
fn region() -> Schema {
    let places: Vec<&str> = REGION_PREFIXES.iter().map(|(_, place)| *place).collect();
    // The items of a list parameter may have spaces around them.
    text(&format!(r"^\s*([a-z]{{2}}|{})-({})-[0-9]\s*$", places.join("|"), DIRECTIONS.join("|")))
}

/// Defines a type for each form of value, with its schema.
macro_rules! forms {
    ($($name:ident: $schema:expr;)+) => { $(
        /// A form of property value; only its schema is used.
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
    // Printable ASCII except `*`, `?` and `$`, without a slash at the beginning.
    Folder: scalar("^[ -#%-)+-.0->@-~][ -#%-)+->@-~]*$");
    Region: region();
    SubnetId: text("^subnet-[0-9A-Fa-f]+$");
    SecurityGroupId: text("^sg-[0-9A-Fa-f]+$");
    Action: text("^[A-Za-z0-9-]+:[A-Za-z0-9]+$");
    Arn: text("^arn:[^:]+:[^:]+:[^:]*:[^:]*:.");
    Principal: text(r"^[a-z0-9.-]+\.amazonaws\.com(\.cn)?$");
    RoleArn: text("^arn:[^:*?$]+:iam::[0-9]{12}:role/([^*?$]*/)?[A-Za-z0-9+=,.@_-]{1,64}$");
    PolicyArn: text("^arn:[^:*?]+:iam::(aws|[0-9]{12}):policy/([^*?]*/)?[^/*?]+$");
    StackId: text("^arn:[^:]+:cloudformation:[^:]+:[0-9]{12}:stack/");
    SageMakerArn: text("^arn:[^:$]+:sagemaker:[^:$]*:[0-9]{12}:[^$]+$");
    KeyArn: text("^arn:[^:*?$]+:kms:[^:*?$]+:[0-9]{12}:key/[A-Za-z0-9-]+$");
    // The name has at most 256 letters, digits, `-` and `_`; that of a FIFO topic ends with `.fifo`, which counts too.
    // https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html
    TopicArn: text(
        r"^arn:[^:*?$]+:sns:[^:*?$]+:[0-9]{12}:([A-Za-z0-9_-]{1,256}|[A-Za-z0-9_-]{1,251}\.fifo)$",
    );
    GlueDatabase: scalar("^[a-z0-9_-]{1,255}$");
    // The key of a state machine is one property and not in a list of keys; its region and account are not checked.
    MachineKeyArn: text("^arn:[^:*?]+:kms:[^:*?]*:[^:*?]*:key/[^*?]*$");
    Repository:
        scalar("^(arn:[^:*?$]+:ecr:[^:*?$]+:[0-9]{12}:repository/)?[a-z0-9._/-]{2,256}$");
    Sha256: text("^[0-9A-Fa-f]{64}$");
    Definition: json_schema!({ "type": ["object", "string"] });
}

/// A whole number from `LEAST` to `MOST`, also as text.
pub struct Number<const LEAST: i32, const MOST: i32>;

impl<const LEAST: i32, const MOST: i32> JsonSchema for Number<LEAST, MOST> {
    fn schema_name() -> Cow<'static, str> {
        format!("Number{LEAST}To{MOST}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["integer", "string"], "pattern": r"^\+?[0-9]+$", "minimum": LEAST, "maximum": MOST })
    }
}

/// One value, or a list of such values.
pub struct OneOrMany<T>(T);

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let item = generator.subschema_for::<T>();
        // An `enum` applies to lists too, so it can't stand beside the keywords of a list.
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

/// An object with members of any name, whose values have one form.
pub struct ByName<T>(T);

impl<T: JsonSchema> JsonSchema for ByName<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("ByName{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": generator.subschema_for::<T>() })
    }
}
