package cloudwatch

import (
	"testing"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/internal/servicetest"
)

const (
	arn = "arn:aws:cloudwatch:eu-west-1:000000000000:alarm:local-age"
	put = "Action=PutMetricAlarm&Version=2010-08-01&AlarmName=local-age&MetricName=ApproximateAgeOfOldestMessage&Namespace=AWS/SQS&Statistic=Maximum" +
		"&Dimensions.member.1.Name=QueueName&Dimensions.member.1.Value=local-q&Period=60&EvaluationPeriods=3&ComparisonOperator=GreaterThanThreshold" +
		"&TreatMissingData=notBreaching&AlarmActions.member.1=arn:aws:sns:eu-west-1:000000000000:local-alarms"
)

func TestAlarms(t *testing.T) {
	now := clock.NewFake(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	s := New(Options{Region: "eu-west-1", AccountID: "000000000000", Guard: access.Anyone{}, Clock: now, Faults: &fault.Faults{}})
	servicetest.Run(t, s, []servicetest.Step{
		{Body: put, Status: 400, Want: []string{"ValidationError", "Threshold"}},
		{Body: put + "&Threshold=900.0&Tags.member.1.Key=cluster&Tags.member.1.Value=local", Status: 200, Want: []string{"<PutMetricAlarmResponse"}},
		{Body: "Action=DescribeAlarms&AlarmNames.member.1=local-age&AlarmTypes.member.1=MetricAlarm", Status: 200, Want: []string{
			"<AlarmArn>" + arn + "</AlarmArn>", "<Threshold>900.0</Threshold>", "<StateValue>INSUFFICIENT_DATA</StateValue>", "Simulated",
			"<Dimensions><member><Name>QueueName</Name><Value>local-q</Value></member></Dimensions>", "<ActionsEnabled>true</ActionsEnabled>",
			"<AlarmActions><member>arn:aws:sns:eu-west-1:000000000000:local-alarms</member></AlarmActions>", "2026-01-01T00:00:00.000Z",
		}},
		{Body: "Action=DescribeAlarms&AlarmNames.member.1=other", Status: 200, Want: []string{"<MetricAlarms></MetricAlarms>"}},
		{Body: put + "&Threshold=1&ActionsEnabled=false", Status: 200},
		{Body: "Action=DescribeAlarms&AlarmNamePrefix=local", Status: 200, Want: []string{"<Threshold>1</Threshold>", "<ActionsEnabled>false</ActionsEnabled>"}},
		{Body: "Action=ListTagsForResource&ResourceARN=" + arn, Status: 200, Want: []string{"<Key>cluster</Key><Value>local</Value>"}},
		{Body: "Action=TagResource&ResourceARN=" + arn + "&Tags.member.1.Key=k&Tags.member.1.Value=v", Status: 200},
		{Body: "Action=UntagResource&ResourceARN=" + arn + "&TagKeys.member.1=cluster", Status: 200},
		{Body: "Action=ListTagsForResource&ResourceARN=" + arn, Status: 200, Want: []string{"<Tags><member><Key>k</Key><Value>v</Value></member></Tags>"}},
		{Body: "Action=ListTagsForResource&ResourceARN=" + arn + "x", Status: 404, Want: []string{"ResourceNotFoundException"}},
		{Body: "Action=DeleteAlarms&AlarmNames.member.1=local-age&AlarmNames.member.2=other", Status: 404, Want: []string{"<Code>ResourceNotFound</Code>"}},
		{Body: "Action=DeleteAlarms&AlarmNames.member.1=local-age", Status: 200},
		{Body: "Action=DescribeAlarms", Status: 200, Want: []string{"<MetricAlarms></MetricAlarms>"}},
		{Body: "Action=PutCompositeAlarm", Status: 400, Want: []string{"InvalidAction", "cloudwatch:PutCompositeAlarm"}},
		{Body: put + "&Threshold=1&ThresholdMetricId=m", Status: 400, Want: []string{"ThresholdMetricId"}},
	})
}
