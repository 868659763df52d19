//! Derives what a distributed map needs: executions of its own state machine, and its items and results in S3.

use serde_json::json;

use crate::iam::arn::{Arn, Place, matches};
use crate::permissions::asl::value::{Found, starts};
use crate::permissions::asl::{DistributedMap, Task};
use crate::permissions::features::Features;
use crate::permissions::integration::context::DeriveContext;
use crate::permissions::integration::required::{Grant, RequiredPermissions};
use crate::permissions::integration::resource_pattern::{ResourcePattern, narrowed, narrowed_by};
use crate::permissions::integration::task_resources::Use;
use crate::permissions::integration::undeclared::UndeclaredNeed;
use crate::permissions::state_error::StateError;

/// Adds what a distributed map needs: it runs its iterations as executions of the same state machine.
///
/// <https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html>
pub(super) fn required_by_map(
    map: &DistributedMap,
    features: &Features,
    context: DeriveContext<'_>,
    required: &mut RequiredPermissions,
) {
    let Place { partition, region, account } = context.place;
    match &features.state_machine {
        None => {
            let expected = "the whole name, because a distributed map starts executions of its own state machine";
            let why = StateError::Missing { member: "StateMachineName".to_owned(), expected };
            required.invalid(&map.path, &why);
        }
        Some(name) => {
            let states = |rest: &str| format!("arn:{partition}:states:{region}:{account}:{rest}");
            let machine = vec![ResourcePattern::exact(states(&format!("stateMachine:{name}")))];
            required.grants.push(Grant::of(&map.path, &["states:StartExecution"], machine, None));
            let label = map.label.as_deref().unwrap_or("*");
            let ids = "the ids of executions are known only at run time";
            let unlabelled = "the map has no `Label`, and the ids of executions are known only at run time";
            let ids_of_map = if map.label.is_some() { ids } else { unlabelled };
            // The executions of a map have the label in their ARN. The example of the guide has none.
            let of_map = ResourcePattern::always(states(&format!("execution:{name}/{label}:*")), ids_of_map);
            let of_machine = ResourcePattern::always(states(&format!("execution:{name}:*")), ids);
            let ends = ["states:DescribeExecution", "states:StopExecution"];
            required.grants.push(Grant::of(&map.path, &ends, vec![of_machine, of_map.clone()], None));
            required.grants.push(Grant::of(&map.path, &["states:RedriveExecution"], vec![of_map], None));
        }
    }
    for part in [&map.reader, &map.writer].into_iter().flatten() {
        if let Some(why) = missing(part) {
            required.tighten(&part.path, &why);
        }
        match in_s3(map, part, context, required) {
            Ok(grants) => required.grants.extend(grants),
            Err(why) => required.invalid(&part.path, &why),
        }
    }
}

/// Returns what the arguments of an `ItemReader` or a `ResultWriter` lack, as an error. Without it, the grant covers
/// every bucket, or every object of the bucket.
fn missing(part: &Task) -> Option<&'static str> {
    let has = |member: &str| !part.arguments.at(member).is_empty();
    match () {
        () if !has("Bucket") => Some("`Bucket`: missing, expected the name of a bucket"),
        () if part.arguments.at("Bucket").iter().any(is_other_arn) => {
            Some("`Bucket`: found an ARN, expected the name of a bucket, or the ARN of an access point")
        }
        () if !has("Key") && part.resource.ends_with(":s3:getObject") => {
            Some("`Key`: missing, expected the key of an object")
        }
        () => None,
    }
}

/// Whether a literal is an ARN of anything but an access point of S3.
fn is_other_arn(found: &Found) -> bool {
    matches!(found, Found::Literal(text) if text.starts_with("arn:") && access_point(text).is_none())
}

/// The access point that an ARN names. A call may name one in place of a bucket.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-points-policies.html>
fn access_point(bucket: &str) -> Option<Arn<'_>> {
    Arn::parse(bucket).filter(|arn| arn.service == "s3" && arn.resource.starts_with("accesspoint/"))
}

