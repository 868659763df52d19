//! Says in words what becomes of the value of a member, by the `how` of its placeholder.
//!
//! The tables in `form.rs`, `api_form.rs` and `condition.rs` of `crates/core/src/permissions/integration` define them.

/// What becomes of a value.
pub(super) struct Form {
    how: &'static str,
    /// What stands before the value in the ARN.
    pub before: Before,
    /// What of the value is taken. Empty for a `how` that has no words here, which a test rules out.
    pub taken: &'static str,
    /// What other values are refused, as a noun phrase. Empty if none are.
    pub refused: &'static str,
}

/// What stands before the value in the ARN.
#[derive(Clone, Copy)]
pub(super) enum Before {
    /// The template, and the kind of resource in `how`.
    Kind,
    /// The same, and the value itself does not stand in the ARN.
    KindAlone,
    /// The template, and this kind of resource.
    Is(&'static str),
    /// This alone, in place of the template.
    Whole(&'static str),
    /// Nothing if `how` has no kind of resource, because the value is the ARN.
    WholeWithoutKind,
}

use Before::{Is, Kind, KindAlone, Whole, WholeWithoutKind};

const S3: Before = Whole("arn:${Partition}:s3:::");
const FUNCTION: Before = Is("function:");
const MODEL: Before = Whole("arn:${Partition}:bedrock:${Region}::foundation-model/");
const OTHER: &str = "any other value";

const fn row(how: &'static str, before: Before, taken: &'static str, refused: &'static str) -> Form {
    Form { how, before, taken, refused }
}

/// The words of resources.
const FORMS: &[Form] = &[
    row("", Kind, "as it is", ""),
    row("aliased-key", Is("key/"), "for an alias, every key, as the condition names the alias", ""),
    row("any-arn", WholeWithoutKind, "an ARN of any service, which is the resource", "a name"),
    row("any-path", Kind, "a name, at the root and at any path; or an ARN, which is the resource", ""),
    row("api", Kind, "the id at the beginning of the host name, in the region that the host name has", ""),
    row("arn", WholeWithoutKind, "an ARN, which is the resource", "a name"),
    row("base-model", MODEL, "the id of a foundation model; or an ARN, which is the resource", ""),
    row("before-colon", Kind, "the name before the first colon; an ARN gives its place too", ""),
    row("bucket", S3, "the bucket of an S3 URI", OTHER),
    row("bucket-arn", WholeWithoutKind, "an ARN of S3, which is the resource", OTHER),
    row("bucket-of-arn", S3, "the bucket in an ARN of S3", OTHER),
    row("bus", Kind, "the name of an event bus and a slash; nothing for the bus `default`", ""),
    row("called-model", Whole(""), "a model, inference profile or prompt router, and the models that it names", ""),
    row("cased", Kind, "a name or an ARN in both spellings: as it is, and in lower case", ""),
    row("cased-arn", WholeWithoutKind, "an ARN in both spellings: as it is, and in lower case", "a name"),
    row("connection", Kind, "without the slash at the beginning, and with `@` for `%40`", ""),
    row("connection-secret", Is("secret:events!connection/"), "the connection's name, of its ARN", OTHER),
    row("copy-source", S3, "the bucket and the key, decoded and without the version; or an ARN", ""),
    row("document", Is("document/"), "a name, for AWS's own documents without an account; or an ARN", ""),
    row("email", Is("identity/"), "the address, its domain, and the domains above", ""),
    row("full", Kind, "a name; or an ARN, which is the whole resource", ""),
    row("function", FUNCTION, "a name or an ARN; without a qualifier also with `:*`", ""),
    row("function-name", FUNCTION, "a name or an ARN without a qualifier", "a qualifier"),
    row("image-repository", Is("repository/"), "the repository in the URI of an image of Amazon ECR", OTHER),
    row("key", Is("key/"), "the id or the ARN of a key", "an alias"),
    row("known-by-arn", Kind, "an ARN, which is the resource; for a name, every resource of the type", ""),
    row("last-segment", Kind, "the last segment, for SageMaker also in lower case; an ARN gives its place too", ""),
    row("marketplace-endpoint", Whole(""), "the ARN of an endpoint of SageMaker; nothing for another value", ""),
    row("model", Whole(""), "a model, inference profile or prompt router, and the models behind it", ""),
    row("object", S3, "the object of an S3 URI", OTHER),
    row("object-arn", WholeWithoutKind, "an ARN of S3, which is the resource", OTHER),
    row("object-in", S3, "a bucket; or the ARN of a bucket or an access point", OTHER),
    row("object-url", S3, "the object in an S3 URI or in a URL", OTHER),
    row("objects", S3, "every object below the prefix of an S3 URI", OTHER),
    row("objects-below-arn", WholeWithoutKind, "every object below an ARN of S3", OTHER),
    row("or", Kind, "a name; or an ARN, which is the resource", ""),
    row(
        "parameter",
        Is("parameter/"),
        "a name or an ARN, without the slash at the beginning, the version and the label",
        "",
    ),
    row("parent", Kind, "the part of an ARN between the type and the last slash", "a name"),
    row("path", Kind, "without the slash at the beginning", ""),
    row("place", KindAlone, "only the region and the account, if the value is an ARN", ""),
    row("profile", WholeWithoutKind, "the ARN of an inference profile; nothing for another value", ""),
    row("profile-models", Whole(""), "the models of an application inference profile; nothing for another value", ""),
    row("prompt", WholeWithoutKind, "the ARN of a prompt; nothing for another value", ""),
    row("queue", Kind, "the queue of a URL, in its region and account", OTHER),
    row("report-group", Kind, "the report group in the ARN of a report", OTHER),
    row("resolved-parameter", Is("parameter/"), "the name behind `resolve:ssm:`; nothing for another value", ""),
    row("retyped", Kind, "a name; or the part of an ARN behind the type, in its region and account", ""),
    row("revision", Kind, "a name or an ARN; without a revision also with `:*`", ""),
    row("role", Whole(""), "the ARN of a role; for one known only at run time, the roles in `ResourceOverrides`", ""),
    row("router-models", Whole(""), "the models of a prompt router; nothing for another value", ""),
    row("secret", Is("secret:"), "a name or an ARN with `-??????`; an ARN that ends with an id, also as it is", ""),
    row("short-id", Kind, "an id of seven characters; `*` for a name", ""),
    row("slug", Kind, "in lower case, with a hyphen for each character that is no letter or digit", ""),
    row("state-machine", Kind, "the name in the ARN of a state machine, without version and alias", OTHER),
    row("task-definition", Is("task-definition/"), "a name or an ARN; without a revision, with `:*`", ""),
    row("url-encoded", Kind, "percent-encoded", ""),
    row("used-key", Is("key/"), "the id or the ARN of a key; nothing for an alias", ""),
    row("without-scheme", Kind, "a URL without its scheme", ""),
];

/// The words of conditions.
const CONDITION_FORMS: &[Form] = &[
    row("", Kind, "as it is; `*` if it is known only at run time", ""),
    row("alias", Kind, "the alias, also of its ARN", ""),
    row("any", Kind, "as it is; `*` if it is known only at run time", ""),
    row("beginning", Kind, "as it is, or its known beginning and `*`", ""),
    row("job-template", Kind, "the ARN of the job template with this id", ""),
    row("role", Kind, "the ARN of the role; for one known only at run time, the roles in `ResourceOverrides`", ""),
    row("url", Kind, "as it is, and without its query", ""),
];

/// What stands for a `how` that the tables here lack.
const UNKNOWN: Form = row("", Kind, "", "");

/// What becomes of a value in a resource. `how` is without the kind of resource.
pub(super) fn form(how: &str) -> &'static Form {
    FORMS.iter().find(|form| form.how == how).unwrap_or(&UNKNOWN)
}

/// What becomes of a value in a condition.
pub(super) fn condition_form(how: &str) -> &'static Form {
    CONDITION_FORMS.iter().find(|form| form.how == how).unwrap_or(&UNKNOWN)
}
