// What is asked of IAM for the workflow role.

import guide from "./guide.json";

const PASS_ROLE_POLICY_NAME = "AssumeRoleSMforStepFunctionPolicy";

const document = (...statements) => JSON.stringify({ Version: "2012-10-17", Statement: statements });

/** Role and policy of a resource. Their names follow from its properties, so that a Delete needs nothing else. */
export class WorkflowRole {
  constructor({ StackId, LogicalResourceId, ResourceProperties }) {
    [, this.partition, , this.region, this.account] = StackId.split(":");
    this.name = ResourceProperties.RoleName;
    this.policyName = `${this.name}-Policy`;
    this.policyArn = `arn:${this.partition}:iam::${this.account}:policy/${this.policyName}`;
    this.passed = ResourceProperties.SageMakerExecutionRoleArns;
    this.tags = [
      { Key: "mlops-roles:stack-id", Value: StackId },
      { Key: "mlops-roles:logical-id", Value: LogicalResourceId },
    ];
  }

  createPolicy() {
    const rules = `arn:${this.partition}:events:${this.region}:${this.account}:rule/`;
    return {
      PolicyName: this.policyName,
      PolicyDocument: document(
        {
          Sid: "HearOfJobs",
          Effect: "Allow",
          Action: ["events:PutTargets", "events:DescribeRule", "events:PutRule"],
          Resource: guide.rules.map((rule) => rules + rule),
        },
        { Sid: "RunJobs", Effect: "Allow", Action: guide.actions, Resource: "*" },
      ),
      Tags: this.tags,
    };
  }

  createRole() {
    const machines = `arn:${this.partition}:states:${this.region}:${this.account}:stateMachine:*`;
    return {
      RoleName: this.name,
      AssumeRolePolicyDocument: document({
        Effect: "Allow",
        Principal: { Service: "states.amazonaws.com" },
        Action: "sts:AssumeRole",
        Condition: {
          ArnLike: { "aws:SourceArn": machines },
          StringEquals: { "aws:SourceAccount": this.account },
        },
      }),
      PermissionsBoundary: process.env.PERMISSIONS_BOUNDARY_ARN,
      Tags: this.tags,
    };
  }

  attachRolePolicy() {
    return { RoleName: this.name, PolicyArn: this.policyArn };
  }

  putRolePolicy() {
    return {
      RoleName: this.name,
      PolicyName: PASS_ROLE_POLICY_NAME,
      PolicyDocument: document({
        Sid: "PassToSageMaker",
        Effect: "Allow",
        Action: "iam:PassRole",
        Resource: [this.passed].flat(),
        Condition: { StringEquals: { "iam:PassedToService": "sagemaker.amazonaws.com" } },
      }),
    };
  }
}

/** What `Fn::GetAtt` gives, from the replies to CreateRole and CreatePolicy. */
export const attributes = ({ Role }, { Policy }) => ({
  RoleArn: Role.Arn,
  RoleName: Role.RoleName,
  RoleId: Role.RoleId,
  PolicyArn: Policy.Arn,
});
