//! Mutates JSON as a tree, because mutated bytes seldom get past the parser.

use libfuzzer_sys::fuzzer_mutate;
use serde_json::{Map, Value, json};

/// Names of members that have a meaning somewhere. `tests/local/test_lists.py` finds a property that is not here.
const KEYS: &str = "RequestType RequestId ResponseURL StackId ResourceType LogicalResourceId PhysicalResourceId \
    ResourceProperties OldResourceProperties ServiceToken ServiceTimeout SageMakerExecutionRoleArns SageMakerExecutionRole \
    DomainId UserProfileName SpaceName NotebookInstanceName EndpointName PipelineName RoleNamePrefix ClusterName TrainingJobName \
    ModelPackageName RoleName Path \
    Description MaxSessionDuration PermissionsBoundary Tags Key Value PolicyName PassRolePolicyName ManagedPolicyArns \
    StateMachineName AdoptExisting AdoptFrom SettleSeconds Revision Definition DefinitionSubstitutions Integrations Logging \
    Tracing KmsKeyArn ResourceOverrides TaskActions TaskResources DataKeys VerifyPermissions Buckets Name Prefix Access Capabilities NamePrefix Repositories \
    Subnets SecurityGroups TrustedServices RoleSet EnvName EnvType RoleNames Regions OnCreate OnDelete IfInUse \
    DisablePortfolio StartAt States Type Resource Parameters Arguments Next End Branches ItemProcessor Iterator \
    ProcessorConfig Mode ItemReader ResultWriter Credentials RoleArn FunctionName FunctionName.$ TrainingJobName.$ \
    QueryLanguage Bucket Bucket.$ Image ImageUri GlueDatabases KmsKeys LimitToSubnets PassSelf SourceArn Topics TrustedActions \
    VerifyAccess DefinitionS3Location DefinitionSha256 Version PassRoles Read Write Service ExecutionPolicy Fidelity \
    ImageRepositoryArn ModelBucketName ModelS3KmsKeyArn PipelineExecutionRoleArn ResourcePrefix AdministratorAccountId \
    AdministratorEnvName AdministratorEnvType CreateIamUserRoles CreateVPCFlowLogsRole SetupLambdaExecutionRoleName \
    SetupStackSetExecutionRoleName StackSetAdministrationRoleName InUseWithinDays Roles ExecutionRole VPCFlowLogsRole";
/// Values that have a meaning somewhere, and some that are likely to break a parser. `tests/local/test_lists.py` finds a
/// resource type that is not here.
const TEXTS: &str = "Create Update Delete SUCCESS Task Map Parallel Choice Pass Wait Succeed Fail JSONPath JSONata INLINE \
    DISTRIBUTED STANDARD EXPRESS true false Read Write ReadWrite Notebook Training Pipelines Keep Provision Custom::StepFunctionsWorkflowRole \
    Custom::SageMakerExecutionRole Custom::SageMakerServiceCatalogRoles Custom::SageMakerMlopsRoles \
    Custom::SageMakerDeployTarget arn:aws:states:::lambda:invoke arn:aws:states:::sagemaker:createTrainingJob.sync \
    arn:aws:states:::sagemaker:createModel arn:aws:states:::aws-sdk:s3:putObject arn:aws:states:::dynamodb:putItem \
    arn:aws:states:::states:startExecution.sync:2 arn:aws:states:::events:putEvents arn:aws:states:::http:invoke \
    arn:aws:states:::ecs:runTask.sync arn:aws:states:::aws-sdk:iam:attachRolePolicy arn:aws:states:::s3:getObject \
    arn:aws:lambda:us-east-1:123456789012:function:score arn:aws:iam::123456789012:role/MySageMakerRole \
    arn:aws:iam::123456789012:role/service-role/AmazonSageMaker arn:aws:iam::aws:policy/AmazonX * ? ${Name} ${aws:username} \
    $.Name $$.Execution.Id {%$states.input%} States.Format('a-{}',$.b) .. / // \\u0000 \u{e4} \u{1f980} AmazonSageMaker-x \
    Team-x us-east-1 123456789012 0 -1 3600 43200 1e999 9223372036854775808 SageMakerStudio TargetAccount dev";

/// A small generator of pseudo-random choices.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(sides.max(1)).unwrap()).unwrap()
    }

    fn word(&mut self, words: &str) -> String {
        let count = words.split_whitespace().count();
        words.split_whitespace().nth(self.roll(count)).unwrap().to_owned()
    }
}

