"""Tests of what the launcher corrects in ministack: each grant works, and without it the call is refused as AWS does.

Run them with pytest where boto3 is installed. MINISTACK_PYTHON names the interpreter that has ministack.
"""

import json
import os
import subprocess

import pytest

from launched import (ACCOUNT, LAUNCHER, PYTHON, TRUST, a_zip, allow, document, free_port, refused, role_arn, start,
                      stop, unique)


# --- condition keys ---

def test_policy_arn_limits_attach_and_detach(acting, role, policy):
    good, other, name = policy(), policy(), role()
    iam = acting(allow(["iam:AttachRolePolicy", "iam:DetachRolePolicy"], ArnEquals={"iam:PolicyARN": good}))
    iam.attach_role_policy(RoleName=name, PolicyArn=good)
    refused("AccessDenied", iam.attach_role_policy, RoleName=name, PolicyArn=other)
    refused("AccessDenied", iam.detach_role_policy, RoleName=name, PolicyArn=other)
    iam.detach_role_policy(RoleName=name, PolicyArn=good)


def test_the_boundary_that_a_create_asks_for_is_judged(acting, policy):
    good, other = policy(), policy()
    iam = acting(allow("iam:CreateRole", StringEquals={"iam:PermissionsBoundary": good}))
    made = {"AssumeRolePolicyDocument": TRUST}
    iam.create_role(RoleName=unique("bounded"), PermissionsBoundary=good, **made)
    refused("AccessDenied", iam.create_role, RoleName=unique("bounded"), PermissionsBoundary=other, **made)
    refused("AccessDenied", iam.create_role, RoleName=unique("bounded"), **made)


def test_put_boundary_is_judged_by_the_new_one_and_delete_by_the_present_one(acting, role, policy):
    good, other = policy(), policy()
    name = role(PermissionsBoundary=other)
    actions = ["iam:PutRolePermissionsBoundary", "iam:DeleteRolePermissionsBoundary"]
    iam = acting(allow(actions, StringEquals={"iam:PermissionsBoundary": good}))
    refused("AccessDenied", iam.delete_role_permissions_boundary, RoleName=name)
    refused("AccessDenied", iam.put_role_permissions_boundary, RoleName=name, PermissionsBoundary=other)
    iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=good)
    iam.delete_role_permissions_boundary(RoleName=name)
    refused("AccessDenied", iam.delete_role_permissions_boundary, RoleName=name)


ON_A_BOUNDED_ROLE = [
    ("PutRolePolicy", {"PolicyName": "p", "PolicyDocument": document(allow("s3:GetObject"))}),
    ("DeleteRolePolicy", {"PolicyName": "p"}),
    ("UpdateAssumeRolePolicy", {"PolicyDocument": TRUST}),
    ("UpdateRole", {"MaxSessionDuration": 7200}),
    ("UpdateRoleDescription", {"Description": "d"}),
    ("GetRole", {}),
    ("DeleteRole", {}),
]


def test_the_boundary_of_the_role_is_judged(acting, role, policy):
    good, other = policy(), policy()
    grants = {"StringEquals": {"iam:PermissionsBoundary": good}}
    iam = acting(allow([f"iam:{action}" for action, _ in ON_A_BOUNDED_ROLE] + ["iam:AttachRolePolicy"], **grants))
    bounded, elsewhere, unbounded = role(PermissionsBoundary=good), role(PermissionsBoundary=other), role()
    for action, arguments in ON_A_BOUNDED_ROLE:
        for name in (elsewhere, unbounded):
            request = {"RoleName": name, **arguments}
            refused("AccessDenied", iam._make_api_call, operation_name=action, api_params=request)
        iam._make_api_call(action, {"RoleName": bounded, **arguments})
    refused("AccessDenied", iam.attach_role_policy, RoleName=unbounded, PolicyArn=other)


def test_resource_tags_are_those_of_the_role_or_policy(acting, role, policy):
    ours, foreign = [{"Key": "owner", "Value": "us"}], [{"Key": "owner", "Value": "them"}]
    for prefix in ("aws", "iam"):
        iam = acting(allow("iam:DeleteRole", StringEquals={f"{prefix}:ResourceTag/owner": "us"}))
        iam.delete_role(RoleName=role(Tags=ours, Path="/deep/"))
        for name in (role(Tags=foreign), role()):
            refused("AccessDenied", iam.delete_role, RoleName=name)
    iam = acting(allow("iam:DeletePolicy", StringEquals={"aws:ResourceTag/owner": "us"}))
    iam.delete_policy(PolicyArn=policy(Tags=ours))
    refused("AccessDenied", iam.delete_policy, PolicyArn=policy(Tags=foreign))
    refused("AccessDenied", iam.delete_policy, PolicyArn=policy())


