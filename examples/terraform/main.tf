# The role of a state machine, with the policies that its definition needs. README.md has the use.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws      = { source = "hashicorp/aws" }
    external = { source = "hashicorp/external" }
  }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

# Terraform reads this at plan if the whole query is known, and otherwise at apply. --no-config: the result depends on
# the query alone.
data "external" "policies" {
  program = concat(var.program, ["policy", "--format", "terraform-external", "--no-config"])
  query = {
    definition         = var.definition
    state_machine_name = var.name
    account            = data.aws_caller_identity.current.account_id
    partition          = data.aws_partition.current.partition
    region             = data.aws_region.current.id
    task_resources     = jsonencode(var.task_resources)
    properties         = jsonencode(var.properties)
    strict             = var.strict
  }

  lifecycle {
    # `count` has to be known at plan, and the result may not be. So the numbers are variables, which these compare.
    postcondition {
      condition     = length(jsondecode(self.result.policies)) == var.policy_count
      error_message = "Set policy_count = ${length(jsondecode(self.result.policies))}, the number of policies that ${var.name} needs."
    }
    postcondition {
      condition     = (self.result.pass_role_policy != "") == var.passes_roles
      error_message = "Set passes_roles = ${self.result.pass_role_policy != ""}, as the definition of ${var.name} has it."
    }
  }
}

locals {
  policies = jsondecode(data.external.policies.result.policies)
  needs    = jsondecode(data.external.policies.result.needs)
}

resource "aws_iam_role" "workflow" {
  name                 = var.name
  assume_role_policy   = data.external.policies.result.trust_policy
  permissions_boundary = var.permissions_boundary
}

resource "aws_iam_policy" "scoped" {
  count  = var.policy_count
  name   = "${var.name}-${count.index + 1}"
  policy = jsonencode(local.policies[count.index])
}

resource "aws_iam_role_policy_attachment" "scoped" {
  count      = var.policy_count
  role       = aws_iam_role.workflow.name
  policy_arn = aws_iam_policy.scoped[count.index].arn
}

resource "aws_iam_role_policy" "pass_role" {
  count  = var.passes_roles ? 1 : 0
  name   = "PassRole"
  role   = aws_iam_role.workflow.name
  policy = data.external.policies.result.pass_role_policy
}

# A warning, not an error. `strict` makes an error of it.
check "needs" {
  assert {
    condition     = alltrue([for need in local.needs : !need.required])
    error_message = "States of ${var.name} need what nobody names; name it in task_resources: ${join("; ", [for need in local.needs : "${need.state}: ${need.what}" if need.required])}."
  }
}
