//! Describes what the command line prints, and `mlops-roles.toml`.

use mlops_roles_cli::config::Config;
use mlops_roles_cli::plan::report::Report;
use mlops_roles_cli::policy::result::{Flat, Policies};
use mlops_roles_cli::show::search::Found;
use mlops_roles_cli::show::shown::Shown;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform as _};
use schemars::{JsonSchema, Schema};

use crate::transform::{closed, in_one_line, without_format, without_null};

/// What a schema is of.
struct Subject {
    /// The name of the schema: `plan`.
    name: &'static str,
    /// The command or the file.
    title: &'static str,
    /// What the schema describes, in a sentence.
    description: &'static str,
}

const PLAN: Subject = Subject {
    name: "plan",
    title: "mlops-roles plan",
    description: "The output of `mlops-roles plan --format json`: a report on each resource of the files.",
};

const POLICY: Subject = Subject {
    name: "policy",
    title: "mlops-roles policy",
    description: "The output of `mlops-roles policy`, and the file `result.json` of `--output-dir`.",
};

const TERRAFORM_EXTERNAL: Subject = Subject {
    name: "terraform-external",
    title: "mlops-roles policy --format terraform-external",
    description: "The output of `mlops-roles policy --format terraform-external`: one object of strings, as \
                  Terraform's `external` data source reads it.",
};

const SHOW: Subject = Subject {
    name: "show",
    title: "mlops-roles show",
    description: "The output of `mlops-roles show NAME --format json`: what an integration, an API, a function or an \
                  activity needs.",
};

const SEARCH: Subject = Subject {
    name: "search",
    title: "mlops-roles show --search",
    description: "The output of `mlops-roles show --search TEXT --format json`: the integrations that fit the text, \
                  and after them the APIs.",
};

const CONFIG: Subject = Subject {
    name: "config",
    title: "mlops-roles.toml",
    description: "The settings of a repository. Each has the meaning of the option of its name, which has priority.",
};

/// Returns the name and schema of each output and of the settings, such as `cli/plan`.
pub fn schemas() -> [(String, Schema); 6] {
    [
        printed::<Vec<Report>>(&PLAN),
        printed::<Policies>(&POLICY),
        printed::<Flat>(&TERRAFORM_EXTERNAL),
        printed::<Shown>(&SHOW),
        printed::<Vec<Found>>(&SEARCH),
        read::<Config>(&CONFIG),
    ]
}

/// Returns the schema of what the program prints, where a member is absent only if its type skips it.
fn printed<T: JsonSchema>(of: &Subject) -> (String, Schema) {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    named(of, settings.into_generator().into_root_schema_for::<T>())
}

/// Returns the schema of what the program reads from TOML, where each member may be absent.
fn read<T: JsonSchema>(of: &Subject) -> (String, Schema) {
    let settings = SchemaSettings::draft2020_12().for_deserialize();
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    RecursiveTransform(without_null).transform(&mut schema);
    named(of, schema)
}

fn named(of: &Subject, mut schema: Schema) -> (String, Schema) {
    RecursiveTransform(closed).transform(&mut schema);
    RecursiveTransform(without_format).transform(&mut schema);
    schema.insert("title".to_owned(), of.title.into());
    schema.insert("description".to_owned(), of.description.into());
    RecursiveTransform(in_one_line).transform(&mut schema);
    (format!("cli/{}", of.name), schema)
}
