// Package eks serves the part of Amazon EKS that this system's clusters need: clusters,
// managed node groups, add-ons and access entries, in EKS's REST JSON protocol.
// docs/localaws.md has every action, and the differences from AWS.
//
// It is simulated: node groups have no machines, and clusters have no control plane. It
// must not know IAM and EC2 beyond the interfaces Roles and Network.
package eks

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
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
	// Roles says whether EKS can assume a role; nil means always.
	Roles Roles
	// Network provides the subnets of clusters and nodes.
	Network Network
	// Speed is how many times faster than on AWS resources become ready; 0 means as on
	// AWS.
	Speed float64
	// Server is the API server that stands in for a cluster's. Without it nothing answers
	// at the cluster's endpoint.
	Server Server
}

// Server describes an API server that stands in for a cluster's.
type Server struct {
	// Cluster is the name of the cluster that has it; empty means every cluster.
	Cluster  string `json:"cluster,omitempty"`
	Endpoint string `json:"endpoint"`
	// CertificateAuthority signs its certificate, in PEM.
	CertificateAuthority string `json:"certificateAuthority,omitempty"`
	// Issuer is the issuer of its ServiceAccounts' tokens.
	Issuer string `json:"issuer,omitempty"`
}

// Roles is what EKS needs of IAM.
type Roles interface {
	// Trusts returns nil if the role exists and its trust policy lets the service assume
	// it.
	Trusts(roleARN, service string) error
}

// Network is what EKS needs of EC2.
type Network interface {
	// VPCOf returns the VPC of subnets, and the number of their availability zones.
	VPCOf(subnets []string) (vpcID string, zones int, err error)
	// NewGroup creates a security group that allows traffic between its members;
	// DeleteGroup deletes it unless it is in use.
	NewGroup(vpcID, name, description string, tags map[string]string) (id string)
	DeleteGroup(id string)
	// Attach creates a network interface in each of the subnets, Detach removes those of
	// an owner.
	Attach(of, description string, subnets, groups []string) error
	Detach(of string)
	// Template returns the launch template with an id or a name, and one of its versions.
	Template(id, name, version string) (foundID, foundName, number string, err error)
	// ReachesAWS returns nil if a machine in the subnet could join a cluster.
	ReachesAWS(subnetID string) error
}

// About how long AWS takes. EKS gives up nodes that cannot join after a while.
const (
	clusterTime         = 10 * time.Minute
	clusterDeleteTime   = 3 * time.Minute
	updateTime          = 3 * time.Minute
	versionTime         = 8 * time.Minute
	nodegroupTime       = 3 * time.Minute
	nodegroupFailTime   = 20 * time.Minute
	nodegroupDeleteTime = 3 * time.Minute
	addonTime           = time.Minute
	addonDeleteTime     = 30 * time.Second
)

// Service answers requests. It is safe for concurrent use.
type Service struct {
	Options

	// mu guards everything below.
	mu       sync.Mutex
	clusters []*cluster
	updates  []*update
	tokens   protocol.Tokens
	// linked has the service-linked roles that EKS has created.
	linked map[string]bool
}

// New returns a service for an account without clusters.
func New(options Options) *Service {
	if options.Guard == nil {
		options.Guard = access.Anyone{}
	}
	if options.Roles == nil {
		options.Roles = everyRole{}
	}
	if options.Speed == 0 {
		options.Speed = 1
	}
	return &Service{Options: options, linked: map[string]bool{}}
}

type everyRole struct{}

// Trusts implements Roles: every service may assume any role.
func (everyRole) Trusts(string, string) error { return nil }

// FaultPrefix is the prefix of the names of EKS's actions in faults.
const FaultPrefix = "eks:"

// maxRequest is above the service's own limit: a cluster has a few kilobytes.
const maxRequest = 256 << 10

// ServeHTTP answers a request in the protocol REST JSON.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, do := s.route(r)
	if do == nil {
		protocol.WriteRESTJSONError(w, &protocol.Error{
			Code: "UnknownOperationException", Message: "the local AWS does not have " + r.Method + " " + r.URL.Path + " of EKS",
			Status: http.StatusNotFound,
		}, nil)
		return
	}
	var err *protocol.Error
	if c.body, err = protocol.ReadBody(r, maxRequest); err == nil {
		var out json.RawMessage
		if out, err = s.call(c, do); err == nil {
			protocol.WriteRESTJSON(w, http.StatusOK, out)
			return
		}
	}
	protocol.WriteRESTJSONError(w, err, c.about)
}

// route finds the action of a request, and the parts of its path that are
// variables.
func (s *Service) route(r *http.Request) (*call, action) {
	parts := strings.Split(strings.Trim(r.URL.EscapedPath(), "/"), "/")
	for i, part := range parts {
		parts[i], _ = url.PathUnescape(part) // EscapedPath is valid
	}
	for _, route := range routes {
		if variables, fits := route.fits(r.Method, parts); fits {
			return &call{Service: s, ctx: r.Context(), action: route.name, path: variables, query: r.URL.Query(), about: map[string]string{}},
				route.do
		}
	}
	return nil, nil
}

