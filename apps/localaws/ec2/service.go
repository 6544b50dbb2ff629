// Package ec2 serves the part of Amazon EC2 that this system's networks need: VPCs,
// subnets, gateways, addresses, route tables, security groups, endpoints, launch
// templates and flow logs, in EC2's query protocol. docs/localaws.md has every action,
// and the differences from AWS.
//
// It is simulated: nothing is routed and no packet is sent. As AWS does, it refuses to
// delete resources that others depend on. It takes a fraction of AWS's time. It must not
// know any other service: those that run something in its subnets call it.
package ec2

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

// Options are the dependencies and settings of a Service.
type Options struct {
	// Region and AccountID are the region and the account of all resources.
	Region, AccountID string
	Clock             clock.Clock
	Faults            *fault.Faults
	// Guard decides calls; nil allows all.
	Guard access.Guard
	// Speed is how many times faster than on AWS resources become ready, and failed or
	// deleted ones disappear; 0 means as on AWS.
	Speed float64
}

// About how long AWS takes: a NAT gateway or an interface endpoint becomes available and
// is deleted in minutes; a failed or deleted one is shown for an hour.
const (
	natGatewayTime = 2 * time.Minute
	endpointTime   = time.Minute
	shownTime      = time.Hour
)

// Service answers requests. It is safe for concurrent use.
type Service struct {
	region, account string
	clock           clock.Clock
	faults          *fault.Faults
	guard           access.Guard
	speed           float64

	// mu guards everything below.
	mu        sync.Mutex
	resources map[string]resource
	order     []string // ids, as they were created
	tokens    protocol.Tokens
	addresses int // how many public addresses were given out
}

// New returns a service with an empty account, without even a default VPC.
func New(options Options) *Service {
	s := &Service{
		region: options.Region, account: options.AccountID, clock: options.Clock, faults: options.Faults, guard: options.Guard,
		speed:     options.Speed,
		resources: map[string]resource{},
	}
	if s.guard == nil {
		s.guard = access.Anyone{}
	}
	if s.speed == 0 {
		s.speed = 1
	}
	return s
}

// Version is the only version of EC2's API.
const Version = "2016-11-15"

const namespace = "http://ec2.amazonaws.com/doc/" + Version + "/"

// FaultPrefix is the prefix of the names of EC2's actions in faults.
const FaultPrefix = "ec2:"

// ServeHTTP answers a request in the query protocol.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query, err := protocol.ReadQuery(r)
	if err != nil {
		protocol.WriteEC2Error(w, err)
		return
	}
	out, err := s.call(r.Context(), query)
	if err != nil {
		protocol.WriteEC2Error(w, err)
		return
	}
	protocol.WriteEC2(w, namespace, query.Action, out)
}

func (s *Service) call(ctx context.Context, query *protocol.Query) (out []byte, err *protocol.Error) {
	do, ok := actions[query.Action]
	if !ok || query.Version != "" && query.Version != Version {
		return nil, &protocol.Error{Code: "InvalidAction", Message: "The action " + query.Action +
			" is not valid for this web service: the local AWS does not have it"}
	}
	err = s.faults.Around(ctx, s.clock, FaultPrefix+query.Action, func(hit fault.Hit) (err *protocol.Error) {
		out, err = s.locked(do, &call{Service: s, ctx: ctx, query: query, fails: hit.Outcome()})
		return err
	})
	return out, err
}

// locked does an action under the lock, and encodes its answer before the state can
// change.
func (s *Service) locked(do action, c *call) ([]byte, *protocol.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.now = s.clock.Now()
	s.settle(c.now)
	out, err := do(c)
	if err != nil {
		return nil, err
	}
	return out.Encode()
}

// settle updates what has become ready, failed or gone by now.
func (s *Service) settle(now time.Time) {
	for _, gateway := range all[*natGateway](s) {
		gateway.settle(s, now)
	}
	for _, endpoint := range all[*endpoint](s) {
		endpoint.settle(s, now)
	}
	for _, table := range all[*routeTable](s) {
		table.settle(s)
	}
}

// in returns when something ends that takes d on AWS.
func (c *call) in(d time.Duration) time.Time { return c.now.Add(c.lasts(d)) }

