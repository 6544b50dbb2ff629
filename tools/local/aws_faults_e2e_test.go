//go:build e2e

package main

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// missingAction is what production's provisioner is not allowed at first: AWS asks for it
// when a VPC endpoint gets its private DNS, and refuses the endpoint without.
const missingAction = "route53:AssociateVPCWithHostedZone"

// missing are the actions that a spoke's provisioner is not allowed at first: to create a
// cluster, to observe a queue, and production's the one that nobody calls by its name.
func missing(spoke string) []string {
	actions := []string{"eks:CreateCluster", "sqs:GetQueueAttributes"}
	if spoke == "production" {
		actions = append(actions, missingAction)
	}
	return actions
}

// The faults, as docs/localaws.md has them.
//
// Throttling spares the reading: provider-aws loses what it created, and could not read
// at once, and makes it again under a name that is then taken.
const throttling = `{"action": "ec2:Create*", "rate": 0.2, "code": "RequestLimitExceeded"}`

var (
	// brokenNetworks: no network leads out, and of launch templates there are too many calls.
	brokenNetworks = []string{
		`{"action": "ec2:CreateNatGateway", "rate": 1, "code": "InternalError", "fails": true}`,
		`{"action": "ec2:CreateLaunchTemplate", "rate": 1, "code": "RequestLimitExceeded"}`,
	}
	brokenNodes = `{"action": "eks:CreateNodegroup", "rate": 1, "code": "NodeCreationFailure", "fails": true}`
)

// saying is what a composite resource says in its condition Provisioned.
type saying struct{ spoke, kind, message string }

// provision waits until everything of the spokes is ready, which a fifth of EC2's
// creations delay. Before that networks, clusters and queues fail, and then nodes: the composite
// resources say so, and nothing is begun that needs what failed.
func provision(t *testing.T, c client.Client, account *awsAccount) {
	t.Helper()
	for _, spoke := range spokes {
		saying{spoke, "Network", "NATGateway " + spoke + "-nat-a: AWS reports no"}.check(t, c, account)
		saying{spoke, "EKSCluster", "RequestLimitExceeded"}.check(t, c, account)
		for _, action := range missing(spoke) {
			saying{spoke, composite(action), "not authorized to perform: " + action}.check(t, c, account)
		}
	}
	for _, spoke := range spokes {
		checkNone(t, c, spoke, "Addon", "NodeGroup")
		checkHeld(t, c, spoke)
	}
	for _, spoke := range spokes {
		account.grant(t, spoke)
	}
	account.inject(t, brokenNodes, throttling)
	remake(t, c, "NATGateway")
	for _, spoke := range spokes {
		saying{spoke, "EKSCluster", "AWS reports the status CREATE_FAILED"}.check(t, c, account)
		checkHeld(t, c, spoke)
	}
	account.inject(t, throttling)
	remake(t, c, "NodeGroup")
	for _, spoke := range spokes {
		account.checkProvisioned(t, c, spoke)
	}
	account.inject(t)
}

// composite is the kind that composes what needs an action.
func composite(action string) string {
	service, _, _ := strings.Cut(action, ":")
	return map[string]string{"eks": "EKSCluster", "sqs": "EventQueue", "route53": "Network"}[service]
}

// check waits until the composite resource says it.
func (s saying) check(t *testing.T, c client.Client, account *awsAccount) {
	t.Helper()
	within(t, provisioning, s.spoke+"'s "+s.kind+" says: "+s.message, func() (string, bool) {
		account.checkDenied(t)
		var said []string
		for _, o := range composites(t, c, s.spoke) {
			if o.GetKind() != s.kind {
				continue
			}
			is := conditionOf(o, "Provisioned")
			said = append(said, is.Reason+": "+is.Message)
			if is.Status == corev1.ConditionFalse && slices.Contains([]string{"Failed", "Refused"}, is.Reason) &&
				strings.Contains(is.Message, s.message) {
				t.Logf("%s %s/%s, %s: %s", s.kind, s.spoke, o.GetName(), is.Reason, is.Message)
				return "", true
			}
		}
		return strings.Join(said, "; "), false
	})
}

// remake deletes what failed, for Crossplane to make it again: so the message advises.
func remake(t *testing.T, c client.Client, kind string) {
	t.Helper()
	for _, spoke := range spokes {
		for _, o := range managedResources(t, c, spoke) {
			if o.GetKind() == kind {
				if err := client.IgnoreNotFound(c.Delete(t.Context(), o)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// checkNone holds that nothing of the kinds was begun.
func checkNone(t *testing.T, c client.Client, spoke string, kinds ...string) {
	t.Helper()
	for _, o := range managedResources(t, c, spoke) {
		if slices.Contains(kinds, o.GetKind()) {
			t.Errorf("%s %s/%s was begun before what it needs", o.GetKind(), spoke, o.GetName())
		}
	}
}

// checkHeld holds that Flux does not go on to what is on the spoke.
func checkHeld(t *testing.T, c client.Client, spoke string) {
	t.Helper()
	for _, o := range named(list(t, c, kustomization, spoke), "platform", "keda") {
		if conditionOf(o, "Ready").Status == corev1.ConditionTrue {
			t.Errorf("Kustomization %s/%s is ready", spoke, o.GetName())
		}
		if applied, _, _ := unstructured.NestedString(o.Object, "status", "lastAppliedRevision"); o.GetName() == "keda" && applied != "" {
			t.Errorf("Flux applied %s/keda, which depends on the platform", spoke)
		}
	}
}