def test_request_tags_and_tag_keys_are_judged(acting, role):
    iam = acting(allow("iam:TagRole", StringEquals={"aws:RequestTag/owner": "us"},
                       **{"ForAllValues:StringEquals": {"aws:TagKeys": ["owner"]}}))
    name, ours = role(), {"Key": "owner", "Value": "us"}
    iam.tag_role(RoleName=name, Tags=[ours])
    refused("AccessDenied", iam.tag_role, RoleName=name, Tags=[{"Key": "owner", "Value": "them"}])
    refused("AccessDenied", iam.tag_role, RoleName=name, Tags=[ours, {"Key": "more", "Value": "x"}])


def test_creating_a_function_needs_pass_role_to_lambda(acting, role):
    def function(service, **pass_role):
        grants = [allow("lambda:*")] + ([allow("iam:PassRole", **pass_role)] if pass_role else [])
        lambdas = acting(*grants, service="lambda")
        return lambda: lambdas.create_function(
            FunctionName=unique("f"), Runtime="provided.al2023", Handler="bootstrap",
            Role=role_arn(role()), Code={"ZipFile": a_zip(bootstrap="#!/bin/sh\n")})

    to = "iam:PassedToService"
    function("lambda", resource=role_arn("made-*"), StringEquals={to: "lambda.amazonaws.com"})()
    message = refused("AccessDeniedException", function("lambda"))
    assert "iam:PassRole on resource: " + role_arn("made-") in message
    refused("AccessDeniedException", function("lambda", StringEquals={to: "sagemaker.amazonaws.com"}))
    refused("AccessDeniedException", function("lambda", resource=role_arn("other-*")))


def test_creating_a_state_machine_needs_pass_role_to_states(acting, role):
    definition = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}})
    arguments = {"definition": definition, "roleArn": role_arn(role())}
    to_states = allow("iam:PassRole", StringEquals={"iam:PassedToService": "states.amazonaws.com"})
    granted = acting(allow("states:*"), to_states, service="stepfunctions")
    granted.create_state_machine(name=unique("m"), **arguments)
    without = acting(allow("states:*"), service="stepfunctions")
    refused("AccessDeniedException", without.create_state_machine, name=unique("m"), **arguments)


# --- resources ---

def test_a_role_is_judged_under_its_path(acting, role):
    iam = acting(allow("iam:*", role_arn("deep/path/*")))
    inside, outside = {"Path": "/deep/path/"}, {"Path": "/deep/"}
    iam.create_role(RoleName=unique("r"), AssumeRolePolicyDocument=TRUST, **inside)
    refused("AccessDenied", iam.create_role, RoleName=unique("r"), AssumeRolePolicyDocument=TRUST, **outside)
    message = refused("AccessDenied", iam.create_role, RoleName="r-here", AssumeRolePolicyDocument=TRUST)
    assert "iam:CreateRole on resource: " + role_arn("r-here") in message
    for call in (iam.get_role, iam.list_role_policies, iam.list_instance_profiles_for_role, iam.delete_role):
        call(RoleName=role(**inside))
        refused("AccessDenied", call, RoleName=role(**outside))
        refused("AccessDenied", call, RoleName=role())


def test_a_role_that_does_not_exist_is_judged_under_the_default_path(acting):
    iam = acting(allow("iam:GetRole", role_arn("absent-*")))
    refused("NoSuchEntity", iam.get_role, RoleName="absent-one")
    refused("AccessDenied", iam.get_role, RoleName="missing-one")


def test_a_policy_is_judged_on_its_arn(acting, policy):
    iam = acting(allow("iam:*", f"arn:aws:iam::{ACCOUNT}:policy/team/*"))
    body = document(allow("s3:GetObject"))
    arn = iam.create_policy(PolicyName=unique("p"), Path="/team/", PolicyDocument=body)["Policy"]["Arn"]
    refused("AccessDenied", iam.create_policy, PolicyName=unique("p"), PolicyDocument=body)
    refused("AccessDenied", iam.create_policy, PolicyName=unique("p"), Path="/other/", PolicyDocument=body)
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=body)
    for call in (iam.get_policy, iam.list_policy_versions, iam.list_entities_for_policy):
        call(PolicyArn=arn)
        refused("AccessDenied", call, PolicyArn=policy())