func (s *Service) lasts(d time.Duration) time.Duration { return time.Duration(float64(d) / s.speed) }

type action func(*call) (protocol.Elements, *protocol.Error)

var actions = map[string]action{
	"CreateTags": of(createTags),
	"DeleteTags": of(deleteTags),

	"CreateVpc":            of(createVPC),
	"DeleteVpc":            of(deleteVPC),
	"DescribeNetworkAcls":  of(describeNetworkACLs),
	"DescribeVpcAttribute": of(describeVPCAttribute),
	"DescribeVpcs":         of(describeVPCs),
	"ModifyVpcAttribute":   of(modifyVPCAttribute),

	"CreateSubnet":          of(createSubnet),
	"DeleteSubnet":          of(deleteSubnet),
	"DescribeSubnets":       of(describeSubnets),
	"ModifySubnetAttribute": of(modifySubnetAttribute),

	"AllocateAddress":            of(allocateAddress),
	"AttachInternetGateway":      of(attachInternetGateway),
	"CreateInternetGateway":      of(createInternetGateway),
	"DeleteInternetGateway":      of(deleteInternetGateway),
	"DescribeAddresses":          of(describeAddresses),
	"DescribeAddressesAttribute": of(describeAddressesAttribute),
	"DescribeInternetGateways":   of(describeInternetGateways),
	"DetachInternetGateway":      of(detachInternetGateway),
	"DisassociateAddress":        of(disassociateAddress),
	"ReleaseAddress":             of(releaseAddress),

	"CreateNatGateway":    of(createNATGateway),
	"DeleteNatGateway":    of(deleteNATGateway),
	"DescribeNatGateways": of(describeNATGateways),

	"AssociateRouteTable":          of(associateRouteTable),
	"CreateRoute":                  of(createRoute),
	"CreateRouteTable":             of(createRouteTable),
	"DeleteRoute":                  of(deleteRoute),
	"DeleteRouteTable":             of(deleteRouteTable),
	"DescribeRouteTables":          of(describeRouteTables),
	"DisassociateRouteTable":       of(disassociateRouteTable),
	"ReplaceRoute":                 of(replaceRoute),
	"ReplaceRouteTableAssociation": of(replaceRouteTableAssociation),

	"AuthorizeSecurityGroupEgress":  of(authorizeSecurityGroup),
	"AuthorizeSecurityGroupIngress": of(authorizeSecurityGroup),
	"CreateSecurityGroup":           of(createSecurityGroup),
	"DeleteSecurityGroup":           of(deleteSecurityGroup),
	"DescribeSecurityGroupRules":    of(describeSecurityGroupRules),
	"DescribeSecurityGroups":        of(describeSecurityGroups),
	"ModifySecurityGroupRules":      of(modifySecurityGroupRules),
	"RevokeSecurityGroupEgress":     of(revokeSecurityGroup),
	"RevokeSecurityGroupIngress":    of(revokeSecurityGroup),

	"CreateVpcEndpoint":    of(createVPCEndpoint),
	"DeleteVpcEndpoints":   of(deleteVPCEndpoints),
	"DescribePrefixLists":  of(describePrefixLists),
	"DescribeVpcEndpoints": of(describeVPCEndpoints),
	"ModifyVpcEndpoint":    of(modifyVPCEndpoint),

	"DeleteNetworkInterface":    of(deleteNetworkInterface),
	"DescribeNetworkInterfaces": of(describeNetworkInterfaces),
	"DetachNetworkInterface":    of(detachNetworkInterface),

	"CreateLaunchTemplate":           of(createLaunchTemplate),
	"CreateLaunchTemplateVersion":    of(createLaunchTemplateVersion),
	"DeleteLaunchTemplate":           of(deleteLaunchTemplate),
	"DescribeLaunchTemplateVersions": of(describeLaunchTemplateVersions),
	"DescribeLaunchTemplates":        of(describeLaunchTemplates),
	"ModifyLaunchTemplate":           of(modifyLaunchTemplate),

	"CreateFlowLogs":   of(createFlowLogs),
	"DeleteFlowLogs":   of(deleteFlowLogs),
	"DescribeFlowLogs": of(describeFlowLogs),
}
