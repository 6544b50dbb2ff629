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

// missingAction is an action that production's provisioner is not granted at first. AWS
// requires it for a VPC endpoint with private DNS, and refuses the endpoint without it.
const missingAction = "route53:AssociateVPCWithHostedZone"

// missing returns the actions that a spoke's provisioner is not granted at first: one that
// creates a cluster, one that observes a queue and, for production, missingAction, which the
// provider never calls itself.
func missing(spoke string) []string {
	actions := []string{"eks:CreateCluster", "sqs:GetQueueAttributes"}
	if spoke == "production" {
		actions = append(actions, missingAction)
	}
	return actions
}

// throttling is a fault of docs/localaws.md. It affects no reads: if provider-aws cannot
// read at once what it created, it loses it and tries to create it again under the same name.
const throttling = `{"action": "ec2:Create*", "rate": 0.2, "code": "RequestLimitExceeded"}`

var (
	// brokenNetworks fails the NAT gateways and throttles the creation of launch templates.
	brokenNetworks = []string{
		`{"action": "ec2:CreateNatGateway", "rate": 1, "code": "InternalError", "fails": true}`,
		`{"action": "ec2:CreateLaunchTemplate", "rate": 1, "code": "RequestLimitExceeded"}`,
	}
	// brokenNodes fails the node groups.
	brokenNodes = `{"action": "eks:CreateNodegroup", "rate": 1, "code": "NodeCreationFailure", "fails": true}`
)

// saying is a message that a composite resource must have in its condition Provisioned.
type saying struct{ spoke, kind, message string }

// provision waits until everything of the spokes is ready, while a fifth of the creations
// in EC2 is throttled. First networks, clusters and queues fail, then nodes. The composite
// resources report it, and nothing is created that depends on a failed resource.
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

// composite returns the kind whose resources need an action.
func composite(action string) string {
	service, _, _ := strings.Cut(action, ":")
	return map[string]string{"eks": "EKSCluster", "sqs": "EventQueue", "route53": "Network"}[service]
}

// check waits until a composite resource has the message.
func (s saying) check(t *testing.T, c client.Client, account *awsAccount) {
	t.Helper()
	within(t, s.spoke+"'s "+s.kind+" reports: "+s.message, func() (string, bool) {
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

// remake deletes the failed resources, so that Crossplane creates them again, as the
// message advises.
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

// checkNone checks that the spoke has no managed resource of the kinds.
func checkNone(t *testing.T, c client.Client, spoke string, kinds ...string) {
	t.Helper()
	for _, o := range managedResources(t, c, spoke) {
		if slices.Contains(kinds, o.GetKind()) {
			t.Errorf("%s %s/%s exists before the resources that it needs are ready", o.GetKind(), spoke, o.GetName())
		}
	}
}

// checkHeld checks that the spoke's platform is not ready, and that Flux does not apply what
// depends on it.
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