def test_profile_calls_are_judged_on_the_profile(aws, acting, role):
    profile, name = unique("profile"), role()
    aws("iam").create_instance_profile(InstanceProfileName=profile, Path="/p/")
    both = {"InstanceProfileName": profile, "RoleName": name}
    on_profile = allow(["iam:AddRoleToInstanceProfile", "iam:RemoveRoleFromInstanceProfile"],
                       f"arn:aws:iam::{ACCOUNT}:instance-profile/p/*")
    refused("AccessDenied", acting(on_profile).add_role_to_instance_profile, **both)
    to_ec2 = allow("iam:PassRole", role_arn(name), StringEquals={"iam:PassedToService": "ec2.amazonaws.com"})
    acting(on_profile, to_ec2).add_role_to_instance_profile(**both)
    acting(allow("iam:ListInstanceProfilesForRole", role_arn(name))).list_instance_profiles_for_role(RoleName=name)
    refused("AccessDenied", acting(allow("iam:*", role_arn("*"))).remove_role_from_instance_profile, **both)
    acting(on_profile).remove_role_from_instance_profile(**both)


def test_a_role_at_a_path_of_aws_is_judged_by_its_full_arn(aws, acting, role, policy):
    name, arn = role(Path="/service-role/"), policy()
    aws("iam").attach_role_policy(RoleName=name, PolicyArn=arn)
    aws("iam").put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document(allow("s3:GetObject")))
    actions = ["iam:DetachRolePolicy", "iam:DeleteRolePolicy", "iam:DeleteRole"]
    without, granted = (acting(allow(actions, role_arn(path + name))) for path in ("", "service-role/"))
    for call, more in (("detach_role_policy", {"PolicyArn": arn}), ("delete_role_policy", {"PolicyName": "p"}),
                       ("delete_role", {})):
        message = refused("AccessDenied", getattr(without, call), RoleName=name, **more)
        assert "on resource: " + role_arn(f"service-role/{name}") in message
        getattr(granted, call)(RoleName=name, **more)


def test_listing_policies_is_judged_on_everything_and_who_has_a_policy_on_the_policy(acting, policy):
    arn, below = policy(), f"arn:aws:iam::{ACCOUNT}:policy/*"
    acting(allow("iam:ListPolicies")).list_policies()
    refused("AccessDenied", acting(allow("iam:ListPolicies", below)).list_policies, PathPrefix="/team/")
    acting(allow("iam:ListEntitiesForPolicy", arn)).list_entities_for_policy(PolicyArn=arn)
    elsewhere = acting(allow("iam:ListEntitiesForPolicy", policy()))
    assert f"on resource: {arn} " in refused("AccessDenied", elsewhere.list_entities_for_policy, PolicyArn=arn)


# --- the pages of lists ---

def pages(iam, operation, key, **arguments):
    """The sizes of the pages, and all their items."""
    found = [page[key] for page in iam.get_paginator(operation).paginate(**arguments)]
    return [len(page) for page in found], [item for page in found for item in page]


