package keda

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"

	"github.com/fluxcd/pkg/apis/meta"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Kubernetes is rule KEDA016.
var Kubernetes = rule.Rule{
	ID: "KEDA016", Severity: findings.Warning, Title: "KEDA that is not tested with the cluster's Kubernetes",
	Why: "Each minor version of KEDA is tested with three minor versions of Kubernetes " +
		"(https://keda.sh/docs/latest/operate/cluster/). The rule judges clusters whose EKS cluster the repository declares.",
	Example: "image: ghcr.io/kedacore/keda:2.21.0 # on an EKS cluster of version 1.33",
	Fix:     "Use a version of Kubernetes that KEDA is tested with, or another version of KEDA.",
	Check:   checkKubernetes,
}

// tested has the first and the last minor version of Kubernetes 1 with which a minor
// version of KEDA 2 is tested: https://keda.sh/docs/latest/operate/cluster/
var tested = map[int][2]int{
	10: {24, 26}, 11: {25, 27}, 12: {26, 28}, 13: {27, 29}, 14: {27, 29}, 15: {28, 30}, 16: {29, 31}, 17: {30, 32},
	18: {31, 33}, 19: {32, 34}, 20: {33, 35}, 21: {34, 36},
}

var (
	kedaMinor       = regexp.MustCompile(`^v?2\.(\d+)\.\d+$`)
	kubernetesMinor = regexp.MustCompile(`^1\.(\d+)$`)
)

func checkKubernetes(r *rule.Pass) {
	for _, w := range r.Cluster.Workloads() {
		for _, c := range w.MainContainers() {
			name, version := model.SplitImage(c.Image)
			if kedaImage.MatchString(name) && path.Base(name) == "keda" { // only the operator, so that there is one finding
				checkTested(r, w, c, version)
			}
		}
	}
}

func checkTested(r *rule.Pass, w model.Workload, operator model.Container, version string) {
	cluster := eksCluster(r, w.Object)
	if cluster == nil {
		return
	}
	keda, kubernetes := kedaMinor.FindStringSubmatch(version), kubernetesMinor.FindStringSubmatch(model.SettingText(cluster, "version"))
	if keda == nil || kubernetes == nil {
		return
	}
	minor, _ := strconv.Atoi(keda[1])
	window, known := tested[minor]
	if runs, _ := strconv.Atoi(kubernetes[1]); known && (runs < window[0] || runs > window[1]) {
		r.Report(operator.At("image"),
			"KEDA %s is not tested with Kubernetes 1.%d, which EKS cluster %s runs", version, runs, model.ExternalName(cluster)).
			Fix(fmt.Sprintf("use Kubernetes 1.%d to 1.%d, or another KEDA", window[0], window[1]))
	}
}

// clusterARN matches the ARN of an EKS cluster; the groups are its region and its name.
var clusterARN = regexp.MustCompile(`^arn:aws[a-z-]*:eks:([a-z0-9-]+):[0-9]{12}:cluster/([A-Za-z0-9_-]+)$`)

// eksCluster returns the declared EKS cluster to which an object is applied: the one that
// the ConfigMap of the Kustomization's kubeConfig names. It returns nil if it is unknown.
func eksCluster(r *rule.Pass, o *render.Object) *render.Object {
	kubeConfig := o.Owner.Spec.KubeConfig
	if kubeConfig == nil || kubeConfig.ConfigMapRef == nil || o.Owner.Object == nil {
		return nil
	}
	data, _ := r.Cluster.Data(o.Owner.Object, "ConfigMap", kubeConfig.ConfigMapRef.Name)
	match := clusterARN.FindStringSubmatch(data[meta.KubeConfigKeyCluster])
	if match == nil {
		return nil
	}
	clusters := r.Cluster.Managed("eks", "Cluster")
	i := slices.IndexFunc(clusters, func(cluster *render.Object) bool {
		return model.ExternalName(cluster) == match[2] && model.SettingText(cluster, "region") == match[1]
	})
	if i < 0 {
		return nil
	}
	return clusters[i]
}
