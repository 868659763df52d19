//! Collects what all resources of the file share: the place, the stack, the deployer's guardrails, and the values known
//! of each.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use mlops_roles_core::guardrails::Guardrails;
use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::protocol::request::{Operation, Request};
use mlops_roles_core::resource::{TYPES, workflow_role};
use mlops_roles_core::text::closest;
use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::input::definition::{Given, Sources, machines};
use crate::input::document::Document;
use crate::input::repository::Repository;
use crate::input::symbol::{ACCOUNT, Position, Symbols, UNKNOWN, Unknown};
use crate::input::template::{Findings, Known, Template};
use crate::options::error::OptionError;
use crate::plan::account::Account;
use crate::plan::guardrails::{BOUNDARY, guardrails};
use crate::plan::report::Report;
use crate::plan::stack::Stacks;
use crate::settings::Settings;

/// The stand-in for the name of a stack that does not exist yet.
pub const STACK: &str = "ZqStack";
/// The stand-in for the last part of that stack's id.
const STACK_ID: &str = "ZqId";
/// The maximum number of resources in a template.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html>
pub const RESOURCES: usize = 500;
/// The logical id of the workflow role that a bare definition is planned as.
const WORKFLOW_ROLE: &str = "WorkflowRole";

/// What all resources of the file share.
pub struct Scene<'a> {
    /// The options and settings.
    pub settings: &'a Settings<'a>,
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
    pub repository: Repository,
    /// The stand-ins for the place and the stack, with the name that is printed for each.
    pub symbols: Symbols,
    /// The assumptions about the place.
    pub notes: BTreeSet<String>,
    /// The option that sets an unknown value of the file.
    option: &'static str,
    /// The names of the settings' substitutions that a definition of the template uses.
    substituted: RefCell<BTreeSet<String>>,
}

/// Reports on each resource of the file.
///
/// # Errors
/// When the options don't go together, or the account can't be read.
pub async fn reports(settings: &Settings<'_>, document: &Document) -> Result<Vec<Report>, Error> {
    settings.given.check(document, settings.against_account, false)?;
    let scene = Scene::set(settings, document).await?;
    match document {
        Document::Template(template) => scene.template(template).await,
        Document::Event(event) => Ok(vec![scene.event(event).await?]),
        Document::Definition(definition) => Ok(vec![scene.definition(definition).await?]),
    }
}

impl<'a> Scene<'a> {
    /// Collects what the resources share.
    ///
    /// # Errors
    /// When the options don't go together, or the account can't be read.
    pub async fn set(settings: &'a Settings<'a>, document: &Document) -> Result<Self, Error> {
        let account =
            if settings.against_account { Some(Account::open(settings.region.as_deref()).await?) } else { None };
        let (mut symbols, mut notes) = (Symbols::default(), BTreeSet::new());
        let stacks = Stacks::find(account.as_ref(), settings, document, &mut symbols, &mut notes).await?;
        let Stacks { place, function, id, logical_ids: deployed_ids, mut values } = stacks;
        let boundary = place.policy_arn("/", BOUNDARY);
        symbols.name(&boundary, &format!("{}-PermissionsBoundaryArn", settings.deployment));
        let stack_name = settings.stack_name.clone().unwrap_or_default();
        let stack_id = id.unwrap_or_else(|| {
            let name = if stack_name.is_empty() { STACK } else { &stack_name };
            let Place { partition, region, account } = &place;
            let id = format!("arn:{partition}:cloudformation:{region}:{account}:stack/{name}/{STACK_ID}");
            symbols.name(STACK, "AWS::StackName");
            symbols.name(&id, "AWS::StackId");
            symbols.name(STACK_ID, "part of AWS::StackId");
            id
        });
        let guardrails = guardrails(&place, &function, settings)?;
        values.extend(settings.set.clone());
        let repository = Repository::of(&settings.file);
        Ok(Self {
            settings,
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
            option: if matches!(document, Document::Definition(_)) { "--definition-substitution" } else { "--set" },
            substituted: RefCell::default(),
        })
    }

