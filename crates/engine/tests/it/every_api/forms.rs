//! Literals for the members that name resources, and what each stands for in an ARN.

use mlops_roles_core::iam::arn::Arn;

/// The region and the account of the state machine.
pub(super) const HERE: &str = "us-east-1:123456789012";

/// The region and the account of the ARNs in calls.
const ELSEWHERE: &str = "eu-west-1:210987654321";

/// A placeholder of a template: `{Cluster|last-segment cluster/=default}`.
#[derive(Clone, Copy)]
pub(super) struct Hole<'a> {
    pub(super) member: &'a str,
    how: &'a str,
    pub(super) kind: &'a str,
    pub(super) default: Option<&'a str>,
    /// The service of the template.
    service: &'a str,
}

/// What replaces a placeholder.
pub(super) enum Part {
    /// A piece of the resource.
    Piece(String),
    /// The beginning of an ARN up to its resource, which replaces ours, and a piece of the resource.
    At(String, String),
    /// An ARN that replaces all that precedes the placeholder.
    Whole(String),
    /// An ARN that replaces the whole template.
    Full(String),
}

impl<'a> Hole<'a> {
    fn parse(inside: &'a str, service: &'a str) -> Self {
        let (inside, default) = inside.split_once('=').map_or((inside, None), |(inside, it)| (inside, Some(it)));
        let (member, how) = inside.split_once('|').unwrap_or((inside, ""));
        let (how, kind) = how.split_once(' ').unwrap_or((how, ""));
        Self { member, how, kind, default, service }
    }