def test_what_hangs_on_a_role_is_listed_in_pages(aws, acting, role, policy):
    iam, name = aws("iam"), role()
    arns, inline, profiles = [policy() for _ in range(5)], [f"p{n}" for n in range(9)], [unique("p") for _ in range(4)]
    for arn in arns:
        iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    for policy_name in inline:
        iam.put_role_policy(RoleName=name, PolicyName=policy_name, PolicyDocument=document(allow("s3:GetObject")))
    for profile in profiles:
        iam.create_instance_profile(InstanceProfileName=profile)
        iam.add_role_to_instance_profile(InstanceProfileName=profile, RoleName=name)
    caller = acting(allow("iam:List*"))

    sizes, attached = pages(caller, "list_attached_role_policies", "AttachedPolicies", RoleName=name)
    assert sizes == [4, 1] and {policy["PolicyArn"] for policy in attached} == set(arns)
    assert pages(caller, "list_role_policies", "PolicyNames", RoleName=name) == ([4, 4, 1], inline)
    sizes, found = pages(caller, "list_instance_profiles_for_role", "InstanceProfiles", RoleName=name)
    assert sizes == [4] and {profile["InstanceProfileName"] for profile in found} == set(profiles)
    assert [profile["Roles"][0]["AssumeRolePolicyDocument"] for profile in found] == [json.loads(TRUST)] * 4

    assert iam.list_role_policies(RoleName=name)["PolicyNames"] == inline, "`test` reads all at once"
    assert len(caller.list_role_policies(RoleName=name, MaxItems=2)["PolicyNames"]) == 2
    first = caller.list_role_policies(RoleName=name)
    iam.delete_role_policy(RoleName=name, PolicyName=first["Marker"])
    after = caller.list_role_policies(RoleName=name, Marker=first["Marker"])
    assert after["PolicyNames"] == inline[4:8], "nothing is left out where the item of the marker has gone"
    refused("NoSuchEntity", caller.list_role_policies, RoleName="absent")


def test_policies_are_listed_in_pages_by_path_and_by_scope(acting, policy):
    caller = acting(allow("iam:ListPolicies"))
    ours = {policy(Path="/deep/down/") for _ in range(5)}
    policy(Path="/deeper/")
    sizes, found = pages(caller, "list_policies", "Policies", Scope="Local", PathPrefix="/deep/")
    assert sizes == [4, 1] and {policy["Arn"] for policy in found} == ours
    assert pages(caller, "list_policies", "Policies", Scope="Local", PathPrefix="/absent/") == ([0], [])
    for scope, expected in (("Local", {ACCOUNT}), ("AWS", {"aws"}), ("All", {ACCOUNT, "aws"})):
        sizes, found = pages(caller, "list_policies", "Policies", Scope=scope)
        assert {policy["Arn"].split(":")[4] for policy in found} == expected and max(sizes) == 4


# --- tags on create ---

def test_creating_with_tags_needs_the_tagging_action_too(acting):
    tags = [{"Key": "owner", "Value": "us"}]
    for create, tag, call, arguments in (
            ("iam:CreateRole", "iam:TagRole", "create_role", lambda: {
                "RoleName": unique("r"), "AssumeRolePolicyDocument": TRUST}),
            ("iam:CreatePolicy", "iam:TagPolicy", "create_policy", lambda: {
                "PolicyName": unique("p"), "PolicyDocument": document(allow("s3:GetObject"))})):
        without = getattr(acting(allow(create)), call)
        without(**arguments())
        message = refused("AccessDenied", without, Tags=tags, **arguments())
        assert f"not authorized to perform: {tag} on resource" in message
        limited = getattr(acting(allow(create), allow(tag, StringEquals={"aws:RequestTag/owner": "us"})), call)
        limited(Tags=tags, **arguments())
        refused("AccessDenied", limited, Tags=[{"Key": "owner", "Value": "them"}], **arguments())


# --- boundaries of the caller ---

def test_the_callers_own_boundary_limits_it(acting, policy):
    iam = acting(allow("iam:*"), PermissionsBoundary=policy(allow("iam:List*")))
    iam.list_roles()
    refused("AccessDenied", iam.get_role, RoleName="absent")


# --- SimulatePrincipalPolicy ---

def simulated(iam, arn, actions, **more):
    """The decisions of a simulation by action and resource; for an action without resources, the one decision."""
    answer = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=actions, **more)["EvaluationResults"]
    assert len(answer) == len(actions), "one result an action"
    return {(r["EvalActionName"], one["EvalResourceName"]): {"EvalDecision": one.get("EvalResourceDecision"), **one}
            for r in answer for one in r.get("ResourceSpecificResults") or [r]}


def decisions(results):
    return {key: result["EvalDecision"] for key, result in results.items()}


