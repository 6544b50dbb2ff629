package conformance

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/schemas"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go/transport/http/protocol/awsquery"
)

// queryProtocol has the client of CloudWatch speak the query protocol, as the provider
// does. AWS takes it beside CBOR, which the SDK prefers.
func queryProtocol(o *cloudwatch.Options) {
	o.Protocol = awsquery.New(schemas.GraniteServiceVersion20100801)
}

// newAlarm watches a queue that does not exist, so AWS never has data for it.
func newAlarm() *cloudwatch.PutMetricAlarmInput {
	return &cloudwatch.PutMetricAlarmInput{
		AlarmName: aws.String(newName()), AlarmDescription: aws.String("a test"),
		Namespace: aws.String("AWS/SQS"), MetricName: aws.String("ApproximateAgeOfOldestMessage"), Statistic: types.StatisticMaximum,
		Dimensions: []types.Dimension{{Name: aws.String("QueueName"), Value: aws.String("conformance-none")}},
		Period:     aws.Int32(60), EvaluationPeriods: aws.Int32(2), Threshold: aws.Float64(1.5),
		ComparisonOperator: types.ComparisonOperatorGreaterThanThreshold, TreatMissingData: aws.String("missing"),
	}
}

// alarm creates an alarm and deletes it at the end of the case.
func (c *check) alarm(in *cloudwatch.PutMetricAlarmInput) *types.MetricAlarm {
	c.Helper()
	_, err := c.cloudwatch.PutMetricAlarm(c.ctx, in)
	c.ok(err)
	c.Cleanup(func() {
		_, _ = c.cloudwatch.DeleteAlarms(context.WithoutCancel(c.ctx), &cloudwatch.DeleteAlarmsInput{AlarmNames: []string{*in.AlarmName}})
	})
	c.eventually(*in.AlarmName, func() string { return c.alarms(&cloudwatch.DescribeAlarmsInput{AlarmNames: []string{*in.AlarmName}}) })
	out, err := c.cloudwatch.DescribeAlarms(c.ctx, &cloudwatch.DescribeAlarmsInput{AlarmNames: []string{*in.AlarmName}})
	c.ok(err)
	if len(out.MetricAlarms) != 1 {
		c.Fatalf("%d alarms have the name", len(out.MetricAlarms))
	}
	return &out.MetricAlarms[0]
}

// alarms returns the names of the described alarms.
func (c *check) alarms(in *cloudwatch.DescribeAlarmsInput) string {
	c.Helper()
	out, err := c.cloudwatch.DescribeAlarms(c.ctx, in)
	c.ok(err)
	var names []string
	for _, a := range out.MetricAlarms {
		names = append(names, *a.AlarmName)
	}
	return strings.Join(names, " ")
}

func (c *check) alarmTags(arn *string) string {
	c.Helper()
	out, err := c.cloudwatch.ListTagsForResource(c.ctx, &cloudwatch.ListTagsForResourceInput{ResourceARN: arn})
	c.ok(err)
	tags := map[string]string{}
	for _, t := range out.Tags {
		tags[*t.Key] = *t.Value
	}
	return sortedPairs(tags)
}