    /// The placeholders of a template, each with the text before it, and the text after the last one.
    pub(super) fn all(text: &'a str, service: &'a str) -> (Vec<(&'a str, Self)>, &'a str) {
        let (mut holes, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let (inside, after) = after.split_once('}').unwrap();
            holes.push((before, Self::parse(inside, service)));
            rest = after;
        }
        (holes, rest)
    }

    /// A literal of the form that the member takes: a name, or if it takes both and `by_arn`, an ARN.
    pub(super) fn literal(&self, name: &str, by_arn: bool) -> String {
        // IAM has no regions.
        let place = if self.service == "iam" { ":210987654321" } else { ELSEWHERE };
        let at = |resource: &str| format!("arn:aws:{}:{place}:{resource}", self.service);
        let arn = at(&format!("{}{name}", self.kind));
        match self.how {
            "arn" | "cased-arn" | "any-arn" | "url-encoded" => arn,
            "parent" => at(&format!("x/{name}/id")),
            "state-machine" => format!("{arn}:1"),
            "report-group" => at(&format!("report/{name}:1")),
            "queue" => format!("https://sqs.eu-west-1.amazonaws.com/210987654321/{name}"),
            "api" => format!("{name}.execute-api.eu-west-1.amazonaws.com"),
            "without-scheme" => format!("https://{name}"),
            "object-url" if by_arn => format!("https://{name}.s3.amazonaws.com/k"),
            "bucket" | "object" | "objects" | "object-url" => format!("s3://{name}/k"),
            "object-arn" | "objects-below-arn" | "bucket-arn" => format!("arn:aws:s3:::{name}"),
            "copy-source" => format!("{name}/k"),
            "resolved-parameter" => format!("resolve:ssm:{name}"),
            "image-repository" => format!("210987654321.dkr.ecr.eu-west-1.amazonaws.com/{name}:1"),
            "email" => format!("{name}@example.com"),
            "role" => format!("arn:aws:iam::123456789012:role/{name}"),
            "before-colon" | "parameter" if !by_arn => format!("{name}:1"),
            _ if !by_arn => name.to_owned(),
            "or" | "cased" | "last-segment" | "full" | "any-path" | "known-by-arn" | "retyped" | "revision" => arn,
            "before-colon" => format!("{arn}:1"),
            "key" => at(&format!("key/{name}")),
            "used-key" | "aliased-key" => at(&format!("alias/{name}")),
            "function" | "function-name" => at(&format!("function:{name}")),
            "task-definition" | "document" | "parameter" => at(&format!("{}/{name}", self.how)),
            "model" | "called-model" | "profile-models" | "profile" | "prompt" => {
                at(&format!("provisioned-model/{name}"))
            }
            "base-model" => at(&format!("custom-model/{name}")),
            "secret" => at(&format!("secret:{name}-abcdef")),
            "bus" => at(&format!("event-bus/{name}")),
            "object-in" => at(&format!("accesspoint/{name}")),
            "short-id" => format!("{name}-long"),
            "path" => format!("/{name}"),
            _ => name.to_owned(),
        }
    }

    /// What a literal stands for in the ARN. Returns `None` if the member takes no such literal.
    pub(super) fn form(&self, text: &str) -> Option<Vec<Part>> {
        let arn = Arn::parse(text);
        let of_s3 = |arn: &Arn<'_>| arn.service == "s3";
        let own = arn.filter(|arn| arn.service == self.service);
        Some(match self.how {
            "any-arn" => whole(arn.map(|_| text.to_owned())?),
            "arn" | "cased-arn" => whole(own.map(|_| text.to_owned())?),
            "object-arn" | "bucket-arn" => whole(arn.filter(of_s3).map(|_| text.to_owned())?),
            "objects-below-arn" => whole(arn.filter(of_s3).map(|_| format!("{text}/*"))?),
            "role" => whole(text.to_owned()),
            "profile-models" | "profile" | "prompt" => Vec::new(),
            "url-encoded" => piece(text.replace(':', "%3A").replace('/', "%2F").replace('-', "%2D")),
            "object-in" if arn.is_some() => whole(format!("{text}/object")),
            "short-id" => piece(if text.len() == 7 { text } else { "*" }.to_owned()),
            "" | "slug" | "object-in" => piece(text.to_owned()),
            // The other forms take no ARN of another service.
            _ if arn.is_some() && own.is_none() => return None,
            _ => return self.form_of_name(text, own),
        })
    }

    /// What a name or an ARN of the own service stands for.
    fn form_of_name(&self, text: &str, own: Option<Arn<'_>>) -> Option<Vec<Part>> {
        let (kind, is_own) = (self.kind, own.is_some());
        let tail = own.map_or(text, |arn| arn.resource);
        let last = tail.rsplit('/').next()?;
        Some(match self.how {
            "full" if is_own => vec![Part::Full(text.to_owned())],
            "or" | "cased" | "known-by-arn" | "any-path" | "document" | "base-model" | "model" | "called-model"
                if is_own =>
            {
                whole(text.to_owned())
            }
            "or" | "cased" | "full" => piece(format!("{kind}{text}")),
            "known-by-arn" => piece(format!("{kind}*")),
            "any-path" => vec![Part::Piece(format!("{kind}{text}")), Part::Piece(format!("{kind}*/{text}"))],
            "document" => piece(format!("document/{text}")),
            "base-model" | "model" | "called-model" => {
                whole(format!("arn:aws:bedrock:us-east-1::foundation-model/{text}"))
            }
            "last-segment" => there(own, format!("{kind}{last}")),
            "before-colon" => there(own, format!("{kind}{}", last.split(':').next()?)),
            "aliased-key" if tail.starts_with("alias/") => there(own, "key/*".to_owned()),
            "aliased-key" => Vec::new(),
            "used-key" if tail.starts_with("alias/") => Vec::new(),
            "key" if tail.starts_with("alias/") => return None,
            "key" | "used-key" => there(own, format!("key/{}", tail.trim_start_matches("key/"))),
            "revision" if is_own => vec![Part::Whole(text.to_owned()), Part::Whole(format!("{text}:*"))],
            "revision" => vec![Part::Piece(format!("{kind}{text}")), Part::Piece(format!("{kind}{text}:*"))],
            "task-definition" if is_own => whole(format!("{text}:*")),
            "task-definition" => piece(format!("task-definition/{text}:*")),
            "function" | "function-name" => {
                let arn = if is_own { text.to_owned() } else { format!("arn:aws:lambda:{HERE}:function:{text}") };
                let any = (self.how == "function").then(|| Part::Whole(format!("{arn}:*")));
                [Part::Whole(arn)].into_iter().chain(any).collect()
            }
            _ => return self.form_of_url(text, own),
        })
    }

    /// What a URL, an object of Amazon S3 or another long form stands for.
    fn form_of_url(&self, text: &str, own: Option<Arn<'_>>) -> Option<Vec<Part>> {
        let kind = self.kind;
        let tail = own.map_or(text, |arn| arn.resource);
        let last = tail.rsplit('/').next()?;
        Some(match self.how {
            "queue" => {
                text.strip_prefix("https://sqs.")?;
                whole(format!("arn:aws:sqs:{ELSEWHERE}:{last}"))
            }
            "report-group" => {
                there(own, format!("{kind}{}", own?.resource.strip_prefix("report/")?.split(':').next()?))
            }
            "state-machine" => there(own, format!("{kind}{}", own?.resource.split(':').nth(1)?)),
            "api" => whole(format!("arn:aws:execute-api:eu-west-1:123456789012:{}", text.split('.').next()?)),
            "path" => piece(text.trim_start_matches('/').to_owned()),
            "without-scheme" => piece(text.trim_start_matches("https://").to_owned()),
            "email" => {
                let domain = text.split_once('@').map(|(_, domain)| domain);
                [text].into_iter().chain(domain).map(|one| Part::Piece(format!("identity/{one}"))).collect()
            }
            "bucket" => on_s3(text.strip_prefix("s3://")?.split('/').next()?),
            "object" => on_s3(text.strip_prefix("s3://")?),
            "objects" => on_s3(&format!("{}*", text.strip_prefix("s3://")?)),
            "object-url" => match text.strip_prefix("s3://") {
                Some(path) => on_s3(path),
                None => on_s3(&text.strip_prefix("https://")?.replace(".s3.amazonaws.com", "")),
            },
            "copy-source" => on_s3(text),
            "parent" => there(own, format!("{kind}{}", own?.resource.split_once('/')?.1.rsplit_once('/')?.0)),
            "retyped" => there(own, format!("{kind}{}", tail.split_once('/').map_or(tail, |(_, rest)| rest))),
            "secret" if own.is_some() => vec![Part::Whole(text.to_owned()), Part::Whole(format!("{text}-??????"))],
            "secret" => piece(format!("secret:{text}-??????")),
            "parameter" if own.is_some() => there(own, tail.to_owned()),
            "parameter" => piece(format!("parameter/{}", text.split(':').next()?)),
            "bus" => there(own, format!("{}/", tail.trim_start_matches("event-bus/"))),
            "resolved-parameter" => {
                let parameter = text.strip_prefix("resolve:ssm:");
                parameter.map(|name| Part::Piece(format!("parameter/{name}"))).into_iter().collect()
            }
            "image-repository" => {
                let name = text.split_once(".amazonaws.com/")?.1.split(':').next()?;
                whole(format!("arn:aws:ecr:{ELSEWHERE}:repository/{name}"))
            }
            _ => return None,
        })
    }
}

fn piece(text: String) -> Vec<Part> {
    vec![Part::Piece(text)]
}

fn whole(text: String) -> Vec<Part> {
    vec![Part::Whole(text)]
}

/// A resource in the place of the ARN.
fn there(own: Option<Arn<'_>>, resource: String) -> Vec<Part> {
    vec![match own {
        Some(arn) => Part::At(format!("arn:aws:{}:{}:{}:", arn.service, arn.region, arn.account), resource),
        None => Part::Piece(resource),
    }]
}

fn on_s3(path: &str) -> Vec<Part> {
    whole(format!("arn:aws:s3:::{path}"))
}
