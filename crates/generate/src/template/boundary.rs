//! Writes what the template says of permissions boundaries: which ones roles may have, and what the default one denies.

use mlops_roles_core::guardrails::boundary::BoundaryDenies;

/// The longest line of actions, in characters, without its indentation.
const WIDTH: usize = 101;

/// Returns the condition that the created role has one of the deployer's permissions boundaries.
pub fn boundaries() -> Vec<String> {
    let condition = r#"iam:PermissionsBoundary: !Split
  - ","
  - !Join
    - ","
    - - !If [MakeBoundary, !Ref PermissionsBoundary, !Ref PermissionsBoundaryArn]
      - !If [NarrowerBoundaries, !Ref NarrowerPermissionsBoundaryArns, !Ref AWS::NoValue]"#;
    condition.lines().map(str::to_owned).collect()
}

/// Returns the actions that are denied from this level on, several in each line.
pub fn actions(level: BoundaryDenies) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for action in level.actions() {
        let item = format!("\"{action}\",");
        match lines.last_mut() {
            Some(line) if line.len() + 1 + item.len() <= WIDTH => line.extend([" ", &item]),
            _ => lines.push(item),
        }
    }
    let items = lines.join("\n  ");
    let list = format!("Action: [\n  {}]", items.trim_end_matches(','));
    list.lines().map(str::to_owned).collect()
}

/// Returns the statements that deny calls with an override, one for each condition key.
///
/// A statement with several keys would apply to calls with all of them.
pub fn overrides() -> Vec<String> {
    let statement = |(action, key)| {
        [
            "- !If".to_owned(),
            "  - DenyEscalation".to_owned(),
            "  - Effect: Deny".to_owned(),
            format!("    Action: {action}"),
            r#"    Resource: "*""#.to_owned(),
            format!(r#"    Condition: {{ "Null": {{ "{key}": "false" }} }}"#),
            "  - !Ref AWS::NoValue".to_owned(),
        ]
    };
    BoundaryDenies::overrides().flat_map(statement).collect()
}