def test_simulation_takes_every_action_on_every_resource(aws, role):
    iam, name = aws("iam"), role(Path="/deep/")
    body = document(allow("s3:GetObject", "arn:aws:s3:::a/*"),
                    {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"})
    iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=body)
    results = simulated(iam, role_arn(f"deep/{name}"), ["s3:GetObject", "s3:PutObject"],
                        ResourceArns=["arn:aws:s3:::a/x", "arn:aws:s3:::b/x"])
    assert decisions(results) == {
        ("s3:GetObject", "arn:aws:s3:::a/x"): "allowed", ("s3:GetObject", "arn:aws:s3:::b/x"): "implicitDeny",
        ("s3:PutObject", "arn:aws:s3:::a/x"): "explicitDeny", ("s3:PutObject", "arn:aws:s3:::b/x"): "explicitDeny"}
    first = results["s3:GetObject", "arn:aws:s3:::a/x"]
    assert first["MatchedStatements"] == [{"SourcePolicyId": "inline"}] and first["MissingContextValues"] == []
    assert "PermissionsBoundaryDecisionDetail" not in first
    both = {"PolicySourceArn": role_arn(f"deep/{name}"), "ActionNames": ["s3:GetObject"]}
    [whole] = iam.simulate_principal_policy(ResourceArns=["arn:aws:s3:::a/x", "arn:aws:s3:::b/x"], **both)["EvaluationResults"]
    assert whole["EvalDecision"] == "implicitDeny" and "${" in whole["EvalResourceName"]
    refused("InvalidInput", iam.simulate_principal_policy, ResourceArns=["arn:aws:s3:::a/x", "*"], **both)
    refused("NoSuchEntity", iam.simulate_principal_policy, PolicySourceArn=role_arn(name), ActionNames=["s3:GetObject"])


def test_simulation_honours_context_entries(aws, role):
    iam, name, target = aws("iam"), role(), role_arn("passed")
    body = document(allow("iam:PassRole", StringEquals={"iam:PassedToService": "sagemaker.amazonaws.com"}),
                    allow("iam:TagRole", **{"ForAnyValue:StringEquals": {"aws:TagKeys": ["a"]}}))
    iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=body)

    def decision(action, key=None, values=(), kind="string"):
        entries = [{"ContextKeyName": key, "ContextKeyValues": list(values), "ContextKeyType": kind}] if key else []
        results = simulated(iam, role_arn(name), [action], ResourceArns=[target], ContextEntries=entries)
        return results[action, target]["EvalDecision"], results[action, target]["MissingContextValues"]

    key = "iam:PassedToService"
    assert decision("iam:PassRole", key, ["sagemaker.amazonaws.com"]) == ("allowed", ["aws:TagKeys"])
    assert decision("iam:PassRole", key, ["lambda.amazonaws.com"]) == ("implicitDeny", ["aws:TagKeys"])
    assert decision("iam:PassRole") == ("implicitDeny", ["aws:TagKeys", key])
    assert decision("iam:TagRole", "aws:TagKeys", ["b", "a"], "stringList") == ("allowed", [key])
    assert decision("iam:TagRole", "aws:TagKeys", ["b"], "stringList") == ("implicitDeny", [key])


