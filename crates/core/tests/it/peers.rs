//! What the tables of integrations grant, beside what four peers grant: the Step Functions developer guide, AWS CDK,
//! serverless-step-functions and a Terraform module.
//!
//! `tests/data/peers.json` has a row for each integration and pattern, and says of each difference who is right. Its
//! header tells how to read it. A test that fails prints the JSON that the row should have.
//!
//! To add a row, write `{}` for `ours` and the grants of each peer. A peer without the integration has `null`. The test
//! then prints `ours`.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use mlops_roles_core::permissions::integration::task_resources::Use;
use mlops_roles_core::permissions::integration::{Integration, all};

const PEERS: [&str; 4] = ["guide", "cdk", "serverless", "terraform"];
/// The scopes that are compared, from the narrowest to the widest. `written` is not among them.
const SCOPES: [&str; 5] = ["none", "named", "begun", "kind", "any"];
const PASS_ROLE: &str = "iam:PassRole";

/// Our grants by action, each with its ARN templates, or a peer's grants by scope, each with its actions.
type Grants = BTreeMap<String, Vec<String>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Comparison {
    header: Value,
    /// By integration, pattern and column: `ours` or a peer.
    rows: BTreeMap<String, BTreeMap<String, BTreeMap<String, Option<Grants>>>>,
    differences: Vec<Judgement>,
}

/// Who is right in several differences, and why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Judgement {
    they: String,
    peers: Vec<String>,
    of: Vec<String>,
    actions: Vec<String>,
    right: String,
    because: String,
    source: String,
    /// Why the tables do not follow the peer that is right.
    yet: Option<String>,
}

/// An action about which a peer differs from the tables: `cdk lack batch:DescribeJobs of batch:submitJob.sync`.
#[derive(Debug)]
struct Difference<'a> {
    peer: &'static str,
    they: &'static str,
    action: &'a str,
    of: String,
}

/// The reach of an action in one column, as a place in `SCOPES`, and the names that belong to it.
#[derive(Default)]
struct Held<'a> {
    reach: Option<usize>,
    /// The services that roles are passed to, or the name of the managed rule.
    names: BTreeSet<&'a str>,
}

impl Judgement {
    fn decides(&self, difference: &Difference<'_>) -> bool {
        self.they == difference.they
            && self.peers.iter().any(|peer| peer == difference.peer)
            && self.actions.iter().any(|action| action == difference.action)
            && self.of.iter().any(|of| is_of(of, difference))
    }
}

/// Whether a difference is of an integration. Without a pattern, the integration stands for all its patterns.
fn is_of(of: &str, difference: &Difference<'_>) -> bool {
    difference.of.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn comparison() -> Comparison {
    serde_json::from_str(include_str!("../data/peers.json")).unwrap()
}

fn patterns(integration: &Integration) -> impl Iterator<Item = &str> {
    [""].into_iter().chain(integration.patterns.iter().map(String::as_str))
}

/// What the tables grant to the tasks of an integration, over all calls.
fn our_grants(integration: &Integration, pattern: &str) -> Grants {
    let sync = pattern.starts_with("sync");
    let mut grants: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for need in &integration.grants {
        if !need.pass.is_empty() {
            let to = format!("{PASS_ROLE} for {}{}", need.to, if need.cn { "[.cn]" } else { "" });
            grants.entry(to).or_default().extend(need.pass.clone());
        }
        if let Some(rule) = need.rule.as_ref().filter(|_| sync) {
            grants.entry("rule".to_owned()).or_default().insert(rule.clone());
        }
        if let Some(declared) = &need.declared {
            let role = (declared.used == Use::PassRole).then(|| format!("{PASS_ROLE} of the task definition"));
            for action in need.allow.iter().chain(&declared.bucket).chain(&role) {
                grants.entry(action.clone()).or_default().insert("declared:TaskResources".to_owned());
            }
        }
        let further = need.sync.iter().filter(|_| sync);
        for action in need.allow.iter().chain(further).filter(|_| !need.on.is_empty()) {
            grants.entry(action.clone()).or_default().extend(need.on.clone());
        }
    }
    grants.into_iter().map(|(action, on)| (action, on.into_iter().collect())).collect()
}

/// How far an ARN template reaches in a call whose values are all literal.
fn template_reach(template: &str) -> usize {
    let wildcard = template.contains('*');
    let scope = match template.rsplit_once('}') {
        _ if !template.contains(':') => "any",
        None if wildcard => "kind",
        None => "named",
        Some((before, after)) => {
            let inside = before.rsplit_once('{').map_or(before, |(_, inside)| inside);
            let inside = inside.split_once('=').map_or(inside, |(inside, _)| inside);
            let how = inside.split_once('|').map_or("", |(_, how)| how);
            if how.starts_with("place") {
                "kind"
            } else if after.starts_with('*') {
                "begun"
            } else {
                "named"
            }
        }
    };
    reach(scope)
}

fn reach(scope: &str) -> usize {
    SCOPES.iter().position(|known| *known == scope).unwrap_or_else(|| panic!("`{scope}` is no scope"))
}

fn ours_held(grants: &Grants) -> BTreeMap<&str, Held<'_>> {
    let mut held: BTreeMap<&str, Held<'_>> = BTreeMap::new();
    for (action, on) in grants {
        if action == "rule" {
            held.entry("rule").or_default().names.extend(on.iter().map(String::as_str));
        } else if let Some((action, service)) = action.split_once(" for ") {
            let passed = held.entry(action).or_default();
            passed.reach = Some(reach("named"));
            passed.names.insert(service);
        } else {
            held.entry(action).or_default().reach = on.iter().map(|template| template_reach(template)).max();
        }
    }
    held
}

