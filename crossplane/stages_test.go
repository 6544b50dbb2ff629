package crossplane_test

import (
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/crossplane/crossplane-runtime/v2/pkg/meta"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// observation is the provider's status of a composed resource.
type observation struct {
	ready      bool
	created    bool   // AWS accepted it, and nothing else is known
	refused    string // the provider's reason why it failed
	atProvider map[string]any
}

// stage is a moment in the life of an XR: what is observed, and the function's result.
type stage struct {
	name     string
	others   bool // the objects that the XR depends on exist and are ready
	observed map[string]observation
	rest     bool // everything else that is ever composed is observed, and ready

	composed []string // by the function's names; nil means everything that is ever composed
	without  []string // what is missing from everything that is ever composed
	ready    bool
	reason   string // of the condition Provisioned
	message  string
	status   map[string]any
}

// withRoles returns the function's names for the roles of a cluster, their policies, its
// logs and the Usages that protect them, and some more, sorted.
func withRoles(more ...string) []string {
	all := slices.Concat(more, []string{
		"admin-grants", "admin-role",
		"cluster-before-cluster-role", "cluster-before-cluster-role-amazoneksclusterpolicy", "cluster-before-logs", "cluster-role", "cluster-role-amazoneksclusterpolicy",
		"logs", "node-role", "node-role-amazonec2containerregistrypullonly", "node-role-amazoneks-cni-policy", "node-role-amazoneksworkernodepolicy", "node-role-amazonssmmanagedinstancecore",
	})
	slices.Sort(all)
	return all
}

var (
	theCluster = map[string]any{
		"arn": "arn:aws:eks:eu-west-1:111122223333:cluster/staging", "endpoint": "https://0123.gr7.eu-west-1.eks.amazonaws.com", "status": "ACTIVE",
		"identity": []any{map[string]any{"oidc": []any{map[string]any{"issuer": issuer}}}},
	}
	theStatus = map[string]any{
		"clusterARN": "arn:aws:eks:eu-west-1:111122223333:cluster/staging", "endpoint": "https://0123.gr7.eu-west-1.eks.amazonaws.com",
		"oidcIssuer": issuer,
	}
)

const queueURL = "https://sqs.eu-west-1.amazonaws.com/111122223333/staging-reliable-q"

var stages = map[string]struct {
	example string
	stages  []stage
}{
	"eventqueues": {"minimal.yaml", []stage{
		{
			name:     "nothing is there yet",
			composed: []string{"age-alarm", "dead-letter-alarm", "dead-letter-queue", "topic"},
			reason:   "Waiting", message: "Queue staging-reliable-q-dlq is not ready",
		},
		{
			name:     "the dead-letter queue is not created: the queue waits",
			observed: map[string]observation{"dead-letter-queue": {}},
			composed: []string{"age-alarm", "dead-letter-alarm", "dead-letter-queue", "topic"},
			reason:   "Waiting", message: "Queue staging-reliable-q-dlq is not ready",
		},
		{
			name: "the dead-letter queue is created: the queue need not wait until it is ready",
			observed: map[string]observation{
				"topic": {ready: true}, "age-alarm": {ready: true}, "dead-letter-alarm": {ready: true}, "dead-letter-queue": {created: true},
			},
			composed: []string{"age-alarm", "dead-letter-alarm", "dead-letter-queue", "queue", "topic"},
			reason:   "Creating", message: "not ready yet: Queue staging-reliable-q-dlq, Queue staging-reliable-q",
		},
		{
			name: "the dead-letter queue is there",
			observed: map[string]observation{
				"topic": {ready: true}, "age-alarm": {ready: true}, "dead-letter-alarm": {ready: true},
				"dead-letter-queue": {ready: true, atProvider: map[string]any{"url": queueURL + "-dlq", "arn": "arn:aws:sqs:eu-west-1:111122223333:staging-reliable-q-dlq"}},
			},
			composed: []string{"age-alarm", "dead-letter-alarm", "dead-letter-queue", "queue", "topic"},
			reason:   "Creating", message: "not ready yet: Queue staging-reliable-q",
			status: map[string]any{"deadLetterQueueURL": queueURL + "-dlq", "deadLetterQueueARN": "arn:aws:sqs:eu-west-1:111122223333:staging-reliable-q-dlq"},
		},
		{
			name: "AWS refuses the queue",
			observed: map[string]observation{
				"queue": {refused: "create failed: the name was used within 60 seconds"},
			},
			rest:     true,
			composed: []string{"age-alarm", "dead-letter-alarm", "dead-letter-queue", "queue", "topic"},
			reason:   "Refused", message: "Queue staging-reliable-q: create failed: the name was used within 60 seconds",
		},
		{
			name:     "the dead-letter queue is repaired: the queue stays",
			observed: map[string]observation{"dead-letter-queue": {}},
			rest:     true,
			composed: []string{"age-alarm", "dead-letter-alarm", "dead-letter-queue", "queue", "topic"},
			reason:   "Creating", message: "not ready yet: Queue staging-reliable-q-dlq",
		},
		{
			name: "all is there",
			observed: map[string]observation{
				"queue": {ready: true, atProvider: map[string]any{"url": queueURL, "arn": "arn:aws:sqs:eu-west-1:111122223333:staging-reliable-q"}},
				"topic": {ready: true, atProvider: map[string]any{"arn": "arn:aws:sns:eu-west-1:111122223333:staging-reliable-q-alarms"}},
			},
			rest:     true,
			composed: []string{"age-alarm", "dead-letter-alarm", "dead-letter-queue", "queue", "topic"},
			ready:    true, reason: "Available",
			status: map[string]any{
				"queueURL": queueURL, "queueARN": "arn:aws:sqs:eu-west-1:111122223333:staging-reliable-q",
				"alarmTopicARN": "arn:aws:sns:eu-west-1:111122223333:staging-reliable-q-alarms",
			},
		},
	}},
	"eventbuckets": {"minimal.yaml", []stage{
		{
			name:     "nothing is there yet",
			composed: []string{"bucket", "protection"},
			reason:   "Waiting", message: "Bucket staging-111122223333-sales-events is not ready",
		},
		{
			name: "the bucket is there, and not everything that configures it",
			observed: map[string]observation{
				"bucket": {ready: true, atProvider: map[string]any{"id": "staging-111122223333-sales-events"}}, "encryption": {ready: true}, "lifecycle": {ready: true},
				"ownership": {ready: true}, "policy": {ready: true}, "protection": {ready: true}, "public-access-block": {ready: true}, "versioning": {},
			},
			composed: []string{"bucket", "encryption", "lifecycle", "ownership", "policy", "protection", "public-access-block", "versioning"},
			reason:   "Creating", message: "not ready yet: BucketVersioning staging-111122223333-sales-events",
			status: map[string]any{"bucketName": "staging-111122223333-sales-events"},
		},
		{
			name: "all is there",
			observed: map[string]observation{
				"bucket":     {ready: true, atProvider: map[string]any{"id": "staging-111122223333-sales-events", "arn": "arn:aws:s3:::staging-111122223333-sales-events"}},
				"encryption": {ready: true}, "lifecycle": {ready: true}, "ownership": {ready: true}, "policy": {ready: true},
				"protection": {ready: true}, "public-access-block": {ready: true}, "versioning": {ready: true},
			},
			composed: []string{"bucket", "encryption", "lifecycle", "ownership", "policy", "protection", "public-access-block", "versioning"},
			ready:    true, reason: "Available",
			status: map[string]any{"bucketName": "staging-111122223333-sales-events", "bucketARN": "arn:aws:s3:::staging-111122223333-sales-events"},
		},
	}},
	"networks": {"minimal.yaml", []stage{
		{
			name:    "nothing is there yet: the NAT gateway waits for the internet gateway",
			without: []string{"nat-a", "route-private-a", "route-private-b"},
			reason:  "Waiting", message: "InternetGateway staging-internet is not ready; NATGateway staging-nat-a is not ready",
		},
		{
			name:     "the internet gateway exists and is not attached to the VPC: AWS would fail a NAT gateway",
			observed: map[string]observation{"internet": {ready: true, atProvider: map[string]any{"id": "igw-0123456789abcdef0"}}},
			without:  []string{"nat-a", "route-private-a", "route-private-b"},
			reason:   "Waiting", message: "InternetGateway staging-internet is not ready; NATGateway staging-nat-a is not ready",
		},
		{
			name:     "the internet gateway is attached: the NAT gateway starts",
			observed: map[string]observation{"internet": {ready: true, atProvider: map[string]any{"vpcId": "vpc-0123456789abcdef0"}}, "nat-a": {}},
			rest:     true,
			reason:   "Waiting", message: "NATGateway staging-nat-a is not ready",
			status: map[string]any{"natAddresses": []any{"assigned"}},
		},
		{
			name:     "AWS failed the NAT gateway, which the provider holds for ready",
			observed: map[string]observation{"nat-a": {ready: true, atProvider: map[string]any{"id": "nat-0123456789abcdef0", "privateIp": "10.0.192.7"}}},
			rest:     true,
			reason:   "Failed", message: "NATGateway staging-nat-a: AWS reports no networkInterfaceId and no publicIp; " +
				"aws ec2 describe-nat-gateways says why; delete this object once that is corrected, Crossplane makes it again",
			status: map[string]any{"natAddresses": []any{"assigned"}},
		},
		{
			name:     "the NAT gateway is gone: its route leads nowhere",
			observed: map[string]observation{"route-private-a": {ready: true, atProvider: map[string]any{"state": "blackhole"}}},
			rest:     true,
			reason:   "Failed", message: "Route staging-route-private-a: AWS reports the state blackhole; what it leads to is gone",
			status: map[string]any{"natAddresses": []any{"assigned"}},
		},
		{
			name: "what refers to others waits for them, which is no refusal",
			observed: map[string]observation{
				"vpc":       {},
				"private-a": {refused: "cannot resolve references: mg.Spec.ForProvider.VPCID: referenced field was empty (referenced resource may not yet be ready)"},
				"internet":  {refused: "cannot resolve references: mg.Spec.ForProvider.VPCID: referenced field was empty (referenced resource may not yet be ready)"},
			},
			without: []string{"nat-a", "route-private-a", "route-private-b"},
			reason:  "Waiting", message: "InternetGateway staging-internet is not ready; NATGateway staging-nat-a is not ready; " +
				"what these refer to is not ready: InternetGateway staging-internet, Subnet staging-private-a",
		},
		{
			name: "the account has no address left",
			observed: map[string]observation{
				"address-a": {refused: "create failed: AddressLimitExceeded"},
				"vpc":       {ready: true, atProvider: map[string]any{"id": "vpc-0123456789abcdef0"}},
			},
			without: []string{"nat-a", "route-private-a", "route-private-b"},
			reason:  "Refused", message: "EIP staging-address-a: create failed: AddressLimitExceeded",
			status: map[string]any{"vpcId": "vpc-0123456789abcdef0"},
		},
		{
			name: "all is there",
			observed: map[string]observation{
				"vpc":       {ready: true, atProvider: map[string]any{"id": "vpc-0123456789abcdef0"}},
				"address-a": {ready: true, atProvider: map[string]any{"publicIp": "198.51.100.7"}},
			},
			rest:  true,
			ready: true, reason: "Available",
			status: map[string]any{"vpcId": "vpc-0123456789abcdef0", "natAddresses": []any{"198.51.100.7"}, "egress": true},
		},
	}},
	"eksclusters": {"minimal.yaml", []stage{
		{
			name: "nothing is there yet",
			composed: []string{
				"access-admin", "access-admin-policy", "admin-role", "cluster", "cluster-before-cluster-role", "cluster-before-logs", "cluster-role",
				"logs", "node-role", "node-template",
			},
			reason: "Waiting", message: "Role staging-eks-cluster is not ready; Role staging-eks-node is not ready; Role staging-eks-admin is not ready; " +
				"Cluster staging is not ready; LaunchTemplate staging-eks-nodes has not reported its latest version; Cluster staging has not reported its OIDC issuer",
		},
		{
			name: "EKS creates the cluster: its add-ons wait, and who is let in by their references",
			observed: map[string]observation{
				"admin-role": {ready: true}, "cluster-role": {ready: true}, "node-role": {ready: true},
				"cluster":             {},
				"node-template":       {ready: true, atProvider: map[string]any{"latestVersion": int64(1)}},
				"access-admin":        {refused: "cannot resolve references: mg.Spec.ForProvider.ClusterName: referenced field was empty (referenced resource may not yet be ready)"},
				"access-admin-policy": {refused: "cannot resolve references: mg.Spec.ForProvider.ClusterName: referenced field was empty (referenced resource may not yet be ready)"},
			},
			composed: withRoles("access-admin", "access-admin-policy", "cluster", "node-template"),
			reason:   "Waiting", message: "Cluster staging is not ready; Cluster staging has not reported its OIDC issuer; " +
				"what these refer to is not ready: AccessEntry staging-eks-admin, AccessPolicyAssociation staging-eks-admin",
		},
		{
			name: "the cluster is there: the nodes wait for the VPC CNI",
			observed: map[string]observation{
				"admin-role": {ready: true}, "cluster-role": {ready: true}, "node-role": {ready: true},
				"cluster":       {ready: true, atProvider: theCluster},
				"node-template": {ready: true, atProvider: map[string]any{"latestVersion": int64(1)}},
				"addon-vpc-cni": {}, "addon-kube-proxy": {ready: true},
			},
			composed: withRoles("access-admin", "access-admin-policy", "cluster", "node-template", "oidc-provider", "addon-coredns", "addon-kube-proxy", "addon-vpc-cni"),
			reason:   "Waiting", message: "Addon staging-eks-vpc-cni is not ready",
			status: theStatus,
		},
		{
			name: "the network leads nowhere yet: nodes would not find their cluster",
			observed: map[string]observation{
				"admin-role": {ready: true}, "cluster-role": {ready: true}, "node-role": {ready: true},
				"cluster":       {ready: true, atProvider: theCluster},
				"node-template": {ready: true, atProvider: map[string]any{"latestVersion": int64(1)}},
				"addon-vpc-cni": {ready: true}, "addon-kube-proxy": {ready: true}, "addon-coredns": {ready: true},
			},
			composed: withRoles("access-admin", "access-admin-policy", "cluster", "node-template", "oidc-provider", "addon-coredns", "addon-kube-proxy", "addon-vpc-cni"),
			reason:   "Waiting", message: "Network staging/staging has not reported status.egress",
			status: theStatus,
		},
		{
			name: "EKS failed to create the nodes, which the provider holds for ready",
			observed: map[string]observation{
				"cluster":       {ready: true, atProvider: theCluster},
				"node-template": {ready: true, atProvider: map[string]any{"latestVersion": int64(1)}},
				"nodes":         {ready: true, atProvider: map[string]any{"status": "CREATE_FAILED"}},
				"oidc-provider": {ready: true, atProvider: map[string]any{}},
			},
			others: true,
			rest:   true,
			reason: "Failed", message: "NodeGroup staging-eks-nodes: AWS reports the status CREATE_FAILED; " +
				"aws eks describe-nodegroup says why; delete this object once that is corrected, Crossplane makes it again",
			status: theStatus,
		},
		{
			name: "the provider has started again while EKS creates the nodes",
			observed: map[string]observation{
				"cluster":       {ready: true, atProvider: theCluster},
				"node-template": {ready: true, atProvider: map[string]any{"latestVersion": int64(1)}},
				"nodes":         {ready: true, atProvider: map[string]any{"status": "CREATING"}},
				"oidc-provider": {ready: true, atProvider: map[string]any{}},
			},
			others: true,
			rest:   true,
			reason: "Creating", message: "not ready yet: NodeGroup staging-eks-nodes (status CREATING)",
			status: theStatus,
		},
		{
			name: "EKS failed to create the cluster: no add-on starts",
			observed: map[string]observation{
				"admin-role": {ready: true}, "cluster-role": {ready: true}, "node-role": {ready: true},
				"cluster":       {ready: true, atProvider: map[string]any{"status": "FAILED"}},
				"node-template": {ready: true, atProvider: map[string]any{"latestVersion": int64(1)}},
			},
			composed: withRoles("access-admin", "access-admin-policy", "cluster", "node-template"),
			reason:   "Failed", message: "Cluster staging: AWS reports the status FAILED; " +
				"aws eks describe-cluster says why; delete this object once that is corrected, Crossplane makes it again",
		},
		{
			name:   "the VPC CNI is there: the nodes start",
			others: true,
			observed: map[string]observation{
				"cluster":       {ready: true, atProvider: theCluster},
				"node-template": {ready: true, atProvider: map[string]any{"latestVersion": int64(1)}},
				"nodes":         {}, "addon-coredns": {},
			},
			rest:   true,
			reason: "Creating", message: "not ready yet: Addon staging-eks-coredns, NodeGroup staging-eks-nodes",
			status: theStatus,
		},
		{
			name:   "the VPC CNI is repaired: the nodes stay",
			others: true,
			observed: map[string]observation{
				"cluster":       {ready: true, atProvider: theCluster},
				"node-template": {ready: true, atProvider: map[string]any{"latestVersion": int64(1)}},
				"addon-vpc-cni": {},
			},
			rest:   true,
			reason: "Creating", message: "not ready yet: Addon staging-eks-vpc-cni",
			status: theStatus,
		},
		{
			name:   "all is there",
			others: true,
			observed: map[string]observation{
				"cluster":       {ready: true, atProvider: theCluster},
				"node-template": {ready: true, atProvider: map[string]any{"latestVersion": int64(1)}},
				"oidc-provider": {ready: true, atProvider: map[string]any{"arn": "arn:aws:iam::111122223333:oidc-provider/oidc.eks"}},
			},
			rest:  true,
			ready: true, reason: "Available",
			status: map[string]any{
				"clusterARN": "arn:aws:eks:eu-west-1:111122223333:cluster/staging", "endpoint": "https://0123.gr7.eu-west-1.eks.amazonaws.com",
				"oidcIssuer": issuer, "oidcProviderARN": "arn:aws:iam::111122223333:oidc-provider/oidc.eks",
			},
		},
		{
			name: "what AWS assigned is not observed for a moment: nodes and issuer stay",
			observed: map[string]observation{
				"cluster": {ready: true, atProvider: map[string]any{"status": "ACTIVE"}}, "node-template": {ready: true, atProvider: map[string]any{}},
				"oidc-provider": {ready: true, atProvider: map[string]any{}},
			},
			rest:  true,
			ready: true, reason: "Waiting", message: "LaunchTemplate staging-eks-nodes has not reported its latest version; Cluster staging has not reported its OIDC issuer",
		},
	}},
	"workloadroles": {"consumer.yaml", []stage{
		{
			name:     "the cluster has no issuer yet",
			composed: []string{},
			reason:   "Waiting", message: "EKSCluster staging/staging has not reported status.oidcIssuer",
		},
		{
			name:     "the cluster has one",
			others:   true,
			composed: []string{"role"},
			reason:   "Waiting", message: "Role staging-consumer is not ready",
		},
		{
			name:     "the role is there",
			others:   true,
			observed: map[string]observation{"role": {ready: true}},
			composed: []string{"policy", "role"},
			reason:   "Creating", message: "not ready yet: RolePolicy staging-consumer",
		},
		{
			name:   "all is there",
			others: true,
			observed: map[string]observation{
				"role":   {ready: true, atProvider: map[string]any{"id": "staging-consumer", "arn": "arn:aws:iam::111122223333:role/staging-consumer"}},
				"policy": {ready: true},
			},
			composed: []string{"policy", "role"},
			ready:    true, reason: "Available",
			status: map[string]any{"roleName": "staging-consumer", "roleARN": "arn:aws:iam::111122223333:role/staging-consumer"},
		},
		{
			name: "the cluster is gone: its pods keep their role",
			observed: map[string]observation{
				"role":   {ready: true, atProvider: map[string]any{"id": "staging-consumer", "arn": "arn:aws:iam::111122223333:role/staging-consumer"}},
				"policy": {ready: true},
			},
			composed: []string{"policy", "role"},
			ready:    true, reason: "Waiting", message: "EKSCluster staging/staging has not reported status.oidcIssuer",
			status: map[string]any{"roleName": "staging-consumer", "roleARN": "arn:aws:iam::111122223333:role/staging-consumer"},
		},
	}},
}

// Each API reports its progress, passes on the values that AWS assigns, and never leaves
// out what it composed before.
func TestStages(t *testing.T) {
	for plural := range allAPIs(t) {
		life, found := stages[plural]
		if !found {
			t.Errorf("%s has no stages", plural)
			continue
		}
		xr := readExample(t, plural, filepath.Join("examples", plural, life.example))
		complete := compose(t, xr).composed
		for _, s := range life.stages {
			t.Run(plural+"/"+s.name, func(t *testing.T) { s.check(t, xr, complete) })
		}
	}
}

func (s stage) check(t *testing.T, xr *unstructured.Unstructured, complete map[string]*unstructured.Unstructured) {
	t.Helper()
	w := s.world(t, xr, complete)
	got := run(t, xr, w)
	if got.fatal != "" {
		t.Fatal(got.fatal)
	}
	want := s.composed
	if want == nil {
		want = slices.DeleteFunc(slices.Sorted(maps.Keys(complete)), func(id string) bool { return slices.Contains(s.without, id) })
	}
	if composed := slices.Sorted(maps.Keys(got.composed)); !slices.Equal(composed, want) {
		t.Errorf("composed %q, want %q", composed, want)
	}
	for id := range w.composed {
		if desired := got.composed[id]; desired == nil {
			t.Errorf("%s was composed, and is left out", id)
		} else if diff := cmp.Diff(complete[id].Object, desired.Object); diff != "" {
			t.Errorf("%s changed (-before +after):\n%s", id, diff)
		}
	}
	if ready := got.ready(t); ready != s.ready {
		t.Errorf("ready is %t, want %t", ready, s.ready)
	}
	if reason, message := got.condition(t); reason != s.reason || message != s.message {
		t.Errorf("Provisioned is\n%s: %s\nwant\n%s: %s", reason, message, s.reason, s.message)
	}
	// A warning about normal progress would be a false alarm.
	if warned := slices.ContainsFunc(got.rsp.GetResults(), isWarning); warned != (s.reason == "Refused" || s.reason == "Failed") {
		t.Errorf("warned is %t", warned)
	}
	if diff := cmp.Diff(s.status, got.status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

func isWarning(result *fnv1.Result) bool {
	return result.GetSeverity() == fnv1.Severity_SEVERITY_WARNING
}

func (s stage) world(t *testing.T, xr *unstructured.Unstructured, complete map[string]*unstructured.Unstructured) world {
	t.Helper()
	w := world{composed: map[string]*unstructured.Unstructured{}}
	if s.others {
		w.others = othersOf(xr)
	}
	for id := range complete {
		o, observed := s.observed[id]
		if !observed && !s.rest {
			continue
		}
		object := complete[id].DeepCopy()
		o.ready = o.ready || !observed
		if o.ready && o.atProvider == nil {
			o.atProvider = usable(t, object)
		}
		conditions := []any{condition("Synced", o.refused == "", o.refused), condition("Ready", o.ready, "")}
		object.Object["status"] = map[string]any{"conditions": conditions, "atProvider": o.atProvider}
		if o.created {
			meta.SetExternalCreateSucceeded(object, time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC))
		}
		w.composed[id] = object
	}
	return w
}

func condition(kind string, holds bool, message string) map[string]any {
	status := "False"
	if holds {
		status = "True"
	}
	return map[string]any{
		"type": kind, "status": status, "message": message,
		"reason": "Observed", "lastTransitionTime": "2026-01-31T08:00:00Z",
	}
}

// A NAT gateway that is created again has another id. Its routes point to the old one
// until the new one works.
func TestRouteFollowsNATGateway(t *testing.T) {
	xr := readExample(t, "networks", "examples/networks/minimal.yaml")
	complete := compose(t, xr).composed
	for name, test := range map[string]struct {
		nat  observation
		want string
	}{
		"the new one is not ready": {observation{atProvider: map[string]any{"id": "nat-1"}}, "nat-0123456789abcdef0"},
		"the new one is ready": {observation{ready: true, atProvider: map[string]any{
			"id": "nat-1", "networkInterfaceId": "eni-1", "publicIp": "198.51.100.7",
		}}, "nat-1"},
	} {
		t.Run(name, func(t *testing.T) {
			w := stage{rest: true, observed: map[string]observation{"nat-a": test.nat}}.world(t, xr, complete)
			for _, id := range []string{"route-private-a", "route-private-b"} {
				route := run(t, xr, w).composed[id]
				if got, _, _ := unstructured.NestedString(route.Object, "spec", "forProvider", "natGatewayId"); got != test.want {
					t.Errorf("%s leads to %q, want %q", id, got, test.want)
				}
			}
		})
	}
}