func (s *Service) call(c *call, do action) (out json.RawMessage, err *protocol.Error) {
	err = s.Faults.Around(c.ctx, s.Clock, FaultPrefix+c.action, func(hit fault.Hit) (err *protocol.Error) {
		c.fails = hit.Outcome()
		out, err = s.locked(do, c)
		return err
	})
	return out, err
}

// locked does an action under the lock, and encodes its answer before the state can
// change.
func (s *Service) locked(do action, c *call) (json.RawMessage, *protocol.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.now = s.Clock.Now()
	s.settle(c.now)
	out, err := do(c)
	if err != nil {
		return nil, err
	}
	answer, wrong := json.Marshal(out)
	if wrong != nil {
		return nil, refused(http.StatusInternalServerError, "ServerException", "%v", wrong)
	}
	return answer, nil
}

// settle updates what has become ready, failed or gone by now.
func (s *Service) settle(now time.Time) {
	for _, u := range s.updates {
		u.settle(now)
	}
	var left []*cluster
	for _, c := range s.clusters {
		c.settle(s, now)
		if c.Status != gone {
			left = append(left, c)
		}
	}
	s.clusters = left
}

// in returns when something ends that takes d on AWS.
func (c *call) in(d time.Duration) time.Time {
	return c.now.Add(time.Duration(float64(d) / c.Speed))
}

type action func(*call) (any, *protocol.Error)

// pattern is a method and a path; {} is a variable.
type pattern struct {
	is, name string
	do       action
}

var routes = []pattern{
	{"POST /clusters", "CreateCluster", of(createCluster)},
	{"GET /clusters", "ListClusters", of(listClusters)},
	{"GET /clusters/{}", "DescribeCluster", of(describeCluster)},
	{"DELETE /clusters/{}", "DeleteCluster", of(deleteCluster)},
	{"POST /clusters/{}/update-config", "UpdateClusterConfig", of(updateClusterConfig)},
	{"POST /clusters/{}/updates", "UpdateClusterVersion", of(updateClusterVersion)},
	{"GET /clusters/{}/updates/{}", "DescribeUpdate", of(describeUpdate)},

	{"POST /clusters/{}/node-groups", "CreateNodegroup", of(createNodegroup)},
	{"GET /clusters/{}/node-groups", "ListNodegroups", of(listNodegroups)},
	{"GET /clusters/{}/node-groups/{}", "DescribeNodegroup", of(describeNodegroup)},
	{"DELETE /clusters/{}/node-groups/{}", "DeleteNodegroup", of(deleteNodegroup)},
	{"POST /clusters/{}/node-groups/{}/update-config", "UpdateNodegroupConfig", of(updateNodegroupConfig)},
	{"POST /clusters/{}/node-groups/{}/update-version", "UpdateNodegroupVersion", of(updateNodegroupVersion)},

	{"POST /clusters/{}/addons", "CreateAddon", of(createAddon)},
	{"GET /clusters/{}/addons", "ListAddons", of(listAddons)},
	{"GET /clusters/{}/addons/{}", "DescribeAddon", of(describeAddon)},
	{"DELETE /clusters/{}/addons/{}", "DeleteAddon", of(deleteAddon)},
	{"POST /clusters/{}/addons/{}/update", "UpdateAddon", of(updateAddon)},

	{"POST /clusters/{}/access-entries", "CreateAccessEntry", of(createAccessEntry)},
	{"GET /clusters/{}/access-entries", "ListAccessEntries", of(listAccessEntries)},
	{"GET /clusters/{}/access-entries/{}", "DescribeAccessEntry", of(describeAccessEntry)},
	{"POST /clusters/{}/access-entries/{}", "UpdateAccessEntry", of(updateAccessEntry)},
	{"DELETE /clusters/{}/access-entries/{}", "DeleteAccessEntry", of(deleteAccessEntry)},
	{"POST /clusters/{}/access-entries/{}/access-policies", "AssociateAccessPolicy", of(associateAccessPolicy)},
	{"GET /clusters/{}/access-entries/{}/access-policies", "ListAssociatedAccessPolicies", of(listAssociatedAccessPolicies)},
	{"DELETE /clusters/{}/access-entries/{}/access-policies/{}", "DisassociateAccessPolicy", of(disassociateAccessPolicy)},
	{"GET /access-policies", "ListAccessPolicies", of(listAccessPolicies)},

	{"POST /tags/{}", "TagResource", of(tagResource)},
	{"DELETE /tags/{}", "UntagResource", of(untagResource)},
	{"GET /tags/{}", "ListTagsForResource", of(listTagsForResource)},
}

// fits returns the values of the variables, and whether the pattern matches.
func (p pattern) fits(method string, parts []string) (variables []string, ok bool) {
	of, path, _ := strings.Cut(p.is, " ")
	want := strings.Split(path[1:], "/")
	if of != method || len(want) != len(parts) {
		return nil, false
	}
	for i, part := range parts {
		switch {
		case want[i] == "{}" && part != "":
			variables = append(variables, part)
		case want[i] != part:
			return nil, false
		}
	}
	return variables, true
}