fn peer_held(grants: &Grants) -> BTreeMap<&str, Held<'_>> {
    let mut held: BTreeMap<&str, Held<'_>> = BTreeMap::new();
    for (scopes, actions) in grants {
        if scopes == "rule" {
            let names = actions.iter().map(String::as_str).filter(|name| *name != "written");
            held.entry("rule").or_default().names.extend(names);
            continue;
        }
        for alternative in scopes.split(", ") {
            let scope = alternative.split_once(" when ").map_or(alternative, |(scope, _)| scope);
            let (scope, service) = scope.split_once(" for ").map_or((scope, None), |(scope, to)| (scope, Some(to)));
            for action in actions {
                let one = held.entry(action.as_str()).or_default();
                one.names.extend(service);
                if scope != "written" {
                    one.reach = one.reach.max(Some(reach(scope)));
                }
            }
        }
    }
    held
}

/// How a peer differs about an action, if it does.
fn differs(action: &str, ours: Option<&Held<'_>>, theirs: Option<&Held<'_>>) -> Option<&'static str> {
    let (ours, theirs) = match (ours, theirs) {
        (Some(ours), Some(theirs)) => (ours, theirs),
        (Some(_), None) => return Some("lack"),
        (None, _) => return Some("add"),
    };
    if theirs.names.is_empty() {
        if action == PASS_ROLE {
            return Some("wider");
        }
    } else if theirs.names != ours.names {
        return Some("other");
    }
    match theirs.reach?.cmp(&ours.reach?) {
        Ordering::Less => Some("narrower"),
        Ordering::Equal => None,
        Ordering::Greater => Some("wider"),
    }
}

/// The rows of a peer that grant something, by name, each with its differences.
fn differences_by_row<'a>(comparison: &'a Comparison, peer: &'static str) -> BTreeMap<String, Vec<Difference<'a>>> {
    let mut by_row = BTreeMap::new();
    for (integration, patterns) in &comparison.rows {
        for (pattern, row) in patterns {
            let (Some(ours), Some(theirs)) = (&row["ours"], &row[peer]) else { continue };
            let of = if pattern.is_empty() { integration.clone() } else { format!("{integration}.{pattern}") };
            let (ours, theirs) = (ours_held(ours), peer_held(theirs));
            let actions: BTreeSet<&'a str> = ours.keys().chain(theirs.keys()).copied().collect();
            let found = actions.into_iter().filter_map(|action| {
                let they = differs(action, ours.get(action), theirs.get(action))?;
                Some(Difference { peer, they, action, of: of.clone() })
            });
            let found: Vec<Difference<'a>> = found.collect();
            by_row.insert(of, found);
        }
    }
    by_row
}

fn all_differences(comparison: &Comparison) -> Vec<Difference<'_>> {
    PEERS.into_iter().flat_map(|peer| differences_by_row(comparison, peer).into_values().flatten()).collect()
}

#[test]
fn each_row_has_what_the_tables_grant() {
    let rows = comparison().rows;
    let (mut wrong, mut known) = (Vec::new(), BTreeSet::new());
    for (service, action, integration) in all() {
        let name = format!("{service}:{action}");
        for pattern in patterns(integration) {
            let ours = Some(our_grants(integration, pattern));
            let found = rows.get(&name).and_then(|patterns| patterns.get(pattern)).and_then(|row| row.get("ours"));
            if found != Some(&ours) {
                wrong.push(format!("{name} {pattern:?}: \"ours\": {}", serde_json::to_string(&ours).unwrap()));
            }
            known.insert((name.clone(), pattern.to_owned()));
        }
    }
    assert!(wrong.is_empty(), "rows of peers.json should have:\n{}", wrong.join("\n"));
    let found = rows.iter().flat_map(|(name, row)| row.keys().map(move |pattern| (name.clone(), pattern.clone())));
    let surplus: Vec<(String, String)> = found.filter(|row| !known.contains(row)).collect();
    assert!(surplus.is_empty(), "rows of peers.json that no table has: {surplus:?}");
}

