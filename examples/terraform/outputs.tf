# Whatever uses this ARN waits for the policies, and is destroyed before them.
output "role_arn" {
  description = "The ARN of the role."
  value       = aws_iam_role.workflow.arn
  depends_on  = [aws_iam_role_policy_attachment.scoped, aws_iam_role_policy.pass_role]
}

output "wildcards" {
  description = "The resources with a wildcard, each with the reasons and the states."
  value       = jsondecode(data.external.policies.result.wildcards)
}

output "needs" {
  description = "What states need and nobody names."
  value       = local.needs
}

output "notes" {
  description = "Assumptions and warnings of the program."
  value       = jsondecode(data.external.policies.result.notes)
}
