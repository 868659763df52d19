// The workflow role by the AWS SDK for JavaScript, with all calls at once that do not wait for each other.

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

/** `Promise.all` that waits for those that outlive an error too: none may still run when the answer goes out. */
const together = async (sent) => {
  await Promise.allSettled(sent);
  return Promise.all(sent);
};

const create = async (event) => {
  const wanted = new WorkflowRole(event);
  const [role, policy] = await together([
    client.send(new CreateRoleCommand(wanted.createRole())),
    client.send(new CreatePolicyCommand(wanted.createPolicy())),
  ]);
  await together([
    client.send(new AttachRolePolicyCommand(wanted.attachRolePolicy())),
    client.send(new PutRolePolicyCommand(wanted.putRolePolicy())),
  ]);
  return { id: wanted.name, data: attributes(role, policy) };
};

const remove = async (event) => {
  const { name: RoleName, policyArn: PolicyArn } = new WorkflowRole(event);
  const [attached, inline, versions] = await together([
    listed(paginateListAttachedRolePolicies({ client }, { RoleName }), "AttachedPolicies"),
    listed(paginateListRolePolicies({ client }, { RoleName }), "PolicyNames"),
    listed(paginateListPolicyVersions({ client }, { PolicyArn }), "Versions"),
  ]);
  await together([
    ...attached.map(({ PolicyArn }) => gone(client.send(new DetachRolePolicyCommand({ RoleName, PolicyArn })))),
    ...inline.map((PolicyName) => gone(client.send(new DeleteRolePolicyCommand({ RoleName, PolicyName })))),
    ...versions
      .filter((version) => !version.IsDefaultVersion)
      .map(({ VersionId }) => gone(client.send(new DeletePolicyVersionCommand({ PolicyArn, VersionId })))),
  ]);
  await together([
    gone(client.send(new DeleteRoleCommand({ RoleName }))),
    gone(client.send(new DeletePolicyCommand({ PolicyArn }))),
  ]);
  return { id: RoleName };
};

export const handler = answering(async (event) => {
  if (event.RequestType === "Create") return create(event);
  if (event.RequestType === "Delete") return remove(event);
  throw new Error("the role can be made and deleted, not changed");
});