/// A mutation for `fuzz_mutator!`: changes the tree, or lets libFuzzer change the bytes. Returns the new size in bytes.
pub fn json(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut dice = Dice(u64::from(seed) | 1 << 40);
    for _ in 0..8 {
        dice.roll(2);
    }
    let tree = serde_json::from_slice::<Value>(&data[..size]);
    let Ok(mut tree) = tree else { return fuzzer_mutate(data, size, max_size) };
    if dice.roll(6) == 0 {
        return fuzzer_mutate(data, size, max_size);
    }
    for _ in 0..=dice.roll(3) {
        let donor = pick(&mut tree, &mut dice).clone();
        change(pick(&mut tree, &mut dice), donor, &mut dice);
    }
    let text = tree.to_string();
    if text.len() > max_size {
        return fuzzer_mutate(data, size, max_size);
    }
    data[..text.len()].copy_from_slice(text.as_bytes());
    text.len()
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(members) => members.values().map(count).sum::<usize>(),
        _ => 0,
    }
}

fn pick<'a>(tree: &'a mut Value, dice: &mut Dice) -> &'a mut Value {
    let index = dice.roll(count(tree));
    nth(tree, index).unwrap()
}

fn nth(value: &mut Value, index: usize) -> Option<&mut Value> {
    if index == 0 {
        return Some(value);
    }
    let mut rest = index - 1;
    let children: Box<dyn Iterator<Item = &mut Value>> = match value {
        Value::Array(items) => Box::new(items.iter_mut()),
        Value::Object(members) => Box::new(members.values_mut()),
        _ => return None,
    };
    for child in children {
        let size = count(child);
        if rest < size {
            return nth(child, rest);
        }
        rest -= size;
    }
    None
}

fn change(node: &mut Value, donor: Value, dice: &mut Dice) {
    match (&mut *node, dice.roll(10)) {
        (_, 0) => *node = donor,
        (_, 1) => *node = json!(dice.word(TEXTS)),
        (_, 2) => {
            let others = [json!(null), json!(true), json!(0), json!(-1), json!(1e30), json!(""), json!([]), json!({})];
            *node = others[dice.roll(others.len())].clone();
        }
        (_, 3) => {
            let inner = node.take();
            *node = if dice.roll(2) == 0 { json!([inner]) } else { json!({ (dice.word(KEYS)): inner }) };
        }
        (Value::Object(members), 4 | 5) => drop(members.insert(dice.word(KEYS), donor)),
        (Value::Object(members), 6) => drop(members.insert(dice.word(KEYS), json!(dice.word(TEXTS)))),
        (Value::Object(members), _) => without_one(members, dice),
        (Value::Array(items), 4..=6) => items.push(donor),
        (Value::Array(items), _) => {
            let index = dice.roll(items.len());
            if index < items.len() {
                items.remove(index);
            }
        }
        (Value::String(text), turn) => *text = retold(text, turn, dice),
        (Value::Number(_), _) => *node = json!(dice.roll(50_000)),
        (Value::Bool(_) | Value::Null, _) => *node = json!(dice.word(TEXTS)),
    }
}

fn without_one(members: &mut Map<String, Value>, dice: &mut Dice) {
    let Some(name) = members.keys().nth(dice.roll(members.len())).cloned() else { return };
    let value = members.remove(&name);
    // Half of the members get another name instead of being removed.
    if let Some(value) = value.filter(|_| dice.roll(2) == 0) {
        members.insert(dice.word(KEYS), value);
    }
}

fn retold(text: &str, turn: usize, dice: &mut Dice) -> String {
    let at = dice.roll(text.chars().count() + 1);
    let (head, tail): (String, String) = (text.chars().take(at).collect(), text.chars().skip(at).collect());
    match turn {
        4 => head,
        5 => tail,
        6 => head + &dice.word(TEXTS) + &tail,
        7 => text.repeat(1 + dice.roll(20)),
        8 => {
            let odd = ['*', '?', '$', '{', '}', '/', ':', '.', '\0', ' ', '%', '\u{130}', '\u{ff0f}', '"', '\\'];
            head + &odd[dice.roll(odd.len())].to_string() + &tail
        }
        _ => text.to_uppercase(),
    }
}
