//! The options of every command that reads a file: what is known besides it.

use std::path::PathBuf;

use clap::Args;

use super::error::OptionError;
use super::{account_id, pair};
use crate::input::document::Document;

/// What is known besides the file. The options are the same for each command that reads one.
#[derive(Args, Clone, Debug, Default)]
pub struct InputOptions {
    /// Sets a value that only a deployment knows. May be repeated.
    ///
    /// `NAME` is a parameter of the template, a condition (`true` or `false`), an export, a physical id (`Topic`) or an
    /// attribute (`ExecutionRole.Arn`). By default, an unknown value is printed as `${NAME}`. The option applies only to
    /// a template.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub set: Vec<(String, String)>,
    /// Sets the value of `${NAME}` in a state machine definition. May be repeated.
    ///
    /// In a template, the option replaces a value of `DefinitionSubstitutions`. The option does not apply to an event.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub definition_substitution: Vec<(String, String)>,
    /// Sets a property of the workflow role that the definition is for. May be repeated.
    ///
    /// A property that is given twice becomes a list. A value that begins with `[` or `{` is read as JSON or YAML. The
    /// option does not apply to the resources of mlops-roles in a template, which have their own properties.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub property: Vec<(String, String)>,
    /// Reads the property `TaskResources` from a file, in JSON or YAML.
    ///
    /// The property says what the definition can't tell. The option applies where `--property` does.
    #[arg(long, value_name = "FILE")]
    pub task_resources: Option<PathBuf>,
    /// Reads a definition in S3 from a local file. May be repeated.
    ///
    /// `LOGICAL_ID` is the workflow role or the state machine with the definition, because the program does not read S3.
    /// The option does not apply to a definition.
    #[arg(long, value_name = "LOGICAL_ID=FILE", value_parser = pair)]
    pub definition: Vec<(String, String)>,
    /// Reads only the resource with this logical id. May be repeated.
    ///
    /// `plan` reads all resources of mlops-roles by default. `policy` needs the option if the template has several state
    /// machines. The option applies only to a template.
    #[arg(long, value_name = "LOGICAL_ID")]
    pub resource: Vec<String>,
    /// Sets the account to deploy to, as 12 digits.
    ///
    /// By default, it is the account of the roles that a file has literally and of `ResourceOverrides`, if all of them
    /// are in one account. Otherwise it is unknown. With `--against-account`, it must be the account of the credentials.
    /// The option does not apply to an event.
    #[arg(long, value_name = "ID", value_parser = account_id)]
    pub account: Option<String>,
    /// Sets the region to deploy to.
    ///
    /// By default, it is the region in `ResourceOverrides` and `DataKeys`, if they name just one. Otherwise it is
    /// unknown. With `--against-account`, it is the region that the program reads, and the default is that of the
    /// environment. The option applies to an event only with `--against-account`.
    #[arg(long)]
    pub region: Option<String>,
    /// Sets the partition to deploy to, such as `aws-cn`.
    ///
    /// By default, it is the partition of `--region`, or `aws`. With `--against-account`, the option has no effect. The
    /// option does not apply to an event.
    #[arg(long)]
    pub partition: Option<String>,
    /// Sets the name of the stack that the file is deployed as.
    ///
    /// By default, the name is unknown. With `--against-account`, a template requires the option. The option does not
    /// apply to an event.
    #[arg(long, value_name = "NAME")]
    pub stack_name: Option<String>,
    /// Reads the settings from this file instead of the nearest `mlops-roles.toml`.
    ///
    /// By default, the program reads the nearest `mlops-roles.toml` from the folder of the file upwards to the root of
    /// its repository. An option has priority over the settings.
    #[arg(long, value_name = "FILE", conflicts_with = "no_config")]
    pub config: Option<PathBuf>,
    /// Reads no `mlops-roles.toml`.
    #[arg(long)]
    pub no_config: bool,
}

impl InputOptions {
    /// Refuses options that don't apply to the kind of the file: they would otherwise be ignored without a word.
    /// `against_account` says whether the account is read, and `takes_properties` whether a template takes properties.
    ///
    /// # Errors
    /// Those of the first option that does not apply.
    pub fn check(&self, document: &Document, against_account: bool, takes_properties: bool) -> Result<(), OptionError> {
        let (template, event) = (matches!(document, Document::Template(_)), matches!(document, Document::Event(_)));
        let definition = !template && !event;
        let has_properties = !definition && !takes_properties;
        let set = |given: bool, name: &'static str| given.then_some(name);
        let idle = [
            set(has_properties && !self.property.is_empty(), "--property"),
            set(has_properties && self.task_resources.is_some(), "--task-resources"),
            set(!template && !self.resource.is_empty(), "--resource"),
            set(!template && !self.set.is_empty(), "--set"),
            set(event && !self.definition_substitution.is_empty(), "--definition-substitution"),
            set(event && self.account.is_some(), "--account"),
            set(event && self.region.is_some() && !against_account, "--region"),
            set(event && self.partition.is_some(), "--partition"),
            set(event && self.stack_name.is_some(), "--stack-name"),
            set(definition && against_account, "--against-account"),
            set(definition && !self.definition.is_empty(), "--definition"),
        ];
        let file = document.kind();
        match idle.into_iter().flatten().next() {
            Some(option @ ("--property" | "--task-resources")) => Err(OptionError::PropertyOfFile { option, file }),
            Some("--against-account") => Err(OptionError::AccountOfDefinition),
            Some("--set") if definition => Err(OptionError::SetOfDefinition),
            Some(option) => Err(OptionError::Idle { option, file }),
            None => Ok(()),
        }
    }

    /// Refuses a `--definition` for a resource that is not one of `ids`, the logical ids of those that need one.
    ///
    /// # Errors
    /// Those of the first `--definition` that does not apply.
    pub fn check_definitions(&self, ids: Vec<String>) -> Result<(), OptionError> {
        match self.definition.iter().find(|(id, _)| !ids.contains(id)) {
            Some((id, _)) => Err(OptionError::Definition { id: id.clone(), roles: ids }),
            None => Ok(()),
        }
    }
}
