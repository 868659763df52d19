//! Collects what all resources of the file share: the place, the stack, the deployer's guardrails, and the values known
//! of each.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mlops_roles_core::guardrails::Guardrails;
use mlops_roles_core::iam::arn::{Arn, Place, is_region, partition_of, partitions};
use mlops_roles_core::protocol::request::{Operation, Request};
use mlops_roles_core::resource::{TYPES, workflow_role};
use mlops_roles_core::text::{closest, listed};
use serde_json::{Map, Value, json};

use crate::account::Account;
use crate::definition::{Given, Sources, machines};
use crate::deployed::TEMPLATE;
use crate::document::{Document, parse};
use crate::options::Options;
use crate::report::Report;
use crate::repository::Repository;
use crate::symbol::{ACCOUNT, Position, Symbols, Unknown};
use crate::template::{Findings, Known, Template};

/// The stand-in for the name of a stack that does not exist yet.
pub const STACK: &str = "ZqStack";
/// The stand-in for the last part of that stack's id.
const STACK_ID: &str = "ZqId";
/// The stand-in for the name of the permissions boundary.
const BOUNDARY: &str = "ZqBoundary";
/// The logical id of the workflow role that a bare definition is previewed as.
const WORKFLOW_ROLE: &str = "WorkflowRole";

/// What all resources of the file share.
pub struct Scene<'a> {
    options: &'a Options,
    /// The real account, with `--against-account`.
    pub account: Option<Account>,
    /// The partition, region and account of the deployment.
    pub place: Place,
    /// The guardrails of the function that will get the events.
    pub guardrails: Guardrails,
    /// The name of the stack; empty when it is unknown.
    pub stack_name: String,
    /// The ARN of the stack, or a stand-in for it.
    pub stack_id: String,
    /// The logical ids of the resources in the deployed stack.
    pub deployed_ids: BTreeSet<String>,
    /// The values from `--set` and from the deployed stack, by name.
    values: BTreeMap<String, String>,
    /// The files that the template can name.
    repository: Repository,
    /// The stand-ins for the place and the stack, with the name that is printed for each.
    pub symbols: Symbols,
    /// The assumptions about the place.
    notes: BTreeSet<String>,
}

/// Reports on each resource of the file.
///
/// # Errors
/// When the file can't be read, the options don't go together, or the account can't be read.
pub async fn reports(options: &Options) -> Result<Vec<Report>, String> {
    let document = Document::parse(&options.file)?;
    check(options, &document)?;
    let scene = Scene::set(options, &document).await?;
    match &document {
        Document::Template(template) => scene.template(template).await,
        Document::Event(event) => Ok(vec![scene.event(event).await?]),
        Document::Definition(definition) => Ok(vec![scene.definition(definition).await?]),
    }
}

/// Refuses options that don't apply to the kind of the file: they would otherwise be ignored without a word.
fn check(options: &Options, document: &Document) -> Result<(), String> {
    let (template, event) = (matches!(document, Document::Template(_)), matches!(document, Document::Event(_)));
    let definition = !template && !event;
    let set = |given: bool, name: &'static str| given.then_some(name);
    let idle = [
        set(!definition && !options.property.is_empty(), "--property"),
        set(!template && !options.resource.is_empty(), "--resource"),
        set(event && !options.set.is_empty(), "--set"),
        set(event && options.account.is_some(), "--account"),
        set(event && options.region.is_some() && !options.against_account, "--region"),
        set(event && options.partition.is_some(), "--partition"),
        set(event && options.stack_name.is_some(), "--stack-name"),
        set(definition && options.against_account, "--against-account"),
        set(definition && !options.definition.is_empty(), "--definition"),
    ];
    let what = match document {
        Document::Template(_) => "a template",
        Document::Event(_) => "an event",
        Document::Definition(_) => "a state machine definition",
    };
    match idle.into_iter().flatten().next() {
        Some("--property") => Err(format!(
            "`--property`: applies only to a state machine definition, and the file is {what}; leave the option out"
        )),
        Some("--against-account") => Err(
            "`--against-account`: applies only to a template or an event, because a definition alone belongs to no \
                 stack; leave the option out"
                .to_owned(),
        ),
        Some(name) => Err(format!("`{name}`: does not apply to {what}; leave the option out")),
        None => Ok(()),
    }
}

