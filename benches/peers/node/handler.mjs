// The workflow role by the AWS SDK for JavaScript, one call after the other.

import {
  AttachRolePolicyCommand,
  CreatePolicyCommand,
  CreateRoleCommand,
  DeletePolicyCommand,
  DeletePolicyVersionCommand,
  DeleteRoleCommand,
  DeleteRolePolicyCommand,
  DetachRolePolicyCommand,
  IAMClient,
  PutRolePolicyCommand,
  paginateListAttachedRolePolicies,
  paginateListPolicyVersions,
  paginateListRolePolicies,
} from "@aws-sdk/client-iam";

import { answering } from "./answer.mjs";
import { gone, listed } from "./gone.mjs";
import { WorkflowRole, attributes } from "./role.mjs";

const client = new IAMClient({});

const create = async (event) => {
  const wanted = new WorkflowRole(event);
  const policy = await client.send(new CreatePolicyCommand(wanted.createPolicy()));
  const role = await client.send(new CreateRoleCommand(wanted.createRole()));
  await client.send(new AttachRolePolicyCommand(wanted.attachRolePolicy()));
  await client.send(new PutRolePolicyCommand(wanted.putRolePolicy()));
  return { id: wanted.name, data: attributes(role, policy) };
};

const remove = async (event) => {
  const { name: RoleName, policyArn: PolicyArn } = new WorkflowRole(event);
  const attached = await listed(paginateListAttachedRolePolicies({ client }, { RoleName }), "AttachedPolicies");
  for (const { PolicyArn } of attached) {
    await gone(client.send(new DetachRolePolicyCommand({ RoleName, PolicyArn })));
  }
  for (const PolicyName of await listed(paginateListRolePolicies({ client }, { RoleName }), "PolicyNames")) {
    await gone(client.send(new DeleteRolePolicyCommand({ RoleName, PolicyName })));
  }
  await gone(client.send(new DeleteRoleCommand({ RoleName })));
  const versions = await listed(paginateListPolicyVersions({ client }, { PolicyArn }), "Versions");
  for (const { VersionId } of versions.filter((version) => !version.IsDefaultVersion)) {
    await gone(client.send(new DeletePolicyVersionCommand({ PolicyArn, VersionId })));
  }
  await gone(client.send(new DeletePolicyCommand({ PolicyArn })));
  return { id: RoleName };
};

export const handler = answering(async (event) => {
  if (event.RequestType === "Create") return create(event);
  if (event.RequestType === "Delete") return remove(event);
  throw new Error("the role can be made and deleted, not changed");
});
