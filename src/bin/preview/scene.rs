//! Where the resources of the file stand: the place, the stack, the deployer's fence, and what is known of all three.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mlops_roles::arn::Place;
use mlops_roles::event::Request;
use mlops_roles::fence::Fence;
use mlops_roles::properties::closest;
use mlops_roles::resource::TYPES;
use serde_json::{Map, Value, json};

use crate::Options;
use crate::account::Account;
use crate::document::{Document, parse};
use crate::report::Report;
use crate::symbol::{ACCOUNT, REGION, Symbols};
use crate::template::{Known, Template};

/// The function's own template: it says what its parameters mean and what they are by default.
const DEPLOYED: &str = include_str!("../../../template.yaml");
/// Stands for the name of a stack that has none yet, and for its boundary.
const STACK: &str = "ZqStack";
const BOUNDARY: &str = "ZqBoundary";
/// What a bare definition is taken for.
const WORKFLOW_ROLE: (&str, &str) = ("WorkflowRole", "Custom::StepFunctionsWorkflowRole");

/// Everything that all resources of the file share.
pub struct Scene<'a> {
    options: &'a Options,
    pub account: Option<Account>,
    pub place: Place,
    pub fence: Fence,
    stack_name: String,
    pub stack_id: String,
    /// What `--set` and the deployed stack tell.
    values: BTreeMap<String, String>,
    folder: &'a Path,
    /// How what stands in for the place and the stack is printed.
    pub symbols: Symbols,
}

/// # Errors
/// When the file can't be read, the options don't go together, or the account can't be looked at.
pub async fn reports(options: &Options) -> Result<Vec<Report>, String> {
    let document = Document::read(&options.file)?;
    let scene = Scene::set(options, &document).await?;
    if !matches!(document, Document::Definition(_)) && !options.property.is_empty() {
        return Err(
            "`--property` goes with a state machine definition: a template and an event say their own".to_owned()
        );
    }
    match &document {
        Document::Template(template) => scene.template(template).await,
        Document::Event(event) => Ok(vec![scene.event(event).await?]),
        Document::Definition(definition) => Ok(vec![scene.definition(definition).await?]),
    }
}

impl<'a> Scene<'a> {
    async fn set(options: &'a Options, document: &Document) -> Result<Self, String> {
        let account = if options.against_account { Some(Account::open(options.region.as_deref()).await) } else { None };
        let mut symbols = Symbols::default();
        let told = match document {
            Document::Event(event) => event.get("StackId").and_then(Value::as_str).map(str::to_owned),
            _ => None,
        };
        let mut place = Place {
            partition: options.partition.clone(),
            region: options.region.clone().unwrap_or_else(|| REGION.to_owned()),
            account: options.account.clone().unwrap_or_else(|| ACCOUNT.to_owned()),
        };
        if let Some(of_event) = told.as_deref().and_then(Place::of_arn) {
            place = of_event;
        }
        let mut deployed = BTreeMap::new();
        let mut values = BTreeMap::new();
        let mut stack = None;
        if let Some(account) = &account {
            let (function, of_function) = account.stack(&options.deployment).await?;
            if options.account.as_ref().is_some_and(|asked| *asked != of_function.account) {
                return Err(format!("`--account`: the credentials are those of account {}", of_function.account));
            }
            place = of_function;
            deployed.extend(function.resources);
            deployed.extend(function.parameters);
            match (document, &options.stack_name) {
                (Document::Template(template), Some(name)) => {
                    let (found, _) = account.stack(name).await?;
                    values = account.values(&found, &roles(template), &place).await?;
                    stack = Some(found.id);
                }
                (Document::Template(_), None) => {
                    return Err("`--against-account`: say by `--stack-name` which stack the template is".to_owned());
                }
                (Document::Definition(_), _) => {
                    return Err(
                        "`--against-account` goes with a template or an event: a definition alone belongs to no stack"
                            .to_owned(),
                    );
                }
                (Document::Event(_), _) => {}
            }
        }
        symbols.name(ACCOUNT, "AWS::AccountId");
        symbols.name(REGION, "AWS::Region");
        symbols.name(&place.policy_arn("/", BOUNDARY), &format!("{}-PermissionsBoundaryArn", options.deployment));
        let stack_name = options.stack_name.clone().unwrap_or_else(|| STACK.to_owned());
        symbols.name(STACK, "AWS::StackName");
        let Place { partition, region, account: number } = &place;
        let is_known = told.is_some() || stack.is_some();
        let stack_id = told
            .or(stack)
            .unwrap_or_else(|| format!("arn:{partition}:cloudformation:{region}:{number}:stack/{stack_name}/{STACK}"));
        let fence = fence(&place, &deployed, options)?;
        values.extend(options.set.iter().cloned());
        let folder = options.file.parent().unwrap_or(Path::new("."));
        let mut scene = Self { options, account, place, fence, stack_name, stack_id, values, folder, symbols };
        if !is_known {
            scene.symbols.name(&scene.stack_id.clone(), "AWS::StackId");
        }
        Ok(scene)
    }

