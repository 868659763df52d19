//! `Buckets`: the objects in Amazon S3 that the role may use.

use serde_json::json;

use crate::iam::arn::Place;
use crate::permissions::integration::required::{Grant, RequiredPermissions};
use crate::permissions::integration::resource_pattern::ResourcePattern;
use crate::resource::properties::Reader;

/// A bucket, or the part of a bucket below a prefix.
#[derive(Debug)]
pub struct Bucket {
    /// The path of the item, such as `Buckets[0]`.
    pub path: String,
    /// The ARN of the bucket: `arn:aws:s3:::data`.
    pub arn: String,
    /// The prefix of the keys with its slash: `churn/`. Empty for the whole bucket.
    pub below: String,
    /// Whether the role may get and list objects.
    pub reads: bool,
    /// Whether the role may put objects.
    pub writes: bool,
}

impl Bucket {
    /// Parses `Buckets`. The prefix always gets a slash at its end, so that `churn` does not include `churn-old/`.
    pub fn parse_all(reader: &Reader<'_>, place: &Place) -> Vec<Self> {
        let mut buckets = Vec::new();
        for (path, item) in reader.objects("Buckets", "`{Name, Prefix?, Access}`") {
            let name = item.text("Name");
            let prefix = item.text("Prefix");
            let access = [("Read", (true, false)), ("Write", (false, true)), ("ReadWrite", (true, true))];
            let access = item.choice("Access", &access);
            if name.is_none() && !item.has("Name") {
                item.report("Name", "missing, expected the name of a bucket");
            }
            if access.is_none() && !item.has("Access") {
                item.report("Access", "missing, expected `Read`, `Write` or `ReadWrite`");
            }
            if let Some(name) = name.as_ref().filter(|name| !is_bucket(name)) {
                item.invalid(
                    "Name",
                    name,
                    "the name of a bucket: 3 to 63 lower-case letters, digits, dots and hyphens",
                );
            }
            let refused = |c: char| "*?$".contains(c) || !c.is_ascii() || c.is_ascii_control();
            if let Some(prefix) = prefix.as_ref().filter(|prefix| prefix.contains(refused) || prefix.starts_with('/')) {
                let expected = "printable ASCII text without `*`, `?` and `$` that does not begin with `/`";
                item.invalid("Prefix", prefix, expected);
            }
            reader.take(&path, item);
            let (Some(name), Some((reads, writes))) = (name, access) else { continue };
            let arn = format!("arn:{}:s3:::{name}", place.partition);
            let below = prefix.map_or_else(String::new, |one| if one.ends_with('/') { one } else { one + "/" });
            buckets.push(Self { path, arn, below, reads, writes });
        }
        buckets
    }

    /// Returns the ARN pattern of the objects.
    pub fn objects(&self) -> ResourcePattern {
        let why = if self.below.is_empty() {
            "the grant covers every object of the bucket"
        } else {
            "the grant covers every object below the prefix"
        };
        ResourcePattern::always(format!("{}/{}*", self.arn, self.below), why)
    }

    /// Returns the values of `s3:prefix` that list the objects. There are none for the whole bucket, which any value
    /// lists.
    ///
    /// The prefix also counts without its slash, as callers give it who mean the folder: `churn`. A prefix with two
    /// slashes at its end names another folder without one of them.
    fn listed(&self) -> Vec<String> {
        let folder = self.below.strip_suffix('/').filter(|folder| !folder.ends_with('/'));
        let below = Some(format!("{}*", self.below)).filter(|_| !self.below.is_empty());
        folder.map(str::to_owned).into_iter().chain(below).collect()
    }

    /// Adds the grants: access to the objects, and permission to list them.
    ///
    /// SageMaker's SDK looks for its default bucket by listing it, with `default_bucket_prefix` as the prefix. That
    /// prefix has no slash.
    /// <https://sagemaker.readthedocs.io/en/v2/api/utility/session.html>
    pub fn grant(&self, required: &mut RequiredPermissions) {
        let mut push = |actions: &[&str], on, condition| {
            required.grants.push(Grant::of(&self.path, actions, vec![on], condition));
        };
        if self.reads {
            push(&["s3:GetObject"], self.objects(), None);
            let listed = self.listed();
            let condition = (!listed.is_empty()).then(|| json!({ "StringLike": { "s3:prefix": listed } }));
            push(&["s3:ListBucket"], ResourcePattern::exact(self.arn.clone()), condition);
        }
        if self.writes {
            let actions = ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts", "s3:PutObject"];
            push(&actions, self.objects(), None);
        }
    }
}

/// Returns whether the text is a valid name of a general purpose bucket.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
fn is_bucket(name: &str) -> bool {
    let end = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b);
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && name.bytes().all(allowed)
        && end(bytes.first())
        && end(bytes.last())
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
}