def test_simulation_evaluates_the_boundary(aws, role, policy):
    deny = {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"}
    iam, name = aws("iam"), role(PermissionsBoundary=policy(allow("s3:*"), deny))
    iam.attach_role_policy(RoleName=name, PolicyArn=policy(allow(["s3:*", "iam:*"])))
    results = simulated(iam, role_arn(name), ["s3:GetObject", "s3:PutObject", "iam:GetRole", "sqs:SendMessage"])
    within = {action: (r["EvalDecision"], r["PermissionsBoundaryDecisionDetail"]["AllowedByPermissionsBoundary"])
              for (action, _), r in results.items()}
    assert within == {"s3:GetObject": ("allowed", True), "s3:PutObject": ("explicitDeny", False),
                      "iam:GetRole": ("implicitDeny", False), "sqs:SendMessage": ("implicitDeny", False)}


def test_simulating_is_judged_on_the_role_asked_about(acting, role):
    name, other = role(), role()
    iam = acting(allow("iam:SimulatePrincipalPolicy", role_arn(name)))
    assert decisions(simulated(iam, role_arn(name), ["s3:GetObject"])) == {("s3:GetObject", "*"): "implicitDeny"}
    asked = {"PolicySourceArn": role_arn(other), "ActionNames": ["s3:GetObject"]}
    refused("AccessDenied", iam.simulate_principal_policy, **asked)


# --- refusals ---

def padded(characters):
    """A policy document with this many characters, white space not counted."""
    empty = allow("s3:GetObject", "arn:aws:s3:::")
    spare = characters - len("".join(document(empty).split()))
    return document(allow("s3:GetObject", "arn:aws:s3:::" + "x" * spare))


def test_size_quotas(aws, role):
    iam, name = aws("iam"), role()
    arn = iam.create_policy(PolicyName=unique("p"), PolicyDocument=padded(6144))["Policy"]["Arn"]
    refused("LimitExceeded", iam.create_policy, PolicyName=unique("p"), PolicyDocument=padded(6145))
    refused("LimitExceeded", iam.create_policy_version, PolicyArn=arn, PolicyDocument=padded(6145))
    iam.put_role_policy(RoleName=name, PolicyName="a", PolicyDocument=padded(6000))
    iam.put_role_policy(RoleName=name, PolicyName="a", PolicyDocument=padded(6001))
    iam.put_role_policy(RoleName=name, PolicyName="b", PolicyDocument=padded(4239))
    refused("LimitExceeded", iam.put_role_policy, RoleName=name, PolicyName="b", PolicyDocument=padded(4240))
    refused("LimitExceeded", iam.update_assume_role_policy, RoleName=name, PolicyDocument=padded(2049))
    refused("LimitExceeded", iam.create_role, RoleName=unique("r"), AssumeRolePolicyDocument=padded(2049))


def test_names_differ_by_more_than_case(aws):
    iam, body = aws("iam"), document(allow("s3:GetObject"))
    name = unique("Name")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
    iam.create_policy(PolicyName=name, PolicyDocument=body)
    refused("EntityAlreadyExists", iam.create_role, RoleName=name.upper(), AssumeRolePolicyDocument=TRUST)
    refused("EntityAlreadyExists", iam.create_policy, PolicyName=name.upper(), Path="/x/", PolicyDocument=body)


def test_a_role_in_use_is_not_deleted(aws, role, policy):
    iam, name, arn, profile = aws("iam"), role(), policy(), unique("profile")
    iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    refused("DeleteConflict", iam.delete_role, RoleName=name)
    iam.detach_role_policy(RoleName=name, PolicyArn=arn)
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document(allow("s3:GetObject")))
    refused("DeleteConflict", iam.delete_role, RoleName=name)
    iam.delete_role_policy(RoleName=name, PolicyName="p")
    iam.create_instance_profile(InstanceProfileName=profile)
    iam.add_role_to_instance_profile(InstanceProfileName=profile, RoleName=name)
    refused("DeleteConflict", iam.delete_role, RoleName=name)
    iam.remove_role_from_instance_profile(InstanceProfileName=profile, RoleName=name)
    iam.delete_role(RoleName=name)


def test_a_policy_in_use_is_not_deleted(aws, role, policy):
    iam, name, arn = aws("iam"), role(), policy()
    iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    refused("DeleteConflict", iam.delete_policy, PolicyArn=arn)
    iam.detach_role_policy(RoleName=name, PolicyArn=arn)
    iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=arn)
    refused("DeleteConflict", iam.delete_policy, PolicyArn=arn)
    iam.delete_role_permissions_boundary(RoleName=name)
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=document(allow("s3:PutObject")), SetAsDefault=True)
    refused("DeleteConflict", iam.delete_policy, PolicyArn=arn)
    iam.delete_policy_version(PolicyArn=arn, VersionId="v1")
    iam.delete_policy(PolicyArn=arn)


def test_attaching_takes_an_existing_policy_and_at_most_ten(aws, role, policy):
    iam, name = aws("iam"), role()
    refused("NoSuchEntity", iam.attach_role_policy, RoleName=name, PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/absent")
    arns = [policy() for _ in range(11)]
    for arn in [*arns[:10], arns[0]]:
        iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    refused("LimitExceeded", iam.attach_role_policy, RoleName=name, PolicyArn=arns[10])


def test_an_older_version_becomes_the_default_again(aws, acting, policy):
    iam, arn = aws("iam"), policy(allow("iam:ListRoles"))
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=document(allow("s3:*")), SetAsDefault=True)
    caller = acting(allow("iam:ListRoles"), PermissionsBoundary=arn)
    refused("AccessDenied", caller.list_roles)
    refused("NoSuchEntity", iam.set_default_policy_version, PolicyArn=arn, VersionId="v9")
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
    assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v1"
    caller.list_roles()


