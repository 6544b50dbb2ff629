package rules

import (
	"cmp"
	"slices"
	"strings"

	"github.com/mystique-unicorn/sales-events/internal/iam"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// document is a policy where an object holds it.
type document struct {
	name string
	text string
	at   at
}

// attached is a managed policy that a role has, by ARN.
type attached struct {
	arn string
	at  at
}

// documents are the policies of a role that the cluster declares, and the ARNs
// of those that it does not.
func (r *Run) documents(of role) (documents []document, elsewhere []attached) {
	inline, _ := setting(of.object, "inlinePolicy").([]any)
	for i, entry := range inline {
		if policy, _ := entry.(map[string]any); policy["policy"] != nil {
			name, _ := policy["name"].(string)
			body, _ := policy["policy"].(string)
			documents = append(documents, document{cmp.Or(name, of.name), body, settingAt(of.object, "inlinePolicy", i, "policy")})
		}
	}
	isRole := func(name string) bool { return name == of.name }
	for _, o := range r.managed("iam", "RolePolicy") {
		if refers(o, of.object, "role", isRole) {
			documents = append(documents, policyDocument(o))
		}
	}
	for _, o := range r.managed("iam", "RolePolicyAttachment") {
		if !refers(o, of.object, "role", isRole) {
			continue
		}
		if policy := r.attachedPolicy(o); policy != nil {
			documents = append(documents, policyDocument(policy))
		} else {
			elsewhere = append(elsewhere, attached{settingText(o, "policyArn"), settingAt(o, "policyArn")})
		}
	}
	for _, o := range r.managed("iam", "Policy") {
		if refers(of.object, o, "managedPolicyArns", func(arn string) bool { return isPolicy(o, arn) }) {
			documents = append(documents, policyDocument(o))
		}
	}
	arns, _ := setting(of.object, "managedPolicyArns").([]any)
	for i, entry := range arns {
		arn, _ := entry.(string)
		if !slices.ContainsFunc(r.managed("iam", "Policy"), func(o *render.Object) bool { return isPolicy(o, arn) }) {
			elsewhere = append(elsewhere, attached{arn, settingAt(of.object, "managedPolicyArns", i)})
		}
	}
	return documents, elsewhere
}

func policyDocument(o *render.Object) document {
	return document{externalName(o), settingText(o, "policy"), settingAt(o, "policy")}
}

func (r *Run) attachedPolicy(attachment *render.Object) *render.Object {
	for _, o := range r.managed("iam", "Policy") {
		if refers(attachment, o, "policyArn", func(arn string) bool { return isPolicy(o, arn) }) {
			return o
		}
	}
	return nil
}

// isPolicy compares the ARN of a policy of anyone's but AWS's.
func isPolicy(o *render.Object, arn string) bool {
	return !strings.Contains(arn, ":iam::aws:") && strings.HasSuffix(arn, ":policy"+cmp.Or(settingText(o, "path"), "/")+externalName(o))
}

// identity are the policies of a role as far as they can be read. Complete is
// false when it may have others.
func (r *Run) identity(of role) (policies []*iam.Policy, complete bool) {
	documents, elsewhere := r.documents(of)
	complete = len(elsewhere) == 0 && !r.unrendered() && !r.uncomposed()
	for _, d := range documents {
		policy, err := iam.Parse(d.name, iam.IdentityPolicy, []byte(d.text))
		if err != nil {
			complete = false // IRSA003 says why
			continue
		}
		policies = append(policies, policy)
	}
	return policies, complete
}

// resourcePolicy is the policy of a queue or bucket itself, if the cluster
// declares one that can be read.
func (r *Run) resourcePolicy(service, name string) *iam.Policy {
	var texts []string
	switch service {
	case "sqs":
		for _, queue := range r.managed("sqs", "Queue") {
			if settingText(queue, "name") != name {
				continue
			}
			texts = append(texts, settingText(queue, "policy"))
			for _, o := range r.managed("sqs", "QueuePolicy") {
				if refers(o, queue, "queueUrl", func(url string) bool { return strings.HasSuffix(url, "/"+name) }) {
					texts = append(texts, settingText(o, "policy"))
				}
			}
		}
	case "s3":
		for _, bucket := range r.managed("s3", "Bucket") {
			for _, o := range r.managed("s3", "BucketPolicy") {
				if externalName(bucket) == name && refers(o, bucket, "bucket", func(value string) bool { return value == name }) {
					texts = append(texts, settingText(o, "policy"))
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

// decide evaluates a request in favour of the policies: conditions on what is
// known only at the time of the call are taken to be met.
func decide(policies iam.Policies, request iam.Request) iam.Decision {
	identity := policies.Identity
	policies.Identity = nil
	for _, policy := range identity {
		policies.Identity = append(policies.Identity, favoured(policy, request))
	}
	if policies.Resource != nil {
		policies.Resource = favoured(policies.Resource, request)
	}
	return policies.Evaluate(request)
}

func favoured(policy *iam.Policy, request iam.Request) *iam.Policy {
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
