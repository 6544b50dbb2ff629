package logs

import (
	"testing"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/internal/servicetest"
)

const arn = "arn:aws:logs:eu-west-1:000000000000:log-group:/aws/eks/local/cluster"

func newService(guard access.Guard) *Service {
	now := clock.NewFake(time.UnixMilli(1_767_225_600_000))
	return New(Options{Region: "eu-west-1", AccountID: "000000000000", Guard: guard, Clock: now, Faults: &fault.Faults{}})
}

func TestLogGroups(t *testing.T) {
	const name = `{"logGroupName":"/aws/eks/local/cluster"`
	do := func(action, body string, status int, want ...string) servicetest.Step {
		return servicetest.Step{Target: targetPrefix + action, Body: body, Status: status, Want: want}
	}
	servicetest.Run(t, newService(access.Anyone{}), []servicetest.Step{
		do("CreateLogGroup", name+`,"tags":{"cluster":"local"}}`, 200),
		do("CreateLogGroup", name+`}`, 400, "ResourceAlreadyExistsException"),
		do("CreateLogGroup", `{"logGroupName":"a b"}`, 400, "InvalidParameterException"),
		do("PutRetentionPolicy", name+`,"retentionInDays":31}`, 400, "InvalidParameterException"),
		do("PutRetentionPolicy", name+`,"retentionInDays":30}`, 200),
		do("DescribeLogGroups", `{"logGroupNamePrefix":"/aws/eks/local"}`, 200, `"retentionInDays":30`, `"arn":"`+arn+`:*"`, `"logGroupArn":"`+arn+`"`, `"creationTime":1767225600000`),
		do("DescribeLogGroups", `{"logGroupNamePrefix":"/other"}`, 200, `"logGroups":[]`),
		do("TagResource", `{"resourceArn":"`+arn+`","tags":{"k":"v"}}`, 200),
		do("UntagResource", `{"resourceArn":"`+arn+`:*","tagKeys":["cluster"]}`, 200),
		do("ListTagsForResource", `{"resourceArn":"`+arn+`"}`, 200, `"tags":{"k":"v"}`),
		do("DeleteRetentionPolicy", name+`}`, 200),
		do("DeleteLogGroup", name+`}`, 200),
		do("DeleteLogGroup", name+`}`, 400, "ResourceNotFoundException"),
		do("PutLogEvents", name+`}`, 400, "UnknownOperationException"),
		do("CreateLogGroup", `[]`, 400, "SerializationException"),
	})
}

func TestRefused(t *testing.T) {
	servicetest.Run(t, newService(&servicetest.Guard{Denies: "*"}), []servicetest.Step{
		{Target: targetPrefix + "CreateLogGroup", Body: `{"logGroupName":"g"}`, Status: 400, Want: []string{"AccessDeniedException", "logs:CreateLogGroup", "log-group:g"}},
	})
}