def test_a_description_can_be_cleared(aws, role):
    iam, name = aws("iam"), role(Description="d")
    iam.update_role(RoleName=name, Description="", MaxSessionDuration=7200)
    told = iam.get_role(RoleName=name)["Role"]
    assert (told.get("Description", ""), told["MaxSessionDuration"]) == ("", 7200)


# --- stacks ---

def test_conditions_take_text_functions(aws):
    second = {"Fn::Select": [1, {"Fn::Split": [",", {"Fn::Sub": "${Names},,"}]}]}
    joined = {"Fn::Join": ["", [{"Ref": "Names"}, "!"]]}
    template = {
        "Parameters": {"Names": {"Type": "String"}},
        "Conditions": {"Second": {"Fn::Not": [{"Fn::Equals": [second, ""]}]}, "OnlyA": {"Fn::Equals": [joined, "a!"]}},
        "Resources": {"Queue": {"Type": "AWS::SQS::Queue"}},
        "Outputs": {name: {"Condition": name, "Value": "yes"} for name in ("Second", "OnlyA")}}
    stacks = aws("cloudformation")
    for names, expected in (("a", {"OnlyA"}), ("a,b", {"Second"})):
        name = unique("stack")
        stacks.create_stack(StackName=name, TemplateBody=json.dumps(template),
                            Parameters=[{"ParameterKey": "Names", "ParameterValue": names}])
        stacks.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
        outputs = stacks.describe_stacks(StackName=name)["Stacks"][0].get("Outputs", [])
        assert {output["OutputKey"] for output in outputs} == expected


def test_a_physical_id_leads_to_its_stack_while_that_holds_it(aws):
    stacks, name, role_name = aws("cloudformation"), unique("stack"), unique("held")
    resources = {
        "Role": {"Type": "AWS::IAM::Role", "Properties": {
            "RoleName": role_name, "AssumeRolePolicyDocument": json.loads(TRUST)}},
        "Other": {"Type": "AWS::SQS::Queue"}}
    unknown = f"Stack for {role_name} does not exist"
    assert refused("ValidationError", stacks.describe_stack_resources, PhysicalResourceId=role_name) == unknown

    stack_id = stacks.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": resources}),
                                   Capabilities=["CAPABILITY_NAMED_IAM"])["StackId"]
    stacks.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    around = stacks.describe_stack_resources(PhysicalResourceId=role_name)["StackResources"]
    assert {(r["StackId"], r["LogicalResourceId"]) for r in around} == {(stack_id, "Role"), (stack_id, "Other")}
    assert [r["LogicalResourceId"] for r in around if r["PhysicalResourceId"] == role_name] == ["Role"]
    named = stacks.describe_stack_resources(StackName=name, LogicalResourceId="Other")["StackResources"]
    assert [r["LogicalResourceId"] for r in named] == ["Other"]

    stacks.delete_stack(StackName=name)
    stacks.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    assert refused("ValidationError", stacks.describe_stack_resources, PhysicalResourceId=role_name) == unknown


# --- the server ---

def test_a_functions_calls_are_judged_by_its_role(function, policy):
    good = policy()
    grants = allow("iam:CreateRole", role_arn("made/*"), StringEquals={"iam:PermissionsBoundary": good})
    call = function(grants)

    def called(**more):
        return call("iam", "create_role", RoleName=unique("r"), AssumeRolePolicyDocument=TRUST, **more)

    assert called(Path="/made/", PermissionsBoundary=good) == "done"
    assert called(Path="/made/") == "AccessDenied"
    assert called(PermissionsBoundary=good) == "AccessDenied"
    assert called(Path="/made/", PermissionsBoundary=good, Tags=[{"Key": "a", "Value": "b"}]) == "AccessDenied"


def test_it_leaves_nothing_behind(tmp_path):
    server = start(free_port(), tmp_path)
    assert list(tmp_path.iterdir()), "the work folder is not where TMPDIR says"
    assert stop(server) == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["GATEWAY_PORT", "SAGEMAKER_PORT"])
def test_it_fails_when_a_port_is_taken(tmp_path, server, name):
    env = {**os.environ, "GATEWAY_PORT": str(free_port()), "TMPDIR": str(tmp_path), name: str(server[name])}
    taken = subprocess.run([PYTHON, LAUNCHER], env=env, timeout=30, capture_output=True, text=True)
    assert taken.returncode == 1 and "address already in use" in taken.stderr.lower()
