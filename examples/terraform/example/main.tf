# A state machine with a role from the module. The definition is the one of the other examples.

variable "execution_role_arn" {
  description = "The role that SageMaker runs the training with."
  type        = string
}

locals {
  definition = templatefile("${path.module}/../../pipeline.asl.json", {
    ExecutionRoleArn = var.execution_role_arn
    TopicArn         = aws_sns_topic.churn.arn
  })
}

resource "aws_sns_topic" "churn" {
  name = "churn"
}

module "churn_role" {
  source       = "../"
  name         = "churn"
  definition   = local.definition
  passes_roles = true
  properties   = { DataKeys = [] }
}

resource "aws_sfn_state_machine" "churn" {
  name       = "churn"
  role_arn   = module.churn_role.role_arn
  definition = local.definition
}

output "role" {
  value = module.churn_role
}
