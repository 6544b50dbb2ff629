package iam

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/mystique-unicorn/sales-events/internal/iam"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// keyActions are the actions on the KMS key that a call on an encrypted resource needs.
var keyActions = map[string][]string{
	"sqs:SendMessage":    {"kms:GenerateDataKey", "kms:Decrypt"},
	"sqs:ReceiveMessage": {"kms:Decrypt"},
	"s3:PutObject":       {"kms:GenerateDataKey"},
}

// unknownKey stands for a key whose ARN AWS assigns, or that an alias hides.
const unknownKey = "unknown"

var keyID = regexp.MustCompile(`^(?:mrk-[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$`)

// keyOf returns the ARN of the customer's KMS key of a queue or bucket, if it declares
// one. AWS's own keys are open to everyone in the account, through the service.
func keyOf(r *rule.Pass, u user, target resource) string {
	key := ""
	switch target.service {
	case "sqs":
		for _, queue := range r.Cluster.Managed("sqs", "Queue") {
			if model.SettingText(queue, "name") == target.name {
				key = model.SettingText(queue, "kmsMasterKeyId")
			}
		}
	case "s3":
		key = bucketKey(r, target.name)
	}
	switch {
	case key == "" || strings.Contains(key, "alias/aws/"):
		return ""
	case keyID.MatchString(key):
		return fmt.Sprintf("arn:%s:kms:%s:%s:key/%s", u.role.Partition, u.region, u.role.Account, key)
	case strings.HasPrefix(key, "arn:") && strings.Contains(key, ":key/"):
		return key
	}
	return unknownKey
}

func bucketKey(r *rule.Pass, name string) string {
	for _, o := range r.Cluster.Managed("s3", "BucketServerSideEncryptionConfiguration") {
		named := model.SettingText(o, "bucket") == name
		for _, bucket := range r.Cluster.Managed("s3", "Bucket") {
			refers := model.Refers(o, bucket, "bucket", func(value string) bool { return value == name })
			named = named || model.ExternalName(bucket) == name && refers
		}
		rules, _ := model.Setting(o, "rule").([]any)
		for _, entry := range rules {
			mapping, _ := entry.(map[string]any)
			for _, standard := range mappings(mapping["applyServerSideEncryptionByDefault"]) {
				if algorithm, _ := standard["sseAlgorithm"].(string); !named || !strings.HasPrefix(algorithm, "aws:kms") {
					continue
				}
				if standard["kmsMasterKeyIdRef"] != nil || standard["kmsMasterKeyIdSelector"] != nil {
					return unknownKey
				}
				key, _ := standard["kmsMasterKeyId"].(string)
				return key
			}
		}
	}
	return ""
}

// mappings returns a field that is a mapping in some versions of the provider, and a list
// with one mapping in others.
func mappings(value any) []map[string]any {
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	var all []map[string]any
	for _, entry := range list {
		if mapping, ok := entry.(map[string]any); ok {
			all = append(all, mapping)
		}
	}
	return all
}

// checkKey checks that a role may use a key. If the key's ARN is unknown, it is enough
// that the role may use some key.
func checkKey(r *rule.Pass, place model.Field, u user, o role, policies []*iam.Policy, action string, target resource, key string) {
	candidates := []string{key}
	if key == unknownKey {
		candidates = grantedResources(policies)
	}
	for _, use := range keyActions[action] {
		allowed := slices.ContainsFunc(candidates, func(arn string) bool {
			request := u.request(use, resource{arn: arn})
			request.Context["kms:ViaService"] = []string{u.endpoint(target.service)}
			return decide(iam.Policies{Identity: policies}, request).Allowed()
		})
		if !allowed {
			r.Report(place,
				"%s of %s calls %s as role %s: %s is encrypted, but the role may not %s with its key",
				u.program, u.by.Key(), action, o.name, target.name, use).
				Fix(fmt.Sprintf("allow %s on the key's ARN", use))
		}
	}
}

// endpoint returns the host name with which a service uses KMS on behalf of its callers.
func (u user) endpoint(service string) string {
	name := service + "." + u.region + ".amazonaws.com"
	if u.role.Partition == "aws-cn" {
		name += ".cn"
	}
	return name
}

func grantedResources(policies []*iam.Policy) []string {
	var all []string
	for _, policy := range policies {
		for _, grant := range policy.Grants() {
			for _, value := range grant.Resources {
				all = append(all, value.Text)
			}
		}
	}
	return all
}