/// Lists what an `ItemReader` or a `ResultWriter` needs in S3.
///
/// The other members of its arguments and of its configuration need no permission: `ExpectedBucketOwner`, `InputType`,
/// `WriterConfig` and the like. <https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemreader.html>,
/// <https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html>
///
/// # Errors
/// Fails if a member has a wildcard, or if `Resource` is another one.
fn in_s3(
    map: &DistributedMap,
    part: &Task,
    context: DeriveContext<'_>,
    required: &mut RequiredPermissions,
) -> Result<Vec<Grant>, StateError> {
    // The ARN may name a region and an account, as that of a task.
    let operation = part.resource.rsplit_once(":s3:").filter(|(before, _)| !before.ends_with(":aws-sdk"));
    let bucket = Bucket::parse(map, part, context)?;
    let found = |member: &str| part.arguments.at(member).into_iter().next();
    match operation.map(|(_, operation)| operation) {
        Some("getObject") => {
            // A request with a version needs another action than one without:
            // <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>
            let actions: &[&str] = match found("VersionId") {
                None => &["s3:GetObject"],
                Some(Found::Literal(_)) => &["s3:GetObjectVersion"],
                Some(_) => &["s3:GetObject", "s3:GetObjectVersion"],
            };
            let (key, whole) = starts(found("Key"));
            let pattern = if whole { key.clone() } else { format!("{key}*") };
            let manifest = Grant::of(&map.path, actions, bucket.object(&pattern, "Key"), None);
            let files = listed_files(map, &bucket, &key, whole, required);
            let files = files
                .filter(|files| !files.is_empty())
                .map(|files| Grant::of(&map.path, &["s3:GetObject"], files, None));
            Ok([manifest].into_iter().chain(files).collect())
        }
        Some("listObjectsV2") => {
            let (prefix, _) = starts(found("Prefix"));
            let condition =
                (!prefix.is_empty()).then(|| json!({ "StringLike": { "s3:prefix": [format!("{prefix}*")] } }));
            let mut grants = vec![Grant::of(&map.path, &["s3:ListBucket"], bucket.itself(), condition)];
            // With `LOAD_AND_FLATTEN`, the map also reads the objects that it lists.
            let only_lists = |found: &Found| matches!(found, Found::Literal(text) if text != "LOAD_AND_FLATTEN");
            if !map.reader_config.at("Transformation").iter().all(only_lists) {
                let objects = bucket.object(&format!("{prefix}*"), "Prefix");
                grants.push(Grant::of(&map.path, &["s3:GetObject"], objects, None));
            }
            Ok(grants)
        }
        Some("putObject") => {
            let key = written(part);
            let actions = &["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"];
            Ok(vec![Grant::of(&map.path, actions, bucket.object(&key, "Prefix"), None)])
        }
        _ => {
            let expected = "an ARN that ends with `s3:getObject`, `s3:listObjectsV2` or `s3:putObject`";
            Err(StateError::Unexpected { member: "Resource".to_owned(), found: part.resource.clone(), expected })
        }
    }
}

/// The keys that a `ResultWriter` writes.
///
/// The guide does not say how a prefix that ends with a slash is joined: `out/*` covers `out//id` too.
fn written(part: &Task) -> String {
    let (prefix, whole) = starts(part.arguments.at("Prefix").into_iter().next());
    let is_folder = whole && !prefix.is_empty() && !prefix.ends_with('/');
    if is_folder { format!("{prefix}/*") } else { format!("{prefix}*") }
}