/// Refuses a `--definition` for a resource that is not one of `roles`, the logical ids of the workflow roles.
fn check_definitions(options: &Options, roles: &[String]) -> Result<(), String> {
    let Some((absent, _)) = options.definition.iter().find(|(id, _)| !roles.contains(id)) else { return Ok(()) };
    let instead = if roles.is_empty() {
        "; leave the option out".to_owned()
    } else {
        format!(", expected one of {}", listed(roles))
    };
    Err(format!("`--definition {absent}`: the file has no workflow role of this name that needs a definition{instead}"))
}

/// The place of the deployment, as far as the options and the file tell it.
fn place(
    options: &Options,
    document: &Document,
    symbols: &mut Symbols,
    notes: &mut BTreeSet<String>,
) -> Result<Place, String> {
    let partition = match (&options.partition, &options.region) {
        (Some(partition), _) => partition.clone(),
        (None, Some(region)) => partition_of(region).unwrap_or("aws").to_owned(),
        (None, None) => "aws".to_owned(),
    };
    if !partitions().any(|known| known == partition) {
        let known: Vec<String> = partitions().map(str::to_owned).collect();
        return Err(format!("`--partition {partition}`: expected one of {}", listed(&known)));
    }
    let declared = declared_arns(options, document);
    let region = match &options.region {
        Some(region) if is_region(region, &partition) => region.clone(),
        Some(region) => {
            let like =
                ["us-east-1", "cn-north-1", "us-gov-west-1", "eusc-de-east-1", "us-iso-east-1", "us-isob-east-1"];
            let like = like.into_iter().find(|one| is_region(one, &partition));
            let like = like.map_or_else(String::new, |like| format!(", such as `{like}`"));
            return Err(format!("`--region {region}`: expected a region of partition `{partition}`{like}"));
        }
        None => declared_region(&declared, &partition, notes).unwrap_or_else(|| {
            // The stand-in has the form of the partition's regions.
            let ends = ["zz", "cn", "us-gov", "eusc-de", "us-iso", "us-isob", "eu-isoe", "us-isof"];
            let stand_in = ends.iter().map(|start| format!("{start}-west-9")).find(|one| is_region(one, &partition));
            let stand_in = stand_in.unwrap_or_default();
            symbols.name(&stand_in, "AWS::Region");
            stand_in
        }),
    };
    let account = options.account.clone().or_else(|| {
        let account = account_of(document)?;
        notes.insert(format!(
            "the account is assumed to be {account}, the account of the roles in the file; set `--account` if it is not"
        ));
        Some(account)
    });
    let account = account.or_else(|| declared_account(&declared, notes));
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
fn declared_arns(options: &Options, document: &Document) -> Vec<(&'static str, String)> {
    let mut arns = Vec::new();
    for name in ["ResourceOverrides", "DataKeys"] {
        let values: Vec<Value> = match document {
            Document::Template(template) => {
                let resources = template.get("Resources").and_then(Value::as_object).into_iter().flatten();
                resources.filter_map(|(_, resource)| resource.get("Properties")?.get(name).cloned()).collect()
            }
            Document::Definition(_) => {
                let given = options.property.iter().filter(|(of, _)| of == name);
                given.filter_map(|(_, value)| parse(value).ok()).collect()
            }
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

impl<'a> Scene<'a> {
    async fn set(options: &'a Options, document: &Document) -> Result<Self, String> {
        let account =
            if options.against_account { Some(Account::open(options.region.as_deref()).await?) } else { None };
        let (mut symbols, mut notes) = (Symbols::default(), BTreeSet::new());
        let told = match document {
            Document::Event(event) => event.get("StackId").and_then(Value::as_str).map(str::to_owned),
            _ => None,
        };
        let (mut deployed, mut values, mut stack) = (BTreeMap::new(), BTreeMap::new(), None);
        let mut deployed_ids = BTreeSet::new();
        let place = if let Some(account) = &account {
            let (function, place) = account.stack(&options.deployment).await?;
            if let Some(asked) = options.account.as_ref().filter(|asked| **asked != place.account) {
                return Err(format!(
                    "`--account {asked}`: the credentials are for account {}; use other credentials, or leave the \
                     option out",
                    place.account
                ));
            }
            if let Some(told) = told.as_deref().filter(|told| Place::from_arn(told).as_ref() != Some(&place)) {
                return Err(format!(
                    "`StackId`: found `{told}`, expected a stack of {place}; use the credentials and the region of the \
                     stack"
                ));
            }
            deployed.extend(function.resources);
            deployed.extend(function.parameters);
            if let Document::Template(template) = document {
                let Some(name) = &options.stack_name else {
                    return Err(
                        "`--against-account`: the stack of the template is unknown; set `--stack-name`".to_owned()
                    );
                };
                let (found, _) = account.stack(name).await?;
                values = account.values(&found, &roles(template), &place).await?;
                deployed_ids.extend(found.resources.into_keys());
                stack = Some(found.id);
            }
            place
        } else if let Some(told) = &told {
            Place::from_arn(told).ok_or_else(|| format!("`StackId`: found `{told}`, expected the ARN of a stack"))?
        } else {
            place(options, document, &mut symbols, &mut notes)?
        };
        let boundary = place.policy_arn("/", BOUNDARY);
        symbols.name(&boundary, &format!("{}-PermissionsBoundaryArn", options.deployment));
        let stack_name = options.stack_name.clone().unwrap_or_default();
        let stack_id = told.or(stack).unwrap_or_else(|| {
            let name = if stack_name.is_empty() { STACK } else { &stack_name };
            let Place { partition, region, account } = &place;
            let id = format!("arn:{partition}:cloudformation:{region}:{account}:stack/{name}/{STACK_ID}");
            symbols.name(STACK, "AWS::StackName");
            symbols.name(&id, "AWS::StackId");
            symbols.name(STACK_ID, "part of AWS::StackId");
            id
        });
        let guardrails = guardrails(&place, &deployed, options)?;
        values.extend(options.set.iter().cloned());
        let repository = Repository::of(&options.file);
        Ok(Self {
            options,
            account,
            place,
            guardrails,
            stack_name,
            stack_id,
            deployed_ids,
            values,
            repository,
            symbols,
            notes,
        })
    }

    async fn template(&self, whole: &Value) -> Result<Vec<Report>, String> {
        let symbols = RefCell::new(self.symbols.clone());
        let all = self.with(whole, &symbols);
        let ours: Vec<_> = all.resources().filter(|(_, kind)| TYPES.contains(kind)).collect();
        let slips = all.resources().filter(|(_, kind)| !TYPES.contains(kind) && kind.starts_with("Custom::"));
        if let Some((id, kind, near)) =
            slips.into_iter().find_map(|(id, kind)| Some((id, kind, closest(kind, TYPES.into_iter())?)))
        {
            return Err(format!("resource `{id}`: `{kind}` is not a type of mlops-roles, did you mean `{near}`?"));
        }
        if ours.is_empty() {
            return Err(format!(
                "the template has no resource of mlops-roles (`{}`); to preview the role of a state machine, give its \
                 definition instead of a template",
                TYPES.join("`, `")
            ));
        }
        let asked = &self.options.resource;
        if let Some(absent) = asked.iter().find(|asked| !ours.iter().any(|(id, _)| id == asked)) {
            let ids: Vec<String> = ours.iter().map(|(id, _)| (*id).to_owned()).collect();
            return Err(format!(
                "`--resource {absent}`: the template has no such resource of mlops-roles, expected one of {}",
                listed(&ids)
            ));
        }
        let roles = ours.iter().filter(|(_, kind)| *kind == workflow_role::TYPE);
        check_definitions(self.options, &roles.map(|(id, _)| (*id).to_owned()).collect::<Vec<_>>())?;
        let mut names = all.names();
        let mut reports = Vec::new();
        for (id, kind) in &ours {
            drop(all.properties(id));
            if !asked.is_empty() && !asked.iter().any(|asked| asked == id) {
                continue;
            }
            if let Some(condition) = all.switched_off(id) {
                let notes = vec![format!("condition `{condition}` is false, so the stack does not have this resource")];
                let (logical_id, resource_type) = ((*id).to_owned(), (*kind).to_owned());
                reports.push(Report { logical_id, resource_type, notes, ..Report::default() });
                continue;
            }
            let properties = |symbols: &RefCell<Symbols>| {
                let template = self.with(whole, symbols);
                // Called for its notes alone.
                template.switched_off(id);
                let mut properties = template.properties(id);
                let mut findings = template.findings();
                findings.notes.extend(self.notes.iter().cloned());
                let mut object = None;
                if *kind == workflow_role::TYPE {
                    let (given, repository) = (self.given(id), Some(&self.repository));
                    let sources = Sources { id, given, repository, machines: machines(whole, id) };
                    object = sources.fill_in(&mut properties, symbols, &mut findings);
                }
                Given { properties, object, findings }
            };
            reports.push(self.report(id, kind, &properties, None).await?);
        }
        names.extend(all.findings().asked);
        if let Some((name, _)) = self.options.set.iter().find(|(name, _)| !names.contains(name)) {
            let near = closest(name, names.iter().map(String::as_str));
            let near = near.map_or("; leave the option out".to_owned(), |near| format!(", did you mean `{near}`?"));
            return Err(format!("`--set {name}`: no resource of mlops-roles in the template uses this name{near}"));
        }
        Ok(reports)
    }

    fn with<'b>(&'b self, whole: &'b Value, symbols: &'b RefCell<Symbols>) -> Template<'b> {
        let known = Known {
            place: &self.place,
            stack_name: &self.stack_name,
            stack_id: &self.stack_id,
            values: &self.values,
            repository: &self.repository,
            guardrails: Some(&self.guardrails),
        };
        Template::new(whole, known, symbols)
    }

    /// Whether the program knows the deployer's `DefinitionLocations`.
    pub fn knows_locations(&self) -> bool {
        self.account.is_some() || self.options.deployer.iter().any(|(name, _)| name == "DefinitionLocations")
    }

    /// The file that `--definition` gives for a resource.
    fn given(&self, id: &str) -> Option<&str> {
        self.options.definition.iter().rfind(|(of, _)| of == id).map(|(_, file)| file.as_str())
    }

    async fn event(&self, event: &Value) -> Result<Report, String> {
        let request = Request::parse(event).map_err(|broken| broken.why)?;
        let id = &request.target.logical_id;
        // A Delete does not read the definition.
        let reads =
            request.resource_type == workflow_role::TYPE && !matches!(request.operation, Operation::Delete { .. });
        check_definitions(self.options, &reads.then(|| id.clone()).into_iter().collect::<Vec<_>>())?;
        let properties = |symbols: &RefCell<Symbols>| {
            let (mut properties, mut findings) = (request.properties.clone(), Findings::default());
            let mut object = None;
            if reads {
                let sources = Sources { id, given: self.given(id), repository: None, machines: Vec::new() };
                object = sources.fill_in(&mut properties, symbols, &mut findings);
            }
            Given { properties, object, findings }
        };
        self.report(id, &request.resource_type, &properties, Some(&request)).await
    }

    async fn definition(&self, definition: &Value) -> Result<Report, String> {
        let mut given: Map<String, Value> = Map::new();
        for (name, value) in &self.options.property {
            if name.starts_with("Definition") {
                return Err(format!(
                    "`--property {name}`: the file is the definition; leave the option out, and give the value of a \
                     `${{NAME}}` with `--set`"
                ));
            }
            let is_json = value.starts_with(['[', '{']);
            let value =
                if is_json { parse(value).map_err(|why| format!("`--property {name}`: {why}"))? } else { json!(value) };
            match given.get_mut(name) {
                Some(Value::Array(items)) => items.push(value),
                Some(one) => *one = json!([one.clone(), value]),
                None => drop(given.insert(name.clone(), value)),
            }
        }
        given.insert("Definition".to_owned(), definition.clone());
        let text = definition.to_string();
        let names = placeholders(&text);
        if let Some((name, _)) = self.options.set.iter().find(|(name, _)| !names.contains_key(name.as_str())) {
            return Err(format!("`--set {name}`: the definition has no `${{{name}}}`; leave the option out"));
        }
        let properties = |symbols: &RefCell<Symbols>| {
            let mut symbols = symbols.borrow_mut();
            symbols.begin("Definition");
            let mut value = |name: &str, position| {
                let unknown = Unknown { name, position, kind: "" };
                let known = self.values.get(name).cloned();
                known.unwrap_or_else(|| symbols.stand_in(unknown, &self.place, Some(&self.guardrails)))
            };
            let substitutions: Map<String, Value> =
                names.iter().map(|(name, position)| ((*name).to_owned(), json!(value(name, *position)))).collect();
            let mut properties = given.clone();
            properties.insert("DefinitionSubstitutions".to_owned(), Value::Object(substitutions));
            let findings = Findings { notes: self.notes.clone(), ..Findings::default() };
            Given { properties: Value::Object(properties), object: None, findings }
        };
        self.report(WORKFLOW_ROLE, workflow_role::TYPE, &properties, None).await
    }
}

/// The names of the `${NAME}` in the JSON of a definition, each with its position that says least of it.
fn placeholders(definition: &str) -> BTreeMap<&str, Position> {
    let mut names = BTreeMap::new();
    let mut parts = definition.split("${");
    let mut before = parts.next().unwrap_or_default();
    for part in parts {
        if let Some((name, behind)) = part.split_once('}') {
            let position = match (before.ends_with('"'), behind.starts_with('"')) {
                (true, true) => Position::Whole,
                (true, false) => Position::Start,
                (false, _) => Position::Inside,
            };
            let known = names.entry(name).or_insert(position);
            *known = position.max(*known);
        }
        before = part;
    }
    names
}

/// The logical ids of the roles that the template creates.
fn roles(template: &Value) -> Vec<&str> {
    let resources = template.get("Resources").and_then(Value::as_object).into_iter().flatten();
    let is_role = |resource: &Value| resource.get("Type").and_then(Value::as_str) == Some("AWS::IAM::Role");
    resources.filter(|(_, resource)| is_role(resource)).map(|(id, _)| id.as_str()).collect()
}

/// The guardrails of the deployed function: its own template defines the environment from which they are parsed.
fn guardrails(place: &Place, deployed: &BTreeMap<String, String>, options: &Options) -> Result<Guardrails, String> {
    let template = parse(TEMPLATE)?;
    let mut values = deployed.clone();
    values.entry("PermissionsBoundary".to_owned()).or_insert_with(|| place.policy_arn("/", BOUNDARY));
    let parameters = template.get("Parameters").and_then(Value::as_object).cloned().unwrap_or_default();
    for (name, value) in &options.deployer {
        let Some(parameter) = parameters.get(name) else {
            let near = closest(name, parameters.keys().map(String::as_str));
            let all = || format!(", expected one of {}", listed(&parameters.keys().cloned().collect::<Vec<_>>()));
            let near = near.map_or_else(all, |near| format!(", did you mean `{near}`?"));
            return Err(format!("`--deployer {name}`: mlops-roles has no such parameter{near}"));
        };
        if let Some(allowed) = parameter.get("AllowedValues").and_then(Value::as_array) {
            let text = |one: &Value| one.as_str().map_or_else(|| one.to_string(), str::to_owned);
            let allowed: Vec<String> = allowed.iter().map(text).collect();
            if !allowed.contains(value) {
                return Err(format!("`--deployer {name}={value}`: expected one of {}", listed(&allowed)));
            }
        }
        values.insert(name.clone(), value.clone());
    }
    let symbols = RefCell::new(Symbols::default());
    let repository = Repository::of(Path::new(""));
    let known = Known {
        place,
        stack_name: &options.deployment,
        stack_id: "",
        values: &values,
        repository: &repository,
        guardrails: None,
    };
    let template = Template::new(&template, known, &symbols);
    let environment = template.part("Function", &["Properties", "Environment", "Variables"]);
    let variable = |name: &str| environment.get(name)?.as_str().map(str::to_owned);
    Guardrails::from_environment(variable).map_err(|wrong| {
        let parameter: String = wrong.variable.split('_').map(capitalized).collect();
        format!("`--deployer {parameter}`: {}, expected {}", wrong.found, wrong.expected)
    })
}

/// Writes a word of a variable's name as in the parameter's name: `ROLE` becomes `Role`.
fn capitalized(word: &str) -> String {
    let (first, rest) = word.split_at(word.len().min(1));
    first.to_owned() + &rest.to_ascii_lowercase()
}
