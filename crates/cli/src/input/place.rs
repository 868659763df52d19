//! Finds the partition, region and account of the deployment, as far as the options and the file tell them.

use std::collections::BTreeSet;

use mlops_roles_core::iam::arn::{Arn, Place, is_region, partition_of, partitions};
use serde_json::Value;

use crate::input::document::Document;
use crate::input::symbol::{ACCOUNT, Symbols};
use crate::options::error::OptionError;
use crate::settings::Settings;

/// The place of the deployment. An unknown region or account becomes a stand-in, and what is assumed becomes a note.
///
/// # Errors
/// When the partition does not exist, or the region does not belong to it.
pub fn place(
    settings: &Settings<'_>,
    document: &Document,
    symbols: &mut Symbols,
    notes: &mut BTreeSet<String>,
) -> Result<Place, OptionError> {
    let partition = match (&settings.partition, &settings.region) {
        (Some(partition), _) => partition.clone(),
        (None, Some(region)) => partition_of(region).unwrap_or("aws").to_owned(),
        (None, None) => "aws".to_owned(),
    };
    if !partitions().any(|known| known == partition) {
        return Err(OptionError::Partition { partition });
    }
    let declared = declared_arns(settings, document);
    let region = match &settings.region {
        Some(region) if is_region(region, &partition) => region.clone(),
        Some(region) => return Err(OptionError::Region { region: region.clone(), partition }),
        None => {
            settings.guesses.then(|| declared_region(&declared, &partition, notes)).flatten().unwrap_or_else(|| {
                // The stand-in has the form of the partition's regions.
                let ends = ["zz", "cn", "us-gov", "eusc-de", "us-iso", "us-isob", "eu-isoe", "us-isof"];
                let stand_in =
                    ends.iter().map(|start| format!("{start}-west-9")).find(|one| is_region(one, &partition));
                let stand_in = stand_in.unwrap_or_default();
                symbols.name(&stand_in, "AWS::Region");
                stand_in
            })
        }
    };
    let account = settings.account.clone().or_else(|| {
        let account = account_of(document).filter(|_| settings.guesses)?;
        notes.insert(format!(
            "the account is assumed to be {account}, the account of the roles in the file; set `--account` if it is not"
        ));
        Some(account)
    });
    let account = account.or_else(|| settings.guesses.then(|| declared_account(&declared, notes)).flatten());
    let account = account.unwrap_or_else(|| {
        symbols.name(ACCOUNT, "AWS::AccountId");
        ACCOUNT.to_owned()
    });
    Ok(Place { partition, region, account })
}

/// The account of the roles that the file names; `None` when it names none, or roles of several accounts.
fn account_of(document: &Document) -> Option<String> {
    let (Document::Template(value) | Document::Event(value) | Document::Definition(value)) = document;
    let text = value.to_string();
    let arns = text.split('"').filter_map(Arn::parse).filter(|arn| arn.iam_entity("role").is_some());
    let accounts: BTreeSet<&str> = arns.map(|arn| arn.account).collect();
    let mut accounts = accounts.into_iter();
    let one = accounts.next().filter(|one| one.len() == 12 && one.bytes().all(|b| b.is_ascii_digit()))?;
    accounts.next().is_none().then(|| one.to_owned())
}

/// The literal ARNs in `ResourceOverrides` and `DataKeys`, each with the name of the property. The function compares
/// them with its place, so they tell where the file will be deployed.
fn declared_arns(settings: &Settings<'_>, document: &Document) -> Vec<(&'static str, String)> {
    let mut arns = Vec::new();
    for name in ["ResourceOverrides", "DataKeys"] {
        let values: Vec<Value> = match document {
            Document::Template(template) => {
                let resources = template.get("Resources").and_then(Value::as_object).into_iter().flatten();
                resources.filter_map(|(_, resource)| resource.get("Properties")?.get(name).cloned()).collect()
            }
            Document::Definition(_) => settings.all_properties().remove(name).into_iter().collect(),
            Document::Event(_) => Vec::new(),
        };
        let text = Value::Array(values).to_string();
        let all = text.split('"').filter(|text| Arn::parse(text).is_some());
        arns.extend(all.map(|arn| (name, arn.to_owned())));
    }
    arns
}

/// The region of the declared ARNs. `None` when they have none, or several.
fn declared_region(declared: &[(&str, String)], partition: &str, notes: &mut BTreeSet<String>) -> Option<String> {
    let regions = declared.iter().filter_map(|(_, arn)| Some(Arn::parse(arn)?.region));
    let regions: BTreeSet<&str> = regions.filter(|region| is_region(region, partition)).collect();
    let region = regions.first().filter(|_| regions.len() == 1)?;
    notes.insert(format!(
        "the region is assumed to be {region}, the region of the ARNs in `ResourceOverrides` and `DataKeys`; set \
         `--region` if it is not"
    ));
    Some((*region).to_owned())
}

/// The account of the ARNs in `ResourceOverrides`. `None` when they have none, or several. A data key may be in another
/// account.
fn declared_account(declared: &[(&str, String)], notes: &mut BTreeSet<String>) -> Option<String> {
    let overrides = declared.iter().filter(|(name, _)| *name == "ResourceOverrides");
    let accounts = overrides.filter_map(|(_, arn)| Some(Arn::parse(arn)?.account));
    let is_one = |account: &&str| account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    let accounts: BTreeSet<&str> = accounts.filter(is_one).collect();
    let account = accounts.first().filter(|_| accounts.len() == 1)?;
    notes.insert(format!(
        "the account is assumed to be {account}, the account of the ARNs in `ResourceOverrides`; set `--account` if it \
         is not"
    ));
    Some((*account).to_owned())
}