/// The files that the manifest of an `ItemReader` lists, whose content the map reads. `None` without a manifest.
///
/// `key` is the key of the manifest, or with `whole` false its known beginning. An inventory of S3 has its files beside
/// the folder of its manifest: `inv/data/`, `inv/2026-11-30T01-00Z/manifest.json`. A manifest of Athena does not tell
/// where its files are.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemreader.html>,
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html>,
/// <https://docs.aws.amazon.com/athena/latest/ug/unload.html>
fn listed_files(
    map: &DistributedMap,
    bucket: &Bucket<'_>,
    key: &str,
    whole: bool,
    required: &mut RequiredPermissions,
) -> Option<Vec<ResourcePattern>> {
    let has = |member: &str, value: &str| {
        let fits = |found: &Found| matches!(found, Found::Literal(text) if text == value);
        map.reader_config.at(member).iter().any(|found| fits(found) || matches!(found, Found::Expression { .. }))
    };
    // What `ResourceOverrides` tells of the manifest and of the writer says nothing of the files.
    let manifest = bucket.wildcard(&if whole { key.to_owned() } else { format!("{key}*") }, "Key");
    let writer = map.writer.as_ref();
    let results = writer
        .and_then(|writer| Some(Bucket::parse(map, writer, bucket.context).ok()?.wildcard(&written(writer), "Prefix")));
    let is_other = |arn: &str| {
        let of_manifest = manifest.is_replaceable() && !arn.contains('*') && matches(&manifest.arn, arn);
        of_manifest || results.as_ref().is_some_and(|results| results.is_replaceable() && matches(&results.arn, arn))
    };
    if has("ManifestType", "ATHENA_DATA") {
        return Some(bucket.files(is_other, required));
    }
    if !has("ManifestType", "S3_INVENTORY") && !has("InputType", "MANIFEST") {
        return None;
    }
    let folders = inventory_folders(key, whole);
    if folders.is_empty() && (whole || key.is_empty()) {
        return Some(bucket.files(is_other, required));
    }
    let keys = folders.iter().map(|folder| format!("{folder}/data/*"));
    let keys = keys.chain((!whole).then(|| format!("{key}*")));
    let told = || bucket.context.overrides.get(&map.path).into_iter().flatten().filter(|told| !is_other(told));
    Some(keys.flat_map(|key| narrowed_by(bucket.wildcard(&key, "Key"), told())).collect())
}

/// The folders that may have the files of an inventory of S3 and are not below `key`, the key of its manifest.
///
/// If only the beginning of the key is known, the beginning may end in the name of the folder of the manifest or of the
/// manifest itself.
fn inventory_folders(key: &str, whole: bool) -> Vec<&str> {
    let is_time = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit() || b"-TZ".contains(&b));
    let Some((folder, name)) = key.rsplit_once('/') else { return Vec::new() };
    let above = folder.rsplit_once('/').filter(|(_, time)| is_time(time)).map(|(above, _)| above);
    if whole {
        return above.filter(|_| name == "manifest.json").into_iter().collect();
    }
    let above = above.filter(|_| "manifest.json".starts_with(name));
    let beside = Some(folder).filter(|_| is_time(name));
    above.into_iter().chain(beside).collect()
}

/// The bucket that an `ItemReader` or a `ResultWriter` names, with the task that names it.
struct Bucket<'a> {
    /// The name, or the known beginning of it.
    name: String,
    /// Whether `name` is the whole name.
    whole: bool,
    /// The `ItemReader` or the `ResultWriter`.
    part: &'a Task,
    /// The path of the map, by which `ResourceOverrides` knows both.
    state: &'a str,
    /// The context of the derivation, with `ResourceOverrides`.
    context: DeriveContext<'a>,
}

impl<'a> Bucket<'a> {
    fn parse(map: &'a DistributedMap, part: &'a Task, context: DeriveContext<'a>) -> Result<Self, StateError> {
        for member in ["Bucket", "Key", "Prefix"] {
            if let Some(Found::Literal(text)) = part.arguments.at(member).first()
                && text.contains(['*', '?'])
            {
                return Err(StateError::Wildcard { member: member.to_owned(), found: text.clone() });
            }
        }
        let (name, whole) = starts(part.arguments.at("Bucket").into_iter().next());
        Ok(Self { name, whole, part, state: &map.path, context })
    }

    /// The resource of the bucket itself.
    fn itself(&self) -> Vec<ResourcePattern> {
        let end = if self.whole { "" } else { "*" };
        self.pattern(&format!("{}{end}", self.name), "Bucket")
    }

