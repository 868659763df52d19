//! The template and its parts.

use std::path::Path;

use serde_json::Value;

use crate::copy::{ROOT, check, copy, said};

const PARTS: &str = "crates/generate/template";

#[test]
fn what_is_committed_is_what_is_generated() {
    let done = check(&copy("committed"));
    assert_eq!(String::from_utf8(done.stderr).unwrap(), "");
    assert!(done.status.success());
}

#[test]
fn a_change_of_the_template_itself_is_found() {
    let said = said("itself", "template.yaml", |text| text.replacen("MemorySize: 256", "MemorySize: 512", 1));
    assert_eq!(said, "template.yaml: is not up to date; run `make generate`\n");
}

#[test]
fn the_pages_have_what_a_changed_part_says() {
    let change = |text: &str| text.replacen("The function's instruction set.", "The set of instructions.", 1);
    let said = said("changed", &format!("{PARTS}/parameters.yaml"), change);
    let stale = ["template.yaml", "docs/reference/deployer-parameters.md"];
    assert_eq!(said, stale.map(|file| format!("{file}: is not up to date; run `make generate`\n")).concat());
}

#[test]
fn a_directive_is_known_and_used() {
    let part = format!("{PARTS}/role_sets.yaml");
    let text = std::fs::read_to_string(Path::new(ROOT).join(&part)).unwrap();
    let line = 1 + text.lines().position(|line| line.ends_with("- <roles>")).unwrap();
    for (name, wrong) in [("no-name", "- <rolls>"), ("no-form", "Roles: <roles>"), ("no-end", "- <roles")] {
        let said = said(name, &part, |text| text.replacen("- <roles>", wrong, 1));
        assert_eq!(said, format!("{part}:{line}: `{wrong}`: no such directive\n"));
    }
    let of_sets = "- <policies of the role sets>";
    let unused = said("unused", &part, |text| text.replacen(of_sets, "- arn:aws:iam::aws:policy/ReadOnlyAccess", 1));
    assert_eq!(unused, format!("no part of the template has: {of_sets}\n"));
}

#[test]
fn each_file_of_the_folder_is_a_part() {
    let folder = copy("parts");
    let more = folder.join(PARTS).join("more.yaml");
    std::fs::write(&more, "Resources:\n").unwrap();
    let said = String::from_utf8(check(&folder).stderr).unwrap();
    assert_eq!(said, format!("{PARTS}/more.yaml: no part of the template; add it to `PARTS`\n"));
    std::fs::remove_file(more).unwrap();
    std::fs::remove_file(folder.join(PARTS).join("alarms.yaml")).unwrap();
    let said = String::from_utf8(check(&folder).stderr).unwrap();
    assert!(said.starts_with(&format!("{PARTS}/alarms.yaml: ")), "{said}");
}

/// The statements about the service-catalog roles name these roles instead.
#[test]
fn writes_of_roles_and_policies_keep_to_the_prefixes_and_paths() {
    let text = std::fs::read_to_string(Path::new(ROOT).join("template.yaml")).unwrap();
    let template = mlops_roles_cli::input::document::parse(&text).unwrap();
    let mut limited = Vec::new();
    for (policy, resource) in template["Resources"].as_object().unwrap() {
        // The service-catalog roles are named, whatever the prefixes and paths are.
        let is_policy = ["AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"].map(Value::from).contains(&resource["Type"]);
        if !is_policy || policy == "PermissionsBoundary" || policy.starts_with("ServiceCatalog") {
            continue;
        }
        let statements = resource["Properties"]["PolicyDocument"]["Statement"].as_array().unwrap();
        for statement in statements.iter().flat_map(branches) {
            let writes: Vec<&str> = actions(statement).into_iter().filter(|action| is_write(action)).collect();
            if writes.is_empty() || writes == ["iam:RemoveRoleFromInstanceProfile"] {
                continue;
            }
            for action in writes {
                let kind = if action.contains("Role") { "role" } else { "policy" };
                let limit = format!("arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:{kind}${{Path}}${{P}}*");
                for resource in statement["Resource"].as_array().unwrap().iter().flat_map(branches) {
                    assert_eq!(resource["Fn::Sub"][0], limit, "{statement}");
                }
            }
            limited.push(format!("{policy} {}", statement["Sid"].as_str().unwrap()));
        }
    }
    let expected = [
        "FunctionPolicy MarkRoles",
        "FunctionPolicy NarrowMarkedRoles",
        "FunctionPolicy WidenRolesInsideTheBoundary",
        "FunctionPolicy AttachInsideTheBoundary",
        "FunctionPolicy ReleaseFromTheBoundary",
        "PoliciesPolicy SeeAndMakePolicies",
        "PoliciesPolicy ChangeMarkedPolicies",
        "RoleSetsPolicy AttachInsideTheBoundary",
    ];
    assert_eq!(limited, expected);
}

/// Returns what the value can be, except nothing: both branches of a condition, or the value itself.
fn branches(value: &Value) -> Vec<&Value> {
    let Some(both) = value.get("Fn::If").and_then(Value::as_array) else { return vec![value] };
    both.iter().skip(1).filter(|one| one["Ref"] != "AWS::NoValue").collect()
}

/// Returns the actions of a statement, which are one text or a list.
fn actions(statement: &Value) -> Vec<&str> {
    match &statement["Action"] {
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    }
}

/// Whether the action changes a role or policy.
fn is_write(action: &str) -> bool {
    let reads = ["iam:Get", "iam:List", "iam:Simulate"];
    action.starts_with("iam:") && !reads.iter().any(|verb| action.starts_with(verb))
}