    async fn template(&self, template: &Value) -> Result<Vec<Report>, String> {
        let known = || Known {
            place: &self.place,
            stack_name: &self.stack_name,
            stack_id: &self.stack_id,
            values: &self.values,
            folder: self.folder,
            fence: Some(&self.fence),
        };
        let symbols = RefCell::new(Symbols::default());
        let all = Template::new(template, known(), &symbols);
        let resources = all.resources();
        let ours: Vec<_> = resources.into_iter().filter(|(_, kind)| TYPES.contains(kind)).collect();
        if ours.is_empty() {
            return Err(format!(
                "the template has no resource of mlops-roles (`{}`); for the role that a state machine would need, give \
                 its definition",
                TYPES.join("`, `")
            ));
        }
        let asked = &self.options.resource;
        if let Some(absent) = asked.iter().find(|asked| !ours.iter().any(|(id, _)| id == asked)) {
            return Err(format!("`--resource`: the template has no resource `{absent}` of mlops-roles"));
        }
        for (id, _) in &ours {
            drop(all.part(id, &["Properties"]));
        }
        let names = all.names();
        if let Some((name, _)) = self.options.set.iter().find(|(name, _)| !names.contains(name)) {
            return Err(format!("`--set {name}`: nothing of mlops-roles in the template asks for that"));
        }
        let mut reports = Vec::new();
        for (id, kind) in ours.into_iter().filter(|(id, _)| asked.is_empty() || asked.iter().any(|asked| asked == id)) {
            let properties = |symbols: &RefCell<Symbols>| {
                let template = Template::new(template, known(), symbols);
                let properties = template.part(id, &["Properties"]);
                (properties, template.notes())
            };
            reports.push(self.report(id, kind, &properties, None).await?);
        }
        Ok(reports)
    }

    async fn event(&self, event: &Value) -> Result<Report, String> {
        let request = Request::read(event).map_err(|broken| broken.why)?;
        let properties = |_: &RefCell<Symbols>| (request.properties.clone(), BTreeSet::new());
        let id = &request.address.logical_id;
        self.report(id, &request.resource_type, &properties, Some(&request)).await
    }

    async fn definition(&self, definition: &Value) -> Result<Report, String> {
        let mut given: Map<String, Value> = Map::new();
        for (name, value) in &self.options.property {
            match given.get_mut(name) {
                Some(Value::Array(items)) => items.push(json!(value)),
                Some(one) => *one = json!([one.clone(), value]),
                None => drop(given.insert(name.clone(), json!(value))),
            }
        }
        given.insert("Definition".to_owned(), definition.clone());
        let text = definition.to_string();
        let names = text.split("${").skip(1).filter_map(|rest| Some(rest.split_once('}')?.0));
        let names: BTreeSet<&str> = names.collect();
        if let Some((name, _)) = self.options.set.iter().find(|(name, _)| !names.contains(name.as_str())) {
            return Err(format!("`--set {name}`: the definition has no `${{{name}}}`"));
        }
        let properties = |symbols: &RefCell<Symbols>| {
            let value = |name: &str| {
                let known = self.values.get(name).cloned();
                known.unwrap_or_else(|| symbols.borrow_mut().stand_in(name, None, &self.place, Some(&self.fence)))
            };
            let substitutions: Map<String, Value> =
                names.iter().map(|name| ((*name).to_owned(), json!(value(name)))).collect();
            let mut properties = given.clone();
            properties.insert("DefinitionSubstitutions".to_owned(), Value::Object(substitutions));
            (Value::Object(properties), BTreeSet::new())
        };
        let (id, kind) = WORKFLOW_ROLE;
        self.report(id, kind, &properties, None).await
    }
}

/// Logical ids of the roles that the template makes.
fn roles(template: &Value) -> Vec<&str> {
    let resources = template.get("Resources").and_then(Value::as_object).into_iter().flatten();
    let is_role = |resource: &Value| resource.get("Type").and_then(Value::as_str) == Some("AWS::IAM::Role");
    resources.filter(|(_, resource)| is_role(resource)).map(|(id, _)| id.as_str()).collect()
}

/// What the function is deployed with: the environment that its own template gives it.
fn fence(place: &Place, deployed: &BTreeMap<String, String>, options: &Options) -> Result<Fence, String> {
    let template = parse(DEPLOYED)?;
    let mut values = deployed.clone();
    values.entry("PermissionsBoundary".to_owned()).or_insert_with(|| place.policy_arn("/", BOUNDARY));
    let parameters = template.get("Parameters").and_then(Value::as_object).cloned().unwrap_or_default();
    for (name, value) in &options.deployer {
        if !parameters.contains_key(name) {
            let near = closest(name, parameters.keys().map(String::as_str));
            let near = near.map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
            return Err(format!("`--deployer {name}`: mlops-roles has no such parameter{near}"));
        }
        values.insert(name.clone(), value.clone());
    }
    let symbols = RefCell::new(Symbols::default());
    let known = Known {
        place,
        stack_name: &options.deployment,
        stack_id: "",
        values: &values,
        folder: Path::new("."),
        fence: None,
    };
    let template = Template::new(&template, known, &symbols);
    let environment = template.part("Function", &["Properties", "Environment", "Variables"]);
    let variable = |name: &str| environment.get(name)?.as_str().map(str::to_owned);
    Fence::read(variable).map_err(|error| error.to_string())
}