    async fn template(&self, whole: &Value) -> Result<Vec<Report>, Error> {
        let symbols = RefCell::new(self.symbols.clone());
        let all = self.with(whole, &symbols);
        let ours = self.resources(&all)?;
        let asked = &self.settings.given.resource;
        let made = all.made_by_macros();
        let mut names = all.names();
        let mut reports = Vec::new();
        for (id, kind) in ours {
            // Called only for the names that the properties ask for.
            drop(all.properties(id));
            if !asked.is_empty() && !asked.iter().any(|asked| asked == id) {
                continue;
            }
            if let Some(condition) = all.switched_off(id) {
                let notes = vec![format!("condition `{condition}` is false, so the stack does not have this resource")];
                let (logical_id, resource_type) = (id.to_owned(), kind.to_owned());
                reports.push(Report { logical_id, resource_type, notes, ..Report::default() });
                continue;
            }
            reports.push(self.resource(whole, id, kind).await?);
        }
        names.extend(all.findings().asked);
        self.check_names(&names)?;
        for report in &mut reports {
            report.notes.extend(made.iter().cloned());
        }
        Ok(reports)
    }

    /// Refuses a name of `--set` or `--definition-substitution` that the template does not use. `names` are those that
    /// `--set` may have.
    ///
    /// # Errors
    /// Those of the first name that is not used.
    pub fn check_names(&self, names: &BTreeSet<String>) -> Result<(), OptionError> {
        let substitutions = &self.settings.given.definition_substitution;
        if let Some((name, _)) = substitutions.iter().find(|(name, _)| !self.substituted.borrow().contains(name)) {
            return Err(OptionError::Substitution { name: name.clone() });
        }
        if let Some((name, _)) = self.settings.given.set.iter().find(|(name, _)| !names.contains(name)) {
            let near = closest(name, names.iter().map(String::as_str)).map(str::to_owned);
            return Err(OptionError::SetInTemplate { name: name.clone(), near });
        }
        Ok(())
    }

