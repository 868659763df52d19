//! Checks the presigned URL that takes the response, so that the response goes only where it may.

use std::fmt;

use time::{Date, Month};
use url::Url;

use crate::iam::arn::Place;

/// The domain suffix of S3 hosts, by partition.
const S3_SUFFIXES: [(&str, &str); 8] = [
    ("aws", "amazonaws.com"),
    ("aws-cn", "amazonaws.com.cn"),
    ("aws-eusc", "amazonaws.eu"),
    ("aws-iso", "c2s.ic.gov"),
    ("aws-iso-b", "sc2s.sgov.gov"),
    ("aws-iso-e", "cloud.adc-e.uk"),
    ("aws-iso-f", "csp.hci.ic.gov"),
    ("aws-us-gov", "amazonaws.com"),
];

/// Returns the domain suffix of S3 hosts in the partition: `amazonaws.com`. `None` for an unknown partition.
pub fn s3_suffix(partition: &str) -> Option<&'static str> {
    S3_SUFFIXES.iter().find(|(name, _)| *name == partition).map(|(_, suffix)| *suffix)
}

/// The presigned S3 URL that takes the response.
///
/// Whoever holds the URL can send a response in the function's place. So `Debug` and `Display` never show it.
#[derive(Clone)]
pub struct ResponseUrl(String);

/// The error for a URL that no response may go to.
///
/// It holds the rule that the URL breaks, as the rest of a sentence (`contains credentials`), and nothing of the URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the response URL {0}")]
pub struct UntrustedUrl(pub &'static str);

impl ResponseUrl {
    /// Wraps a URL without checking it.
    pub fn new(url: &str) -> Self {
        Self(url.to_owned())
    }

    /// When CloudFormation signed the URL, and so sent the event, in seconds since the Unix epoch.
    ///
    /// The time is that of the signature (`X-Amz-Date=20261122T010158Z`). `None` if the URL has no such time.
    pub fn signed_at(&self) -> Option<i64> {
        let url = Url::parse(&self.0).ok()?;
        let (_, text) = url.query_pairs().find(|(key, _)| key.eq_ignore_ascii_case("X-Amz-Date"))?;
        let number = |from: usize, to: usize| {
            let digits = text.get(from..to).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
            digits?.parse::<u16>().ok()
        };
        let short = |from: usize| u8::try_from(number(from, from + 2)?).ok();
        let month = Month::try_from(short(4)?).ok()?;
        let day = Date::from_calendar_date(number(0, 4)?.into(), month, short(6)?).ok()?;
        let at = day.with_hms(short(9)?, short(11)?, short(13)?).ok()?;
        Some(at.assume_utc().unix_timestamp())
    }

    /// Returns the URL if it leads to a response bucket of CloudFormation or to the endpoint that the deployer set.
    ///
    /// `endpoint` is a URL whose scheme, host and port are trusted too; `None` allows no endpoint. `place` is where the
    /// function runs; `None` allows no response bucket.
    ///
    /// # Errors
    /// When a response may not go to the URL. The error shows nothing of the URL but the rule that it breaks.
    pub fn checked(&self, endpoint: Option<&str>, place: Option<&Place>) -> Result<Url, UntrustedUrl> {
        let untrusted = UntrustedUrl;
        let url = Url::parse(&self.0).map_err(|_| untrusted("is not a URL"))?;
        let endpoint = endpoint.and_then(|endpoint| Url::parse(endpoint).ok());
        let at = |url: &Url| (url.scheme().to_owned(), url.host_str().map(str::to_owned), url.port_or_known_default());
        if !url.username().is_empty() || url.password().is_some() {
            return Err(untrusted("contains credentials"));
        }
        if endpoint.is_some_and(|endpoint| at(&endpoint) == at(&url)) {
            return Ok(url);
        }
        if url.scheme() != "https" || url.port().is_some() {
            return Err(untrusted("does not use HTTPS on the default port"));
        }
        if !url.host_str().zip(place).is_some_and(|(host, place)| is_response_bucket(host, place)) {
            return Err(untrusted("does not lead to CloudFormation's response bucket for this region"));
        }
        Ok(url)
    }
}

impl fmt::Debug for ResponseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[response URL]")
    }
}

impl fmt::Display for ResponseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Whether the host is the response bucket of CloudFormation in this region, and no other: anybody may own another.
///
/// The host is `cloudformation-custom-resource-response-useast1.s3.amazonaws.com`, or has the region in front of the
/// suffix (`s3-us-east-1`, `s3.us-east-1`). FIPS and dual-stack endpoints count too.
/// <https://docs.aws.amazon.com/general/latest/gr/s3.html>
fn is_response_bucket(host: &str, place: &Place) -> bool {
    let Place { partition, region, .. } = place;
    let Some(suffix) = s3_suffix(partition) else { return false };
    let bucket = format!("cloudformation-custom-resource-response-{}", region.replace('-', ""));
    let service = host.strip_prefix(&bucket).and_then(|rest| rest.strip_suffix(suffix));
    let regional = ["s3-", "s3.", "s3.dualstack.", "s3-fips.", "s3-fips.dualstack."];
    service
        .is_some_and(|service| service == ".s3." || regional.iter().any(|form| service == format!(".{form}{region}.")))
}
