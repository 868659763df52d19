// A state machine from constructs, with a role that may do only what the definition needs. README.md has the commands.

import { existsSync, readFileSync } from 'node:fs';
import { App, Fn, Stack } from 'aws-cdk-lib';
import { ManagedPolicy, PolicyDocument, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Code, Function, Runtime } from 'aws-cdk-lib/aws-lambda';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { DefinitionBody, IntegrationPattern, JsonPath, StateMachine, TaskInput } from 'aws-cdk-lib/aws-stepfunctions';
import { DockerImage, LambdaInvoke, S3Location, SageMakerCreateTrainingJob, SnsPublish } from 'aws-cdk-lib/aws-stepfunctions-tasks';

// A document of `mlops-roles policy --placeholders`. The names in `${}` are those that Fn::Sub replaces.
function document(name) {
  const file = `policies/${name}.json`;
  const replaced = (key, value) => (typeof value === 'string' && value.includes('${') ? Fn.sub(value) : value);
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8'), replaced) : undefined;
}

class ChurnStack extends Stack {
  constructor(scope, id, props) {
    super(scope, id, props);
    const topic = new Topic(this, 'Topic');
    const models = Bucket.fromBucketName(this, 'Models', 'churn-models');
    const prepare = new Function(this, 'Prepare', {
      runtime: Runtime.NODEJS_22_X,
      handler: 'index.handler',
      code: Code.fromInline('exports.handler = async (event) => event;'),
    });

    const chain = new LambdaInvoke(this, 'Prepare data', { lambdaFunction: prepare, payloadResponseOnly: true })
      .next(new SageMakerCreateTrainingJob(this, 'Train', {
        integrationPattern: IntegrationPattern.RUN_JOB,
        trainingJobName: JsonPath.format('churn-{}', JsonPath.stringAt('$$.Execution.Name')),
        role: Role.fromRoleArn(this, 'ExecutionRole', 'arn:aws:iam::123456789012:role/MySageMakerRole', { mutable: false }),
        algorithmSpecification: { trainingImage: DockerImage.fromJsonExpression(JsonPath.stringAt('$.TrainingImage')) },
        outputDataConfig: { s3OutputLocation: S3Location.fromBucket(models, 'churn') },
      }))
      .next(new SnsPublish(this, 'Tell', { topic, message: TaskInput.fromText('The churn model is trained') }));

    // Without policies/, which the first `cdk synth` has to do without, the role has no permission.
    const [trust, scoped, passRole] = ['trust-policy', 'policy-1', 'pass-role-policy'].map(document);
    const role = new Role(this, 'WorkflowRole', {
      assumedBy: new ServicePrincipal('states.amazonaws.com', { conditions: trust?.Statement[0].Condition }),
      inlinePolicies: passRole && { PassRole: PolicyDocument.fromJson(passRole) },
    });
    const policy = scoped && new ManagedPolicy(this, 'Scoped', { document: PolicyDocument.fromJson(scoped), roles: [role] });

    const workflow = new StateMachine(this, 'Workflow', {
      stateMachineName: 'churn',
      // The CDK would add the statements of its tasks to the role.
      role: role.withoutPolicyUpdates(),
      definitionBody: DefinitionBody.fromChainable(chain),
    });
    if (policy) workflow.node.addDependency(policy);
  }
}

new ChurnStack(new App({ analyticsReporting: false }), 'ChurnStack');
