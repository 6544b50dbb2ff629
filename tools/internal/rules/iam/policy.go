package iam

import (
	"cmp"
	"slices"
	"strings"

	"github.com/mystique-unicorn/sales-events/internal/iam"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// document is a policy, and the field that contains it.
type document struct {
	name string
	text string
	at   model.Field
}

// attached is a managed policy of a role, by ARN.
type attached struct {
	arn string
	at  model.Field
}

// documents returns the policies of a role that the cluster declares, and the ARNs of its
// other policies.
func documents(r *rule.Pass, of role) (documents []document, elsewhere []attached) {
	inline, _ := model.Setting(of.object, "inlinePolicy").([]any)
	for i, entry := range inline {
		if policy, _ := entry.(map[string]any); policy["policy"] != nil {
			name, _ := policy["name"].(string)
			body, _ := policy["policy"].(string)
			documents = append(documents, document{cmp.Or(name, of.name), body, model.SettingAt(of.object, "inlinePolicy", i, "policy")})
		}
	}
	isRole := func(name string) bool { return name == of.name }
	for _, o := range r.Cluster.Managed("iam", "RolePolicy") {
		if model.Refers(o, of.object, "role", isRole) {
			documents = append(documents, policyDocument(o))
		}
	}
	for _, o := range r.Cluster.Managed("iam", "RolePolicyAttachment") {
		if !model.Refers(o, of.object, "role", isRole) {
			continue
		}
		if policy := attachedPolicy(r, o); policy != nil {
			documents = append(documents, policyDocument(policy))
		} else {
			elsewhere = append(elsewhere, attached{model.SettingText(o, "policyArn"), model.SettingAt(o, "policyArn")})
		}
	}
	for _, o := range r.Cluster.Managed("iam", "Policy") {
		if model.Refers(of.object, o, "managedPolicyArns", func(arn string) bool { return isPolicy(o, arn) }) {
			documents = append(documents, policyDocument(o))
		}
	}
	arns, _ := model.Setting(of.object, "managedPolicyArns").([]any)
	for i, entry := range arns {
		arn, _ := entry.(string)
		if !slices.ContainsFunc(r.Cluster.Managed("iam", "Policy"), func(o *render.Object) bool { return isPolicy(o, arn) }) {
			elsewhere = append(elsewhere, attached{arn, model.SettingAt(of.object, "managedPolicyArns", i)})
		}
	}
	return documents, elsewhere
}

func policyDocument(o *render.Object) document {
	return document{model.ExternalName(o), model.SettingText(o, "policy"), model.SettingAt(o, "policy")}
}

func attachedPolicy(r *rule.Pass, attachment *render.Object) *render.Object {
	for _, o := range r.Cluster.Managed("iam", "Policy") {
		if model.Refers(attachment, o, "policyArn", func(arn string) bool { return isPolicy(o, arn) }) {
			return o
		}
	}
	return nil
}

// isPolicy reports whether an object is the policy with an ARN; AWS's own policies are
// not declared.
func isPolicy(o *render.Object, arn string) bool {
	name := cmp.Or(model.SettingText(o, "path"), "/") + model.ExternalName(o)
	return !strings.Contains(arn, ":iam::aws:") && strings.HasSuffix(arn, ":policy"+name)
}

// identity returns the policies of a role that can be parsed. complete is false if it may
// have others.
func identity(r *rule.Pass, of role) (policies []*iam.Policy, complete bool) {
	documents, elsewhere := documents(r, of)
	complete = len(elsewhere) == 0 && r.Cluster.Complete(model.ManagedResources.For(of.object))
	for _, d := range documents {
		policy, err := iam.Parse(d.name, iam.IdentityPolicy, []byte(d.text))
		if err != nil {
			complete = false // rule IRSA003 reports it
			continue
		}
		policies = append(policies, policy)
	}
	return policies, complete
}

// resourcePolicy returns the policy of a queue or bucket, if the cluster declares one
// that can be parsed.
func resourcePolicy(r *rule.Pass, service, name string) *iam.Policy {
	var texts []string
	switch service {
	case "sqs":
		for _, queue := range r.Cluster.Managed("sqs", "Queue") {
			if model.SettingText(queue, "name") != name {
				continue
			}
			texts = append(texts, model.SettingText(queue, "policy"))
			for _, o := range r.Cluster.Managed("sqs", "QueuePolicy") {
				if model.Refers(o, queue, "queueUrl", func(url string) bool { return strings.HasSuffix(url, "/"+name) }) {
					texts = append(texts, model.SettingText(o, "policy"))
				}
			}
		}
	case "s3":
		for _, bucket := range r.Cluster.Managed("s3", "Bucket") {
			for _, o := range r.Cluster.Managed("s3", "BucketPolicy") {
				refers := model.Refers(o, bucket, "bucket", func(value string) bool { return value == name })
				if model.ExternalName(bucket) == name && refers {
					texts = append(texts, model.SettingText(o, "policy"))
				}
			}
		}
	}
	for _, body := range texts {
		if policy, err := iam.Parse(name, iam.ResourcePolicy, []byte(body)); body != "" && err == nil {
			return policy
		}
	}
	return nil
}

// decide evaluates a request in favour of the policies: a condition on a key that is
// known only at the time of the call is assumed to hold.
func decide(policies iam.Policies, request iam.Request) iam.Decision {
	identity := policies.Identity
	policies.Identity = nil
	for _, policy := range identity {
		policies.Identity = append(policies.Identity, assumeConditionsHold(policy, request))
	}
	if policies.Resource != nil {
		policies.Resource = assumeConditionsHold(policies.Resource, request)
	}
	return policies.Evaluate(request)
}

// assumeConditionsHold returns a policy without the conditions on keys that a request
// does not have. In an Allow they count as met, in a Deny as not met.
func assumeConditionsHold(policy *iam.Policy, request iam.Request) *iam.Policy {
	unknown := func(c iam.Condition) bool {
		switch strings.ToLower(c.Key) {
		case "aws:principalarn", "aws:principalaccount":
			return false
		}
		for key := range request.Context {
			if strings.EqualFold(key, c.Key) {
				return false
			}
		}
		return true
	}
	lenient := *policy
	lenient.Statements = nil
	for _, statement := range policy.Statements {
		if statement.Effect == iam.Deny && slices.ContainsFunc(statement.Conditions, unknown) {
			continue
		}
		statement.Conditions = slices.DeleteFunc(slices.Clone(statement.Conditions), unknown)
		lenient.Statements = append(lenient.Statements, statement)
	}
	return &lenient
}
