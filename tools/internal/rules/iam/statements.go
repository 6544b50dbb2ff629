package iam

import (
	"slices"
	"strings"

	"github.com/mystique-unicorn/sales-events/internal/iam"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Statements is rule IRSA008.
var Statements = rule.Rule{
	ID: "IRSA008", Severity: findings.Error, Title: "action on a resource of another kind",
	Why: "Some actions of S3 apply to the bucket, arn:aws:s3:::NAME, and others to its objects, arn:aws:s3:::NAME/*. AWS " +
		"accepts a statement that allows s3:ListBucket on the objects, but it allows nothing, and the call is denied " +
		"(https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html). The same holds for an " +
		"action of SQS on the ARN of a bucket.",
	Example: "\"Action\": \"s3:ListBucket\", \"Resource\": \"arn:aws:s3:::shop/*\"",
	Fix:     "Name the ARN that the action applies to: the bucket's, or that of its objects.",
	Check:   checkStatements,
}

func checkStatements(r *rule.Pass) {
	seen := map[string]bool{}
	var all []document
	for _, o := range roles(r) {
		documents, _ := documents(r, o)
		all = append(all, documents...)
	}
	for _, o := range r.Cluster.Managed("iam", "Policy") {
		all = append(all, policyDocument(o))
	}
	for _, d := range all {
		policy, err := iam.Parse(d.name, iam.IdentityPolicy, []byte(d.text))
		if err != nil || seen[d.text] {
			continue // rule IRSA003 reports it
		}
		seen[d.text] = true
		for _, grant := range policy.Grants() {
			checkActions(r, d.at, d.name, grant)
		}
	}
}

func checkActions(r *rule.Pass, place model.Field, name string, grant iam.Grant) {
	for _, action := range grant.Actions {
		service, verb, _ := strings.Cut(strings.ToLower(action.Text), ":")
		if service != "s3" && service != "sqs" || strings.ContainsAny(verb, "*?") {
			continue
		}
		if slices.ContainsFunc(grant.Resources, func(resource iam.Value) bool { return mayMean(service, verb, resource.Text) }) {
			continue
		}
		r.Report(place,
			"policy %s allows %s (%s) on %s alone, to which it never applies", name, action.Text, action.Path, listed(grant.Resources)).
			Fix("name " + resourceOf(service, verb))
	}
}

// mayMean reports whether a policy's resource can be one that the action applies to.
func mayMean(service, verb, resource string) bool {
	if !strings.HasPrefix(resource, "arn:") {
		return true // everything, or a resource that only AWS knows
	}
	parts := strings.SplitN(resource, ":", 6)
	if len(parts) < 6 || strings.ContainsAny(parts[2], "*?$") || strings.Contains(parts[5], "$") {
		return true
	}
	switch {
	case parts[2] != service:
		return false
	case service != "s3" || parts[3] != "" || parts[4] != "":
		return true // a queue, or an access point
	case onObjects(verb):
		return strings.ContainsAny(parts[5], "/*?")
	case onBucket(verb):
		bucket, _, objects := strings.Cut(parts[5], "/")
		return !objects || strings.Contains(bucket, "*")
	}
	return true
}

// onBucket reports whether an S3 action, in lower case, applies to a bucket.
func onBucket(verb string) bool {
	return strings.Contains(verb, "bucket") && verb != "listallmybuckets"
}

// onObjects reports whether an S3 action, in lower case, applies to objects.
func onObjects(verb string) bool {
	return !onBucket(verb) && (strings.Contains(verb, "object") || verb == "abortmultipartupload" ||
		verb == "listmultipartuploadparts")
}

func resourceOf(service, verb string) string {
	switch {
	case service == "sqs":
		return "the queue's ARN"
	case onBucket(verb):
		return "the bucket's ARN, arn:aws:s3:::NAME"
	}
	return "the ARN of the objects, arn:aws:s3:::NAME/*"
}

func listed(values []iam.Value) string {
	var texts []string
	for _, value := range values {
		texts = append(texts, value.Text)
	}
	return strings.Join(texts, ", ")
}
