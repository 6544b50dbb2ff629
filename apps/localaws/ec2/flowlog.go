package ec2

import (
	"slices"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

// flowLog is a flow log. Nothing is ever written to it, because no packets are sent here.
type flowLog struct {
	meta
	ID              string    `xml:"flowLogId"`
	ResourceID      string    `xml:"resourceId"`
	TrafficType     string    `xml:"trafficType"`
	Status          string    `xml:"flowLogStatus"`
	DeliverStatus   string    `xml:"deliverLogsStatus"`
	Destination     string    `xml:"logDestination"`
	DestinationType string    `xml:"logDestinationType"`
	Format          string    `xml:"logFormat"`
	Interval        int       `xml:"maxAggregationInterval"`
	Created         time.Time `xml:"creationTime"`
}

const defaultLogFormat = "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} " +
	"${packets} ${bytes} ${start} ${end} ${action} ${log-status}"

type createFlowLogsInput struct {
	ResourceIds                                                              []string `query:"ResourceId"`
	ResourceType, TrafficType, LogDestinationType, LogDestination, LogFormat string
	ClientToken                                                              string
	MaxAggregationInterval                                                   *int
	tagging
	common
}

func createFlowLogs(c *call, in *createFlowLogsInput) (protocol.Elements, *protocol.Error) {
	tags, err := in.tags(flowLogKind)
	targets := append([]target{c.creates(flowLogKind, tags, nil)}, c.onAll(vpcKind, in.ResourceIds)...)
	if err := first(err, c.allowWith(c.delivery("logs:CreateLogDelivery"), targets...)); err != nil {
		return nil, err
	}
	switch {
	case in.ResourceType != "VPC":
		return nil, unsupported("flow logs of " + in.ResourceType)
	case in.LogDestinationType != "s3":
		return nil, unsupported("flow logs that are delivered to " + in.LogDestinationType)
	case !slices.Contains([]string{"ACCEPT", "REJECT", "ALL"}, in.TrafficType):
		return nil, invalid("trafficType", in.TrafficType, "It is ACCEPT, REJECT or ALL.")
	case in.LogDestination == "":
		return nil, missing("LogDestination")
	case len(in.ResourceIds) == 0:
		return nil, missing("ResourceId")
	}
	id, err := c.earlier(in.ClientToken)
	if err != nil {
		return nil, err
	}
	if _, again := get[*flowLog](c.Service, id); again {
		return protocol.Elements{"clientToken": in.ClientToken, "flowLogIdSet": items([]string{id})}, nil
	}
	var ids []string
	var not []unsuccessful
	for _, of := range in.ResourceIds {
		l, err := c.newFlowLog(of, in, slices.Clone(tags))
		if err != nil {
			not = append(not, unsuccessful{of, err.Code, err.Message})
			continue
		}
		c.remember(in.ClientToken, l.id)
		ids = append(ids, l.id)
	}
	return protocol.Elements{"clientToken": in.ClientToken, "flowLogIdSet": items(ids), "unsuccessful": items(not)}, nil
}

// delivery returns the check for what AWS does on the caller's behalf.
func (c *call) delivery(action string) []access.Check {
	return []access.Check{c.check(action, target{arn: "*"}, nil)}
}

func (c *call) newFlowLog(of string, in *createFlowLogsInput, tags []tag) (*flowLog, *protocol.Error) {
	if _, err := find[*vpc](c.Service, vpcKind, "resourceId", of); err != nil {
		return nil, err
	}
	same := where(c.Service, func(l *flowLog) bool { return l.ResourceID == of })
	if slices.ContainsFunc(same, func(l *flowLog) bool { return l.Destination == in.LogDestination && l.TrafficType == in.TrafficType }) {
		return nil, refused("FlowLogAlreadyExists", "Error. There is an existing Flow Log with the same configuration and log destination.")
	}
	if err := flowLogKind.room(len(same)); err != nil {
		return nil, err
	}
	l := &flowLog{
		meta: newMeta(flowLogKind, tags), ResourceID: of, TrafficType: in.TrafficType, Status: "ACTIVE", DeliverStatus: "SUCCESS",
		Destination: in.LogDestination, DestinationType: in.LogDestinationType, Format: in.LogFormat, Interval: 600, Created: c.now,
	}
	l.ID = l.id
	if l.Format == "" {
		l.Format = defaultLogFormat
	}
	if in.MaxAggregationInterval != nil {
		l.Interval = *in.MaxAggregationInterval
	}
	c.add(l)
	return l, nil
}

type deleteFlowLogsInput struct {
	FlowLogIds []string `query:"FlowLogId"`
	common
}

func deleteFlowLogs(c *call, in *deleteFlowLogsInput) (protocol.Elements, *protocol.Error) {
	if err := c.allowWith(c.delivery("logs:DeleteLogDelivery"), c.onAll(flowLogKind, in.FlowLogIds)...); err != nil {
		return nil, err
	}
	if len(in.FlowLogIds) == 0 {
		return nil, missing("FlowLogId")
	}
	var not []unsuccessful
	for _, id := range in.FlowLogIds {
		if _, found := get[*flowLog](c.Service, id); !found {
			not = append(not, unsuccessful{id, flowLogKind.missing, "These flow log ids in the input list are not found: [" + id + "]"})
			continue
		}
		c.remove(id)
	}
	return protocol.Elements{"unsuccessful": items(not)}, nil
}

type describeFlowLogsInput struct {
	FlowLogIds []string `query:"FlowLogId"`
	describing
}

var flowLogAttributes = attributes[*flowLog]{
	"flow-log-id":  one(func(l *flowLog) string { return l.id }),
	"resource-id":  one(func(l *flowLog) string { return l.ResourceID }),
	"traffic-type": one(func(l *flowLog) string { return l.TrafficType }),
}

// describeFlowLogs ignores unknown ids: AWS has no error for them.
func describeFlowLogs(c *call, in *describeFlowLogsInput) (protocol.Elements, *protocol.Error) {
	if len(in.FlowLogIds) > 0 {
		in.Filter = append(in.Filter, filter{"flow-log-id", in.FlowLogIds})
	}
	list, next, err := describe(c, flowLogKind, nil, in.describing, flowLogAttributes)
	return described("flowLogSet", list, next), err
}
