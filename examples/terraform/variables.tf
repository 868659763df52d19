variable "name" {
  description = "The name of the state machine. The role has the same name."
  type        = string
}

variable "definition" {
  description = "The definition of the state machine: the text that aws_sfn_state_machine has."
  type        = string
}

variable "policy_count" {
  description = "The number of scoped policies. Terraform has to know it before it knows the policies. An error says which number to set."
  type        = number
  default     = 1
}

variable "passes_roles" {
  description = "Whether a state passes a role to another service. An error says what to set."
  type        = bool
  default     = false
}

variable "task_resources" {
  description = "What states need and the definition does not name: the property TaskResources."
  type        = any
  default     = {}
}

variable "properties" {
  description = "Other properties of the workflow role that the policies depend on, such as { Logging = true }."
  type        = any
  default     = {}
}

variable "strict" {
  description = "Whether it is an error that a state certainly needs what nobody names."
  type        = bool
  default     = false
}

variable "permissions_boundary" {
  description = "The ARN of the permissions boundary of the role."
  type        = string
  default     = null
}

variable "program" {
  description = "The command that starts mlops-roles."
  type        = list(string)
  default     = ["mlops-roles"]
}
