package aws

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/fluxcd/pkg/apis/meta"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// ClusterFacts is rule AWS001.
var ClusterFacts = rule.Rule{
	ID: "AWS001", Severity: findings.Error, Title: "kubeConfig with the ARN of another cluster",
	Why: "The ConfigMap of a kubeConfig has the ARN of an EKS cluster, and the cluster's managed resource repeats its account, " +
		"region and name. If only one of the two changes, Flux asks EKS for a cluster that does not exist (\"failed to " +
		"describe EKS cluster\"), or applies everything to another one " +
		"(https://fluxcd.io/flux/integrations/aws/#for-amazon-elastic-kubernetes-service).",
	Example: "data:\n  provider: aws\n  cluster: arn:aws:eks:eu-west-1:111122223333:cluster/shop # declared in eu-central-1",
	Fix:     "Write the account, the region and the name of the declared cluster into the ARN, or take both from one fact.",
	Check:   checkClusterFacts,
}

func checkClusterFacts(r *rule.Pass) {
	judged := map[*render.Object]bool{}
	for _, k := range slices.Concat(r.Cluster.Kustomizations(), r.Cluster.Releases()) {
		reference := k.Spec.KubeConfig
		if reference == nil || reference.ConfigMapRef == nil || k.Object == nil {
			continue
		}
		config := r.Cluster.Find(k.Object, "", "ConfigMap", k.Namespace, reference.ConfigMapRef.Name)
		if config == nil || judged[config] {
			continue
		}
		judged[config] = true
		data, _ := r.Cluster.Data(k.Object, "ConfigMap", config.GetName())
		named, err := arn.Parse(data[meta.KubeConfigKeyCluster])
		if data[meta.KubeConfigKeyProvider] == "aws" && err == nil && named.Service == "eks" {
			compareCluster(r, config, named)
		}
	}
}

// compareCluster compares an ARN with the EKS clusters in the ConfigMap's namespace. If
// none has the ARN's name, the ARN was meant to name one of them.
func compareCluster(r *rule.Pass, config *render.Object, named arn.ARN) {
	name := strings.TrimPrefix(named.Resource, "cluster/")
	place := model.At(config, "data", meta.KubeConfigKeyCluster)
	var others []string
	for _, cluster := range r.Cluster.Managed("eks", "Cluster") {
		if cluster.GetNamespace() != config.GetNamespace() || model.Target(cluster) != model.Target(config) {
			continue
		}
		if own := model.ExternalName(cluster); own != name {
			others = append(others, own)
			continue
		}
		region, account := model.SettingText(cluster, "region"), r.Cluster.AccountOf(cluster)
		if region != "" && region != named.Region {
			r.Report(place, "%s looks for EKS cluster %s in %s, and %s is in %s", config.Key(), name, named.Region, cluster.Key(), region).
				Fix("write the region of the cluster: " + region)
		}
		if account != "" && account != named.AccountID {
			r.Report(place, "%s looks for EKS cluster %s in account %s, and %s is made in account %s",
				config.Key(), name, named.AccountID, cluster.Key(), account).
				Fix("write the account of the cluster: " + account)
		}
		return
	}
	if len(others) > 0 && r.Cluster.Complete(model.ManagedResources.For(config)) {
		r.Report(place, "%s looks for EKS cluster %s, but the cluster declared beside it is %s", config.Key(), name, strings.Join(others, ", ")).
			Fix(rule.DidYouMean(name, others, fmt.Sprintf("name %s, or declare %s", others[0], name)))
	}
}