    /// The resource of a key, which may end in a wildcard.
    fn object(&self, key: &str, member: &str) -> Vec<ResourcePattern> {
        self.pattern(&self.path(key), member)
    }

    /// The bucket and the key, as an ARN ends with them.
    fn path(&self, key: &str) -> String {
        let end = if self.whole { "" } else { "*" };
        let objects = if access_point(&self.name).is_some() { "/object" } else { "" };
        format!("{}{end}{objects}/{key}", self.name)
    }

    /// The files that a manifest lists if its key does not tell where they are. `TaskResources` tells it, or
    /// `ResourceOverrides`. `is_other` is true for an ARN of the latter that is about something else.
    fn files(&self, is_other: impl Fn(&str) -> bool, required: &mut RequiredPermissions) -> Vec<ResourcePattern> {
        let arn = |bucket: &str| format!("arn:{}:s3:::{bucket}/*", self.context.place.partition);
        let end = if self.whole { "" } else { "*" };
        let of_bucket = match access_point(&self.name) {
            Some(_) => format!("{}/object/*", self.name),
            None => arn(&format!("{}{end}", self.name)),
        };
        let told = self.context.overrides.get(self.state).into_iter().flatten();
        let told = told.filter(|told| !is_other(told) && (matches(&arn("*"), told) || matches(&of_bucket, told)));
        let told: Vec<ResourcePattern> = told.map(|arn| ResourcePattern::by_hand(arn)).collect();
        if let Some(declared) = self.context.resources.get(self.state).filter(|declared| declared.tells(Use::Read)) {
            let read = declared.arns(Use::Read).iter().filter(|read| matches(&arn("*"), read));
            let read: Vec<&String> = read.collect();
            for read in &read {
                required.take(self.state, Use::Read, read, "");
            }
            return told.into_iter().chain(read.iter().map(|read| ResourcePattern::declared(read))).collect();
        }
        if !told.is_empty() {
            return told;
        }
        required.undeclared.push(UndeclaredNeed {
            state: self.state.to_owned(),
            used: Use::Read,
            what: "the files that the manifest lists".to_owned(),
            required: true,
            service: None,
            source: "https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemreader.html".to_owned(),
        });
        let why = "the manifest names the files, and without `TaskResources` they are taken to be in its bucket";
        vec![ResourcePattern::always(of_bucket, why)]
    }

    /// The pattern of a bucket or an object, with the reason for the wildcard at its end.
    ///
    /// ARNs from `ResourceOverrides` replace a wildcard for a value that is known at run time only.
    fn pattern(&self, resource: &str, member: &str) -> Vec<ResourcePattern> {
        narrowed(vec![self.unnarrowed(resource, member)], self.state, self.context)
    }

    /// The pattern of a key that is not narrowed by `ResourceOverrides`.
    fn wildcard(&self, key: &str, member: &str) -> ResourcePattern {
        self.unnarrowed(&self.path(key), member)
    }

    fn unnarrowed(&self, resource: &str, member: &str) -> ResourcePattern {
        let unknown = if self.whole { member } else { "Bucket" };
        let Place { partition, region, account } = self.context.place;
        let arn = match resource.strip_prefix("arn:") {
            Some(_) if self.whole => resource.to_owned(),
            // The beginning of an ARN is of an access point.
            Some(_) => {
                let rest = resource.split_once('/').map_or("", |(_, rest)| rest);
                let object = if rest.is_empty() { String::new() } else { format!("/object/{rest}") };
                format!("arn:{partition}:s3:{region}:{account}:accesspoint/*{object}")
            }
            None => format!("arn:{partition}:s3:::{resource}"),
        };
        match self.part.arguments.at(unknown).first() {
            Some(Found::Literal(_)) | None if self.whole && arn.contains('*') => {
                ResourcePattern::always(arn, "the grant covers every object below the prefix")
            }
            Some(Found::Literal(_)) if self.whole => ResourcePattern::exact(arn),
            _ => ResourcePattern::at_run_time(arn, &format!("`{unknown}`")),
        }
    }
}