    /// The logical id and the type of each resource of mlops-roles in the template.
    ///
    /// # Errors
    /// When there is none, a type is misspelled, or an option names a resource that is not among them.
    fn resources<'b>(&self, template: &Template<'b>) -> Result<Vec<(&'b str, &'b str)>, Error> {
        let found = template.resources().count();
        if found > RESOURCES {
            return Err(Error::TooManyResources { found });
        }
        let (ours, others): (Vec<_>, Vec<_>) = template.resources().partition(|(_, kind)| TYPES.contains(kind));
        for (id, kind) in others.into_iter().filter(|(_, kind)| kind.starts_with("Custom::")) {
            if let Some(near) = closest(kind, TYPES.into_iter()) {
                return Err(Error::UnknownType { resource: id.to_owned(), kind: kind.to_owned(), near });
            }
        }
        if ours.is_empty() {
            return Err(Error::NoResource);
        }
        if let Some(absent) = self.settings.given.resource.iter().find(|asked| !ours.iter().any(|(id, _)| id == asked))
        {
            let resources = ours.iter().map(|(id, _)| (*id).to_owned()).collect();
            return Err(OptionError::Resource { id: absent.clone(), resources }.into());
        }
        let roles = ours.iter().filter(|(_, kind)| *kind == workflow_role::TYPE);
        self.settings.given.check_definitions(roles.map(|(id, _)| (*id).to_owned()).collect())?;
        Ok(ours)
    }

    /// Reports on one resource of the template.
    async fn resource(&self, whole: &Value, id: &str, kind: &str) -> Result<Report, Error> {
        let properties = |symbols: &RefCell<Symbols>| {
            let template = self.with(whole, symbols);
            // Called for its notes alone.
            template.switched_off(id);
            let mut properties = template.properties(id);
            let mut findings = template.findings();
            findings.notes.extend(self.notes.iter().cloned());
            let mut object = None;
            if kind == workflow_role::TYPE {
                let (given, repository) = (self.given(id), Some(&self.repository));
                let sources = Sources { id, given, repository, machines: machines(whole, id) };
                object = sources.fill_in(&mut properties, symbols, &mut findings);
                self.substitute(&mut properties, object.as_deref());
            }
            Given { properties, object, findings }
        };
        self.report(id, kind, &properties, None).await
    }

    /// Replaces the values of `DefinitionSubstitutions` by those that the settings have.
    pub fn substitute(&self, properties: &mut Value, object: Option<&str>) {
        let Some(properties) = properties.as_object_mut() else { return };
        let definition = properties.get("Definition").map(Value::to_string).unwrap_or_default();
        let definition = object.unwrap_or(&definition);
        let named = |name: &str| definition.contains(&format!("${{{name}}}"));
        let used: Vec<_> = self.settings.definition_substitutions.iter().filter(|(name, _)| named(name)).collect();
        if used.is_empty() {
            return;
        }
        let all = properties.entry("DefinitionSubstitutions").or_insert_with(|| json!({}));
        for (name, value) in used {
            self.substituted.borrow_mut().insert(name.clone());
            all.as_object_mut().into_iter().for_each(|all| drop(all.insert(name.clone(), json!(value))));
        }
    }

    pub fn with<'b>(&'b self, whole: &'b Value, symbols: &'b RefCell<Symbols>) -> Template<'b> {
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

    /// Whether the file is a template.
    pub fn is_template(&self) -> bool {
        self.option == "--set"
    }

    /// Whether nothing tells the account.
    pub fn is_account_unknown(&self) -> bool {
        self.place.account == ACCOUNT
    }

    /// The option that sets a value that is printed under a name.
    pub fn option_for(&self, name: &str) -> String {
        let name = name.strip_prefix("part of ").unwrap_or(name);
        let name = name.strip_suffix(", in lower case").unwrap_or(name);
        match name {
            "AWS::AccountId" => "`--account`".to_owned(),
            "AWS::Region" => "`--region`".to_owned(),
            "AWS::StackName" | "AWS::StackId" => "`--stack-name`".to_owned(),
            // The name is a function call as it is written, or an export.
            other if other.contains([' ', '"', '[', '{']) => format!("`{} '{other}=VALUE'`", self.option),
            other => format!("`{} {other}=VALUE`", self.option),
        }
    }

    /// Whether the program knows the deployer's `DefinitionLocations`.
    pub fn knows_locations(&self) -> bool {
        self.account.is_some() || self.settings.deployer.contains_key("DefinitionLocations")
    }

    /// The file that `--definition` gives for a resource.
    pub fn given(&self, id: &str) -> Option<&str> {
        self.settings.given.definition.iter().rfind(|(of, _)| of == id).map(|(_, file)| file.as_str())
    }

    async fn event(&self, event: &Value) -> Result<Report, Error> {
        let request = Request::parse(event).map_err(Error::Event)?;
        let id = &request.target.logical_id;
        // A Delete does not read the definition.
        let reads =
            request.resource_type == workflow_role::TYPE && !matches!(request.operation, Operation::Delete { .. });
        self.settings.given.check_definitions(reads.then(|| id.clone()).into_iter().collect())?;
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

    async fn definition(&self, definition: &Value) -> Result<Report, Error> {
        let properties = self.properties_of(definition)?;
        self.report(WORKFLOW_ROLE, workflow_role::TYPE, &properties, None).await
    }

    /// What resolves the properties of the workflow role that a bare definition is for.
    ///
    /// # Errors
    /// When an option has a name that the definition does not use, or the definition has too many names.
    pub fn properties_of(&self, definition: &Value) -> Result<impl Fn(&RefCell<Symbols>) -> Given, Error> {
        let text = definition.to_string();
        let names: BTreeMap<String, Position> =
            placeholders(&text).into_iter().map(|(name, position)| (name.to_owned(), position)).collect();
        if names.len() > UNKNOWN {
            return Err(Error::TooManyNames { found: names.len() });
        }
        let substitutions = &self.settings.given.definition_substitution;
        if let Some((name, _)) = substitutions.iter().find(|(name, _)| !names.contains_key(name)) {
            return Err(OptionError::Substitution { name: name.clone() }.into());
        }
        let mut given = self.settings.all_properties();
        given.insert("Definition".to_owned(), definition.clone());
        Ok(move |symbols: &RefCell<Symbols>| {
            let mut symbols = symbols.borrow_mut();
            symbols.begin("Definition");
            let mut value = |name: &str, position| {
                let unknown = Unknown { name, position, kind: "" };
                let known = self.settings.definition_substitutions.get(name).cloned();
                known.unwrap_or_else(|| symbols.stand_in(unknown, &self.place, Some(&self.guardrails)))
            };
            let substitutions: Map<String, Value> =
                names.iter().map(|(name, position)| (name.clone(), json!(value(name, *position)))).collect();
            let mut properties = given.clone();
            properties.insert("DefinitionSubstitutions".to_owned(), Value::Object(substitutions));
            let findings = Findings { notes: self.notes.clone(), ..Findings::default() };
            Given { properties: Value::Object(properties), object: None, findings }
        })
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
