//! The stack of the event, as the stand-in for CloudFormation describes it.

use super::message::{refusal, response};

/// What CloudFormation would report of the resource.
#[derive(Clone, Debug, Default)]
pub struct Stack {
    pub operation: String,
    /// The end of the status: `IN_PROGRESS`, `COMPLETE` or `FAILED`.
    pub state: &'static str,
    pub logical_id: String,
    pub physical_id: String,
    pub since: u64,
}

impl Stack {
    /// The reply to a call of CloudFormation.
    pub fn told(&self, action: &str) -> Vec<u8> {
        let Self { operation, state, logical_id, physical_id, since } = self;
        let at = aws_smithy_types::DateTime::from_secs((*since).try_into().unwrap());
        let at = at.fmt(aws_smithy_types::date_time::Format::DateTime).unwrap();
        let result = match action {
            "DescribeStackResource" => format!(
                "<StackResourceDetail><StackId>x</StackId><LogicalResourceId>{logical_id}</LogicalResourceId>\
                 <PhysicalResourceId>{physical_id}</PhysicalResourceId><ResourceType>Custom::X</ResourceType>\
                 <LastUpdatedTimestamp>{at}</LastUpdatedTimestamp><ResourceStatus>{operation}_{state}</ResourceStatus>\
                 </StackResourceDetail>"
            ),
            "DescribeStacks" => format!(
                "<Stacks><member><StackName>x</StackName><CreationTime>{at}</CreationTime>\
                 <StackStatus>{operation}_{state}</StackStatus></member></Stacks>"
            ),
            // No other stack holds anything.
            _ => return refusal("400 Bad Request", "ValidationError", "Stack for x does not exist"),
        };
        let body = format!("<{action}Response><{action}Result>{result}</{action}Result></{action}Response>");
        response("200 OK", "content-type: text/xml\r\n", &body)
    }
}
