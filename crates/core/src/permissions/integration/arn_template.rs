//! Renders ARN templates, the form in which the tables write resources.
//!
//! `sagemaker:training-job/{TrainingJobName|cased}` is the ARN of a training job in the partition, region and account
//! of the state machine. The member `TrainingJobName` of the call names the job.
//!
//! A placeholder has the form `{member|how=default}`. The function `turned` turns the value of the member into a name
//! or an ARN, as `how` says. Without `how`, the value is inserted unchanged. `form.rs` lists all words of `how`.
//! `default` is the value if the member is absent. With an empty default, the template then stands for no resource. A
//! value that is known at run time only becomes its known beginning followed by a wildcard.

use std::collections::BTreeMap;

use crate::iam::arn::Place;
use crate::permissions::integration::arn_part::ArnPart;
use crate::permissions::integration::placeholder::{Placeholder, Rendering};
use crate::permissions::integration::resource_pattern::{ResourcePattern, WildcardReason, narrowed};
use crate::permissions::state_error::StateError;

/// A resource of a table: `sagemaker:training-job/{TrainingJobName|cased}`.
#[derive(Clone, Copy, Debug)]
pub struct ArnTemplate<'a> {
    service: &'a str,
    /// The region and the account of the ARN, if the template tells them.
    place: Option<(&'a str, &'a str)>,
    /// The resource, which is the last part of the ARN.
    pub text: &'a str,
}

impl<'a> ArnTemplate<'a> {
    /// Parses a template: the service up to the first colon, then the resource. Parsing can't fail.
    ///
    /// A region and an account may precede the resource: `ec2:@::image/{ImageId}`. There `@` stands for our own, and an
    /// empty text for none. A text without a colon means every resource.
    pub fn parse(text: &'a str) -> Self {
        let (service, text) = text.split_once(':').unwrap_or(("", text));
        let mut parts = text.splitn(3, ':');
        if let (Some(region), Some(account), Some(resource)) = (parts.next(), parts.next(), parts.next()) {
            let is_region = matches!(region, "" | "@" | "*") || region.ends_with(|end: char| end.is_ascii_digit());
            if is_region && matches!(account, "" | "@" | "*" | "aws") {
                return Self { service, place: Some((region, account)), text: resource };
            }
        }
        Self { service, place: None, text }
    }

    /// Whether the template stands for every resource.
    pub fn is_any(&self) -> bool {
        self.service.is_empty()
    }

    /// The ARN up to the resource, in our own place if the template tells no other.
    pub fn base(&self, place: &Place) -> String {
        let Place { partition, region, account } = place;
        let (of_region, of_account) = match (self.place, self.service) {
            (Some(told), _) => told,
            (None, "iam") => ("", "@"),
            (None, _) => ("@", "@"),
        };
        let region = if of_region == "@" { region } else { of_region };
        let account = if of_account == "@" { account } else { of_account };
        format!("arn:{partition}:{}:{region}:{account}:", self.service)
    }

    /// Renders the ARNs that the template stands for in a task, narrowed by `ResourceOverrides`.
    ///
    /// # Errors
    /// Fails if a member is missing, has a wildcard or is not what `how` expects. A role that is known at run time only
    /// is an error if neither `ResourceOverrides` nor the context names roles.
    pub(super) fn render(&self, rendering: Rendering<'_>) -> Result<Vec<ResourcePattern>, StateError> {
        let Rendering { task, why, context, .. } = rendering;
        if self.is_any() {
            return Ok(vec![ResourcePattern { arn: "*".to_owned(), wildcard: Some(why.clone()) }]);
        }
        if let Some(list) = self.shared_list()
            && let Some(count) = task.arguments.items(list)
        {
            return self.each_item(list, count, rendering);
        }
        // What is rendered so far, and whether it is already the whole ARN.
        let mut done = vec![(ResourcePattern::exact(self.base(context.place)), false)];
        let mut rest = self.text;
        while let Some((before, after)) = rest.split_once('{') {
            let (inside, after) = after.split_once('}').unwrap_or((after, ""));
            let parts = Placeholder::parse(inside).fill(self.service, rendering)?;
            let extend = |(so_far, full)| {
                if full {
                    return vec![(so_far, full)];
                }
                parts.iter().map(|(part, wildcard)| extended(&so_far, before, part, wildcard.as_ref())).collect()
            };
            done = done.into_iter().flat_map(extend).collect();
            rest = after;
        }
        let done = done.into_iter().map(|(mut one, full)| {
            if !full {
                one.arn.push_str(rest);
            }
            if one.wildcard.is_none() && one.arn.contains(['*', '?']) {
                one.wildcard = Some(why.clone());
            }
            one
        });
        Ok(narrowed(done.collect(), &task.path, context))
    }
}

impl ArnTemplate<'_> {
    /// The list that two placeholders are about: `Pages` in `{Pages[*].Bucket}/{Pages[*].Key}`.
    fn shared_list(&self) -> Option<&str> {
        let members = self.text.split('{').skip(1).map(|rest| rest.split(['}', '|', '=']).next().unwrap_or_default());
        let lists: Vec<&str> = members.filter_map(|member| Some(member.split_once("[*]")?.0)).collect();
        lists.iter().find(|list| lists.iter().filter(|other| other == list).count() > 1).copied()
    }

    /// Renders the template for each item of a list, so that the values of an item stay together.
    fn each_item(
        &self,
        list: &str,
        count: usize,
        rendering: Rendering<'_>,
    ) -> Result<Vec<ResourcePattern>, StateError> {
        let mut all = BTreeMap::new();
        for item in 0..count {
            let text = self.text.replace(&format!("{{{list}[*]"), &format!("{{{list}[{item}]"));
            let of_item = ArnTemplate { service: self.service, place: self.place, text: &text };
            let rendered = of_item.render(rendering)?;
            all.extend(rendered.into_iter().map(|one| (one.arn.clone(), one)));
        }
        Ok(all.into_values().collect())
    }
}

/// Appends a part to what is rendered so far. Returns whether the result is the whole ARN.
fn extended(
    so_far: &ResourcePattern,
    before: &str,
    part: &ArnPart,
    wildcard: Option<&WildcardReason>,
) -> (ResourcePattern, bool) {
    let arn = match part {
        ArnPart::Part(part) => format!("{}{before}{part}", so_far.arn),
        ArnPart::Elsewhere(base, part) => {
            let resource = so_far.arn.splitn(6, ':').nth(5).unwrap_or_default();
            format!("{base}{resource}{before}{part}")
        }
        ArnPart::Whole(arn) | ArnPart::Full(arn) => arn.clone(),
    };
    // A value that is known only at run time is the reason that `ResourceOverrides` can replace.
    let wildcard = match (&so_far.wildcard, wildcard) {
        (Some(known @ WildcardReason::AtRunTime(_)), _) | (Some(known), None) | (_, Some(known)) => Some(known.clone()),
        (None, None) => None,
    };
    (ResourcePattern { arn, wildcard }, matches!(part, ArnPart::Full(_)))
}