#[test]
fn each_row_has_a_column_for_each_peer() {
    let Comparison { header, rows, .. } = comparison();
    let columns: BTreeSet<&str> = PEERS.into_iter().chain(["ours"]).collect();
    for (name, row) in rows.iter().flat_map(|(name, patterns)| patterns.values().map(move |row| (name, row))) {
        assert_eq!(row.keys().map(String::as_str).collect::<BTreeSet<&str>>(), columns, "{name}");
    }
    let keys = |member: &str| header[member].as_object().unwrap().keys().cloned().collect::<BTreeSet<String>>();
    assert_eq!(keys("peers"), BTreeSet::from(PEERS.map(str::to_owned)));
    let scopes: BTreeSet<String> = SCOPES.into_iter().chain(["written"]).map(str::to_owned).collect();
    assert_eq!(keys("scopes"), scopes);
    for (peer, read) in header["peers"].as_object().unwrap() {
        assert!(["where", "version", "read"].iter().all(|member| read[member].is_string()), "{peer}: {read}");
    }
}

#[test]
fn the_scope_of_a_template_is_that_of_a_call_with_literals() {
    for (template, scope) in [
        ("*", "any"),
        ("s3:::*", "kind"),
        ("glue:catalog", "named"),
        ("batch:{JobQueue|place job/}*", "kind"),
        ("athena:workgroup/{WorkGroup=primary}", "named"),
        ("states:{StateMachineArn|state-machine execution:}:*", "named"),
        ("sagemaker:training-job/{TrainingJobName}*", "begun"),
        ("execute-api:{ApiEndpoint|api}/{Stage|=*}/{Method|=*}/{Path|path=*}", "named"),
    ] {
        assert_eq!(SCOPES[template_reach(template)], scope, "{template}");
    }
}

#[test]
fn each_difference_is_judged_once() {
    let comparison = comparison();
    let differences = all_differences(&comparison);
    assert!(differences.len() > 500, "{}", differences.len());
    let mut wrong = Vec::new();
    for difference in &differences {
        let judges = comparison.differences.iter().filter(|judgement| judgement.decides(difference)).count();
        if judges != 1 {
            wrong.push(format!("{difference:?}: {judges} entries"));
        }
    }
    assert!(wrong.is_empty(), "`differences` should have one entry for each of these:\n{}", wrong.join("\n"));
}

#[test]
fn each_judgement_is_of_a_difference_and_has_a_source() {
    let comparison = comparison();
    let differences = all_differences(&comparison);
    let mut wrong = Vec::new();
    for judgement in &comparison.differences {
        let Judgement { they, peers, of, actions, right, because, source, yet } = judgement;
        let decided: Vec<&Difference<'_>> = differences.iter().filter(|one| judgement.decides(one)).collect();
        let idle_peers = peers.iter().filter(|peer| !decided.iter().any(|one| one.peer == peer.as_str()));
        let idle_of = of.iter().filter(|of| !decided.iter().any(|one| is_of(of, one)));
        let idle_actions = actions.iter().filter(|action| !decided.iter().any(|one| one.action == action.as_str()));
        let idle: Vec<&String> = idle_peers.chain(idle_of).chain(idle_actions).collect();
        if decided.is_empty() || !idle.is_empty() {
            wrong.push(format!("{they} {actions:?} of {of:?}: no difference with {idle:?}"));
        }
        if !["ours", "theirs", "both"].contains(&right.as_str()) || because.is_empty() || source.is_empty() {
            wrong.push(format!("{they} {actions:?} of {of:?}: says not who is right, why, and by which source"));
        }
        if (right == "theirs") != yet.as_ref().is_some_and(|why| !why.is_empty()) {
            wrong.push(format!("{they} {actions:?} of {of:?}: `yet` belongs to each entry whose `right` is `theirs`"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The table and the sentence of `docs/evidence/peers.md`.
#[test]
fn the_page_has_the_counts_of_the_file() {
    let comparison = comparison();
    let page = include_str!("../../../../docs/evidence/peers.md");
    let mut expected = Vec::new();
    for peer in PEERS {
        let by_row = differences_by_row(&comparison, peer);
        let rows = |they: &str| by_row.values().filter(|found| found.iter().any(|one| one.they == they)).count();
        let equal = by_row.values().filter(|found| found.is_empty()).count();
        let counts = ["lack", "add", "wider", "narrower"].map(|they| rows(they).to_string()).join(" | ");
        expected.push(format!("| `{peer}` | {} | {equal} | {counts} |", by_row.len()));
    }
    let differences = all_differences(&comparison);
    for right in ["ours", "theirs", "both"] {
        let judged = |one: &&Difference<'_>| {
            comparison.differences.iter().any(|judgement| judgement.right == right && judgement.decides(one))
        };
        expected.push(format!("| `{right}` | {} |", differences.iter().filter(judged).count()));
    }
    let missing: Vec<&String> = expected.iter().filter(|line| !page.lines().any(|found| found == *line)).collect();
    let behind = comparison.differences.iter().filter(|judgement| judgement.right == "theirs");
    let behind: Vec<String> = behind.map(|one| format!("{:?} of {:?}: {:?}", one.actions, one.of, one.yet)).collect();
    assert!(
        missing.is_empty(),
        "docs/evidence/peers.md should have these lines:\n{missing:#?}\nThe peers are right in:\n{}",
        behind.join("\n")
    );
}
