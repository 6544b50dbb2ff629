package iam

import (
	"cmp"
	"fmt"
	"strings"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"

	"github.com/mystique-unicorn/sales-events/internal/iam"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// scalerProgram is KEDA's operator, which reads queues.
const scalerProgram = "KEDA"

// exampleKey is an object's key below a program's prefix.
const exampleKey = "event_type=sale_event/dt=2026_01_31/0f8fad5b.json"

// resource is a queue or bucket as IAM sees it. The ARN for a bucket's objects ends with
// their prefix.
type resource struct{ service, name, arn string }

// call is an IAM action that a program needs on a resource. SQS authorizes a batch call
// by the action of the single call.
type call struct {
	action string
	on     resource
}

// user is a program that acts as a role.
type user struct {
	program string
	by      *render.Object // the workload, or the object with the trigger
	role    model.RoleARN
	region  string
	calls   []call
}

// users returns the known programs, and KEDA for its SQS triggers, whose roles are known.
func users(r *rule.Pass) []user {
	var all []user
	for _, w := range r.Cluster.Workloads() {
		role, annotated := roleOfPods(r, w)
		program, settings, known := r.Settings(w)
		if annotated && known {
			all = append(all, user{program.Name, w.Object, role, settings.Region, callsOf(settings, role)})
		}
	}
	for _, t := range r.Cluster.SQSTriggers() {
		region := cmp.Or(t.Text("awsRegion"), t.URL.Region)
		if role, known := scalerRole(r, t); known && t.HasURL && t.URL.IsAWS() {
			arn := fmt.Sprintf("arn:%s:sqs:%s:%s:%s", role.Partition, region, t.URL.Account, t.URL.Name)
			calls := []call{{"sqs:GetQueueAttributes", resource{"sqs", t.URL.Name, arn}}}
			all = append(all, user{scalerProgram, t.Object, role, region, calls})
		}
	}
	return all
}

// callsOf returns the calls of a program, on resources in its role's own account.
func callsOf(settings rule.Settings, role model.RoleARN) []call {
	var calls []call
	for _, use := range settings.Uses {
		target := resource{use.Service, use.Name, fmt.Sprintf("arn:%s:sqs:%s:%s:%s", role.Partition, settings.Region, role.Account, use.Name)}
		if use.Service == "s3" {
			target.arn = fmt.Sprintf("arn:%s:s3:::%s/", role.Partition, use.Name)
			if prefix := strings.Trim(use.Prefix, "/"); prefix != "" {
				target.arn += prefix + "/"
			}
		}
		for _, action := range use.Actions {
			calls = append(calls, call{action, target})
		}
	}
	return calls
}

// assumingTrigger is a trigger for which KEDA assumes another role than its own.
type assumingTrigger struct {
	model.SQSTrigger
	authentication *render.Object
	assumed        model.RoleARN
	externalID     string
}

func assumingTriggers(r *rule.Pass) []assumingTrigger {
	var all []assumingTrigger
	for _, t := range r.Cluster.SQSTriggers() {
		object, identity := podIdentity(r, t)
		if identity == nil || identity.Provider != kedav1alpha1.PodIdentityProviderAws {
			continue
		}
		a := assumingTrigger{SQSTrigger: t, authentication: object}
		known := false
		switch {
		case identity.RoleArn != nil:
			a.assumed, known = model.ParseRoleARN(*identity.RoleArn)
		case identity.IsWorkloadIdentityOwner() && t.Pods != nil:
			a.assumed, known = roleOfPods(r, *t.Pods)
		}
		if identity.ExternalID != nil {
			a.externalID = *identity.ExternalID
		}
		if known {
			all = append(all, a)
		}
	}
	return all
}

func podIdentity(r *rule.Pass, t model.SQSTrigger) (*render.Object, *kedav1alpha1.AuthPodIdentity) {
	if t.Trigger.AuthenticationRef == nil {
		return nil, nil
	}
	object := r.Cluster.Authentication(t.Object, t.Trigger.AuthenticationRef)
	if object == nil {
		return nil, nil
	}
	spec, readable := model.AuthenticationSpec(object)
	if !readable {
		return nil, nil // the schema reports it
	}
	return object, spec.PodIdentity
}

// scalerRole returns the role with which KEDA reads a trigger's queue.
func scalerRole(r *rule.Pass, t model.SQSTrigger) (model.RoleARN, bool) {
	_, identity := podIdentity(r, t)
	if identity == nil || identity.Provider != kedav1alpha1.PodIdentityProviderAws {
		return model.RoleARN{}, false
	}
	if identity.RoleArn == nil && !identity.IsWorkloadIdentityOwner() {
		operator, running := operator(r, t.Object)
		if !running {
			return model.RoleARN{}, false
		}
		return roleOfPods(r, operator)
	}
	for _, a := range assumingTriggers(r) {
		if a.Object == t.Object && a.Index == t.Index {
			return a.assumed, true
		}
	}
	return model.RoleARN{}, false
}

// pattern returns the resource in the form of policies.
func (t resource) pattern() string {
	if strings.HasSuffix(t.arn, "/") {
		return t.arn + "*"
	}
	return t.arn
}

func (u user) request(action string, target resource) iam.Request {
	request := iam.Request{
		Principal: iam.Principal{Kind: iam.AWS, ID: u.role.String()}, Action: action,
		Resource: target.arn, ResourceAccount: u.role.Account,
		Context: map[string][]string{"aws:SecureTransport": {"true"}, "aws:RequestedRegion": {u.region}},
	}
	if strings.HasSuffix(target.arn, "/") {
		request.Resource += exampleKey
	}
	return request
}