var cloudwatchCases = []conformanceCase{
	{"PutMetricAlarm", "an alarm is returned unchanged, has no data at first, and replaces the one with its name", func(c *check) {
		in := newAlarm()
		got := c.alarm(in)
		equal(c, "ARN", strings.HasSuffix(*got.AlarmArn, ":alarm:"+*in.AlarmName), true)
		equal(c, "description", aws.ToString(got.AlarmDescription), "a test")
		equal(c, "metric", *got.Namespace+" "+*got.MetricName, "AWS/SQS ApproximateAgeOfOldestMessage")
		equal(c, "statistic", got.Statistic, types.StatisticMaximum)
		equal(c, "dimensions", len(got.Dimensions), 1)
		equal(c, "period", *got.Period, 60)
		equal(c, "periods", *got.EvaluationPeriods, 2)
		equal(c, "threshold", *got.Threshold, 1.5)
		equal(c, "comparison", got.ComparisonOperator, types.ComparisonOperatorGreaterThanThreshold)
		equal(c, "missing data", aws.ToString(got.TreatMissingData), "missing")
		equal(c, "actions enabled", aws.ToBool(got.ActionsEnabled), true)
		equal(c, "state", got.StateValue, types.StateValueInsufficientData)
		in.Threshold, in.AlarmDescription = aws.Float64(3), nil
		_, err := c.cloudwatch.PutMetricAlarm(c.ctx, in)
		c.ok(err)
		c.eventually("3 ", func() string {
			out, err := c.cloudwatch.DescribeAlarms(c.ctx, &cloudwatch.DescribeAlarmsInput{AlarmNames: []string{*in.AlarmName}})
			c.ok(err)
			return decimal(*out.MetricAlarms[0].Threshold) + " " + aws.ToString(out.MetricAlarms[0].AlarmDescription)
		})
	}},
	{"PutMetricAlarm", "refuses two statistics, and a period that is not a multiple of 60 seconds", func(c *check) {
		in := newAlarm()
		in.ExtendedStatistic = aws.String("p99")
		_, err := c.cloudwatch.PutMetricAlarm(c.ctx, in)
		c.code(err, "ValidationException", "InvalidParameterCombination")
		in.ExtendedStatistic, in.Period = nil, aws.Int32(61)
		_, err = c.cloudwatch.PutMetricAlarm(c.ctx, in)
		c.code(err, "ValidationException", "InvalidParameterValue")
		equal(c, "alarms", c.alarms(&cloudwatch.DescribeAlarmsInput{AlarmNames: []string{*in.AlarmName}}), "")
	}},
	{"DescribeAlarms", "finds alarms by names and by prefix; unknown names are left out", func(c *check) {
		first, second := newAlarm(), newAlarm()
		second.AlarmName = aws.String(*first.AlarmName + "-b")
		c.alarm(first)
		c.alarm(second)
		both := *first.AlarmName + " " + *second.AlarmName
		equal(c, "by prefix", c.alarms(&cloudwatch.DescribeAlarmsInput{AlarmNamePrefix: first.AlarmName}), both)
		equal(c, "by name", c.alarms(&cloudwatch.DescribeAlarmsInput{AlarmNames: []string{*second.AlarmName, newName()}}), *second.AlarmName)
		none := &cloudwatch.DescribeAlarmsInput{AlarmNamePrefix: first.AlarmName, StateValue: types.StateValueAlarm}
		equal(c, "that ring", c.alarms(none), "")
	}},
	{"DeleteAlarms", "deletes several alarms, or none if one does not exist", func(c *check) {
		first, second := newAlarm(), newAlarm()
		c.alarm(first)
		c.alarm(second)
		remove := func(names ...string) error {
			_, err := c.cloudwatch.DeleteAlarms(c.ctx, &cloudwatch.DeleteAlarmsInput{AlarmNames: names})
			return err
		}
		c.code(remove(*first.AlarmName, newName()), "ResourceNotFound")
		equal(c, "left", c.alarms(&cloudwatch.DescribeAlarmsInput{AlarmNames: []string{*first.AlarmName}}), *first.AlarmName)
		c.ok(remove(*first.AlarmName, *second.AlarmName))
		c.eventually("", func() string {
			return c.alarms(&cloudwatch.DescribeAlarmsInput{AlarmNames: []string{*first.AlarmName, *second.AlarmName}})
		})
	}},
	{"PutMetricAlarm", "tags a new alarm; only TagResource and UntagResource change the tags of an existing one", func(c *check) {
		in := newAlarm()
		in.Tags = []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}}
		arn := c.alarm(in).AlarmArn
		c.eventually("a=1", func() string { return c.alarmTags(arn) })
		in.Tags[0].Value = aws.String("2")
		_, err := c.cloudwatch.PutMetricAlarm(c.ctx, in)
		c.ok(err)
		equal(c, "tags", c.alarmTags(arn), "a=1")
		_, err = c.cloudwatch.TagResource(c.ctx, &cloudwatch.TagResourceInput{
			ResourceARN: arn, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("3")}, {Key: aws.String("b"), Value: aws.String("4")}},
		})
		c.ok(err)
		c.eventually("a=3 b=4", func() string { return c.alarmTags(arn) })
		_, err = c.cloudwatch.UntagResource(c.ctx, &cloudwatch.UntagResourceInput{ResourceARN: arn, TagKeys: []string{"a", "none"}})
		c.ok(err)
		c.eventually("b=4", func() string { return c.alarmTags(arn) })
		_, err = c.cloudwatch.ListTagsForResource(c.ctx, &cloudwatch.ListTagsForResourceInput{ResourceARN: aws.String(*arn + "-none")})
		c.code(err, "ResourceNotFoundException", "ResourceNotFound")
	}},
}
