"""The properties that the contract tests use for each type, and the result that the reviewed tables have for them."""

import hashlib
import json
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import local
import service_catalog
from local import REGION, document, trusting
from power import CATALOG, EXECUTION, SETS, TARGET, WORKFLOW
from role_sets import narrowed, plain, table
from service_catalog import CONSOLE, LAUNCH, PATH, USE

ACCOUNT = "131313131313"
LOGICAL_ID = "Contract"
role_arn, policy_arn = (partial(arn, account=ACCOUNT) for arn in (local.role_arn, local.policy_arn))


# --- the desired roles and documents in the form of `found`, before and after the change, and the attributes ---

def blessed(file, models="brdg-"):
    return json.loads(json.dumps(table(file, ACCOUNT)["policies"]).replace("brdg-", models))


def role(*attached, path="/"):
    return {"path": path, "session": 3600, "tags": {}, "attached": {*attached}}


def one_role(trust, *files, **more):
    def asked(one, changed):
        name, held, [policy] = one.physical_id, one.role, blessed(files[changed]).values()
        arn, normal = policy_arn(f"{name}-Policy"), json.dumps(policy, sort_keys=True, separators=(",", ":"))
        data = {"RoleName": name, "RoleArn": role_arn(name), "RoleId": held and held["id"], "PolicyArn": arn,
                "PolicyArns": arn, "PolicySha256": hashlib.sha256(normal.encode()).hexdigest()}
        return {name: role(arn)}, {arn: plain(policy), f"{name}, trust": plain(trust)}, data | more
    return asked


def environment(_, changed):
    data = table("published.json", ACCOUNT)["Environment"]["attributes"]
    roles, documents = ({key: held for key, held in some.items() if not (changed and "VPCFlowLogsRole" in key)}
                        for some in narrowed("Environment", ACCOUNT))
    return roles, documents, data | ({"VPCFlowLogsRoleArn": ""} if changed else {})


def deploy_target(_, changed):
    name = "bridge-sagemaker-execution"
    trust = document(*table("differences.json", ACCOUNT)["DeployTarget"][f"{name}, trust"]["narrowed"])
    policies = blessed("DeployTarget.policy.json", "team-" if changed else "brdg-")
    data = {"ExecutionRoleArn": role_arn(name), "RunPolicyArn": policy_arn("bridge-run"),
            "InitDestroyPolicyArn": policy_arn("bridge-init-destroy")}
    return {name: role(policy_arn(name))}, {
        f"{name}, trust": plain(trust), **{arn: plain(policy) for arn, policy in policies.items()}}, data


def service_catalog_roles(_, changed):
    names, inline = CONSOLE if changed else (LAUNCH, USE), f"{USE}, {USE}Policy"
    added = {key: plain(one) for key, one in table("UseRole.policy.json", ACCOUNT)["inline"].items()}
    documents = {f"{name}, trust": plain(service_catalog.trust(name)) for name in names}
    data = {"ProvisionedRoles": ", ".join(sorted(names)), "LaunchRoleName": LAUNCH, "UseRoleName": USE,
            "RemainingSteps": service_catalog.remaining_steps(REGION),
            **dict.fromkeys(("DeletedRoles", "KeptRoles", "MissingRoles", "EnabledPortfolios", "InUseBy"), "")}
    return ({name: role(service_catalog.managed_policy(name), path=PATH) for name in names},
            {**documents, **added, inline: narrowed("ServiceCatalogProjects", ACCOUNT)[1][inline]}, data)


def arns(asked):
    roles, documents, _ = asked
    return {role_arn(f"{held['path']}{name}"[1:]) for name, held in roles.items()} | {
        key for key in documents if key.startswith("arn:")}


def derived_name(one):
    digest = hashlib.sha256(f"{one.stack_id}\n{LOGICAL_ID}\n/".encode()).hexdigest()
    return f"ds-team-direct-{LOGICAL_ID}-{digest[:12]}"


class Kind(NamedTuple):
    type: str
    properties: dict
    id: Callable  # the physical id of a resource without an explicit name
    asked: Callable  # the desired state of a resource, changed or not
    change: dict  # a change in place
    create_only: dict  # a change that replaces the resource
    kept: dict = {}  # names that can't serve both resources, so the replacement is refused
    refusal: str = ""  # the reason of that refusal


POLLING, BATCH = (f"../definitions/{name}" for name in ("polling-loop", "batch-transform"))
BARE, BUCKET = (f"../execution_roles/{name}.policy.json" for name in ("bare", "bucket-read"))
AT_ONCE, HERE = {"SettleSeconds": "0"}, {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
# SageMaker names the account that it acts for only for some of its features.
HERE_IF_TOLD = {"StringEqualsIfExists": {"aws:SourceAccount": ACCOUNT}}
MACHINES = {"ArnLike": {"aws:SourceArn": f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:*"}}
KINDS = {one.type: one for one in (
    Kind(WORKFLOW, {"RoleName": "bridge-churn", "Definition": table(f"{POLLING}.asl.json", ACCOUNT), "DataKeys": [],
                    **AT_ONCE},
         lambda one: "bridge-churn",
         one_role(trusting("states.amazonaws.com", **HERE, **MACHINES), f"{POLLING}.policy.json",
                  f"{BATCH}.policy.json", SageMakerExecutionRoleArn="", DefinitionSha256=""),
         {"Definition": table(f"{BATCH}.asl.json", ACCOUNT)}, {"RoleName": "bridge-other"},
         {"PolicyName": "bridge-kept"}, "give `PolicyName` a new value too"),
    Kind(EXECUTION, AT_ONCE, derived_name, one_role(trusting("sagemaker.amazonaws.com", **HERE_IF_TOLD), BARE, BUCKET),
         {"Buckets": [{"Name": "churn-data", "Access": "Read"}]}, {"Path": "/team/"},
         {"RoleName": "bridge-kept"}, "give `RoleName` a new value too"),
    Kind(CATALOG, {"Regions": REGION, "OnCreate": "Provision", "OnDelete": "Keep"},
         lambda one: f"SageMakerServiceCatalogRoles/{LOGICAL_ID}", service_catalog_roles,
         {"Roles": "All"}, {"OnCreate": "Keep"}),
    Kind(SETS, {"RoleSet": "Environment", "EnvName": "ds-team", **AT_ONCE},
         lambda one: "role-set/Environment/d0e1e21620f1", environment,
         {"CreateVPCFlowLogsRole": "NO"}, {"EnvType": "test"},
         {"RoleNames": {"VPCFlowLogsRole": "ds-team-kept"}}, "both role sets would have `ds-team-kept`"),
    Kind(TARGET, AT_ONCE, lambda one: "role-set/DeployTarget/b7182607d9d5", deploy_target,
         {"ResourcePrefix": "team-"}, {"NamePrefix": "bridge-2"},
         {"RoleNames": {"ExecutionRole": "bridge-kept"}}, "both role sets would have `bridge-kept`"),
)}
