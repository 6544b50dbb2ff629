package conformance

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

// logGroup creates a log group and deletes it at the end of the case.
func (c *check) logGroup(in *cloudwatchlogs.CreateLogGroupInput) *string {
	c.Helper()
	if in.LogGroupName == nil {
		in.LogGroupName = aws.String("/" + newName())
	}
	_, err := c.logs.CreateLogGroup(c.ctx, in)
	c.ok(err)
	c.Cleanup(func() {
		_, _ = c.logs.DeleteLogGroup(context.WithoutCancel(c.ctx), &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: in.LogGroupName})
	})
	c.eventually(*in.LogGroupName, func() string { return c.logGroups(*in.LogGroupName) })
	return in.LogGroupName
}

// groupsOf returns the log groups whose names begin with a prefix.
func (c *check) groupsOf(prefix string) []types.LogGroup {
	c.Helper()
	out, err := c.logs.DescribeLogGroups(c.ctx, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &prefix})
	c.ok(err)
	return out.LogGroups
}

func (c *check) logGroups(prefix string) string {
	c.Helper()
	var names []string
	for _, g := range c.groupsOf(prefix) {
		names = append(names, *g.LogGroupName)
	}
	return strings.Join(names, " ")
}

var logsCases = []conformanceCase{
	{"CreateLogGroup", "creates a group that keeps events forever; a second group with its name is refused", func(c *check) {
		name := c.logGroup(&cloudwatchlogs.CreateLogGroupInput{})
		for _, g := range c.groupsOf(*name) {
			equal(c, "ARN", strings.HasSuffix(*g.Arn, ":log-group:"+*name+":*"), true)
			equal(c, "ARN for IAM and tags", *g.LogGroupArn+":*", *g.Arn)
			equal(c, "class", g.LogGroupClass, types.LogGroupClassStandard)
			equal(c, "retention", g.RetentionInDays == nil, true)
			equal(c, "bytes", aws.ToInt64(g.StoredBytes), 0)
		}
		_, err := c.logs.CreateLogGroup(c.ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: name})
		c.code(err, "ResourceAlreadyExistsException")
	}},
	{"CreateLogGroup", "a name has 1 to 512 letters, digits and characters of _-/.#", func(c *check) {
		for _, name := range []string{"a b", "a:b", strings.Repeat("a", 513)} {
			_, err := c.logs.CreateLogGroup(c.ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &name})
			c.code(err, "InvalidParameterException")
		}
	}},
	{"DescribeLogGroups", "finds groups by prefix, sorted by name", func(c *check) {
		first := c.logGroup(&cloudwatchlogs.CreateLogGroupInput{})
		second := c.logGroup(&cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String(*first + "/b")})
		c.eventually(*first+" "+*second, func() string { return c.logGroups(*first) })
		equal(c, "others", c.logGroups(*first+"/c"), "")
	}},
	{"PutRetentionPolicy", "accepts only the documented periods; DeleteRetentionPolicy removes the period", func(c *check) {
		name := c.logGroup(&cloudwatchlogs.CreateLogGroupInput{})
		put := func(days int32) error {
			_, err := c.logs.PutRetentionPolicy(c.ctx, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: name, RetentionInDays: &days})
			return err
		}
		retention := func() string {
			for _, g := range c.groupsOf(*name) {
				return decimal(float64(aws.ToInt32(g.RetentionInDays)))
			}
			return "no group"
		}
		c.ok(put(14))
		c.eventually("14", retention)
		c.code(put(15), "InvalidParameterException")
		_, err := c.logs.DeleteRetentionPolicy(c.ctx, &cloudwatchlogs.DeleteRetentionPolicyInput{LogGroupName: name})
		c.ok(err)
		c.eventually("0", retention)
		name = aws.String("/" + newName())
		c.code(put(14), "ResourceNotFoundException")
	}},
	{"DeleteLogGroup", "deletes a group; a group that does not exist is an error", func(c *check) {
		name := c.logGroup(&cloudwatchlogs.CreateLogGroupInput{})
		remove := func() error {
			_, err := c.logs.DeleteLogGroup(c.ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: name})
			return err
		}
		c.ok(remove())
		c.eventually("", func() string { return c.logGroups(*name) })
		c.code(remove(), "ResourceNotFoundException")
	}},
	{"TagResource", "tags of a log group are added, replaced, listed and removed", func(c *check) {
		name := c.logGroup(&cloudwatchlogs.CreateLogGroupInput{Tags: map[string]string{"a": "1"}})
		groups := c.groupsOf(*name)
		if len(groups) != 1 {
			c.Fatalf("%d log groups begin with the name", len(groups))
		}
		arn := groups[0].LogGroupArn
		tags := func() string {
			out, err := c.logs.ListTagsForResource(c.ctx, &cloudwatchlogs.ListTagsForResourceInput{ResourceArn: arn})
			c.ok(err)
			return sortedPairs(out.Tags)
		}
		c.eventually("a=1", tags)
		_, err := c.logs.TagResource(c.ctx, &cloudwatchlogs.TagResourceInput{ResourceArn: arn, Tags: map[string]string{"a": "2", "b": "3"}})
		c.ok(err)
		c.eventually("a=2 b=3", tags)
		_, err = c.logs.UntagResource(c.ctx, &cloudwatchlogs.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"a", "none"}})
		c.ok(err)
		c.eventually("b=3", tags)
		_, err = c.logs.ListTagsForResource(c.ctx, &cloudwatchlogs.ListTagsForResourceInput{ResourceArn: aws.String(*arn + "-none")})
		c.code(err, "ResourceNotFoundException")
	}},
}
