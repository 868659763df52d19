//! Writes the alarms on metrics of the function.

/// Returns the properties of an alarm, except its description. The directive says when the alarm goes off:
/// `<Sum of AWS/Lambda Errors in 60 s reaches 1>`. The metric has the function's name as its only dimension.
///
/// Returns `None` for any other directive.
pub fn properties(directive: &str) -> Option<Vec<String>> {
    let words: Vec<&str> = directive.strip_prefix('<')?.strip_suffix('>')?.split(' ').collect();
    let [statistic, "of", namespace, metric, "in", seconds, "s", "reaches", threshold] = words.as_slice() else {
        return None;
    };
    let properties = format!(
        "\
Namespace: {namespace}
MetricName: {metric}
Dimensions:
  - Name: FunctionName
    Value: !Ref Function
Statistic: {statistic}
Period: {seconds}
EvaluationPeriods: 1
Threshold: {threshold}
ComparisonOperator: GreaterThanOrEqualToThreshold
TreatMissingData: notBreaching
AlarmActions: !If [TellOfAlarms, [!Ref AlarmTopicArn], !Ref AWS::NoValue]
"
    );
    Some(properties.lines().map(str::to_owned).collect())
}
