package function

import (
	"fmt"

	"github.com/mystique-unicorn/sales-events/crossplane/names"
)

// placement has the fields that the spec of every XR has: the cluster, the region and the
// account.
type placement struct {
	ClusterName        string `json:"clusterName"`
	Region             string `json:"region"`
	AccountID          string `json:"accountId"`
	ProviderConfigName string `json:"providerConfigName"`
}

// tags returns the tags of every resource that can have tags, in addition to Crossplane's
// own.
func (p placement) tags() map[string]string {
	return map[string]string{"cluster": p.ClusterName}
}

// roleARNOf returns the ARN of one of our roles.
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
