package function

import (
	"fmt"

	"github.com/mystique-unicorn/sales-events/crossplane/names"
)

// placement holds the fields that the spec of every XR has: for which cluster, and
// where.
type placement struct {
	ClusterName        string `json:"clusterName"`
	Region             string `json:"region"`
	AccountID          string `json:"accountId"`
	ProviderConfigName string `json:"providerConfigName"`
}

// tags are on everything that can be tagged, beside Crossplane's own.
func (p placement) tags() map[string]string {
	return map[string]string{"cluster": p.ClusterName}
}

// roleARNOf is the ARN of one of our roles.
func (p placement) roleARNOf(name string) string {
	return fmt.Sprintf("arn:aws:iam::%s:role%s%s", p.AccountID, names.RolePath, name)
}

func (p placement) queueARN(name string) string {
	return fmt.Sprintf("arn:aws:sqs:%s:%s:%s", p.Region, p.AccountID, name)
}

func (p placement) topicARN(name string) string {
	return fmt.Sprintf("arn:aws:sns:%s:%s:%s", p.Region, p.AccountID, name)
}

func bucketARN(name string) string {
	return "arn:aws:s3:::" + name
}
