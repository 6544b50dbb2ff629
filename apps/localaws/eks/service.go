// Package eks serves the part of Amazon EKS that a cluster of this system is made
// of: clusters, managed node groups, add-ons and access entries, over EKS's REST
// JSON protocol. docs/localaws.md has every action, and where it differs from
// AWS.
//
// It is simulated: node groups have no machines and clusters no control plane. It
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

// Options are what a Service is made of.
type Options struct {
	// Region and AccountID are those of everything that the service has.
	Region, AccountID string
	Clock             clock.Clock
	Faults            *fault.Faults
	// Guard decides who may do what; nil lets everybody do everything.
	Guard access.Guard
	// Roles reports whether EKS can assume a role; nil means that it always can.
	Roles Roles
	// Network has the subnets of clusters and nodes.
	Network Network
	// Speed is how many times faster than on AWS things become ready; 0 is as on
	// AWS.
	Speed float64
	// Server is the API server that stands for the one of a cluster. Without it
	// the endpoint of a cluster leads nowhere.
	Server Server
}

// Server is where the API server of a cluster is.
type Server struct {
	// Cluster is the name of the cluster that has it; empty means every cluster.
	Cluster  string `json:"cluster,omitempty"`
	Endpoint string `json:"endpoint"`
	// CertificateAuthority signs its certificate, in PEM.
	CertificateAuthority string `json:"certificateAuthority,omitempty"`
	// Issuer is the issuer of its ServiceAccounts' tokens.
	Issuer string `json:"issuer,omitempty"`
}

// Roles are IAM's.
type Roles interface {
	// Trusts is nil if the role exists and lets the service assume it.
	Trusts(roleARN, service string) error
}

// Network is EC2's.
type Network interface {
	// VPCOf is the VPC of subnets, and in how many availability zones they are.
	VPCOf(subnets []string) (vpcID string, zones int, err error)
	// NewGroup makes a security group that allows traffic between its members;
	// DeleteGroup deletes it unless it is in use.
	NewGroup(vpcID, name, description string, tags map[string]string) (id string)
	DeleteGroup(id string)
	// Attach makes a network interface in each of the subnets, Detach removes those
	// of the same owner.
	Attach(of, description string, subnets, groups []string) error
	Detach(of string)
	// Template is the launch template of an id or a name, and its version.
	Template(id, name, version string) (foundID, foundName, number string, err error)
	// ReachesAWS is nil if a machine in the subnet could join a cluster.
	ReachesAWS(subnetID string) error
}

// How long AWS takes, about. Nodes that cannot join are given up after a while.
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
	// linked are the service-linked roles that EKS has made.
	linked map[string]bool
}

// New makes a service of an account that has no cluster.
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

// Trusts is Roles': every service may assume any.
func (everyRole) Trusts(string, string) error { return nil }

// FaultPrefix begins the actions of EKS among the faults; the action follows.
const FaultPrefix = "eks:"

// maxRequest is above what the service takes: a cluster of a few kilobytes.
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

// locked returns the answer as it is now.
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

// in returns when something ends that takes AWS d.
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

// fits returns what stands for the variables.
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
