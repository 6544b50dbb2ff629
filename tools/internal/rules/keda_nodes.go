package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/fluxcd/pkg/apis/meta"
	corev1 "k8s.io/api/core/v1"
	quantity "k8s.io/apimachinery/pkg/api/resource"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// clusterARN is the ARN of an EKS cluster, with its region and its name.
var clusterARN = regexp.MustCompile(`^arn:aws[a-z-]*:eks:([a-z0-9-]+):[0-9]{12}:cluster/([A-Za-z0-9_-]+)$`)

// eksCluster is the EKS cluster on which an object is applied, when the
// repository declares it: the one that the ConfigMap of the Kustomization's
// kubeConfig names. Nil if it is not known.
func (r *Run) eksCluster(o *render.Object) *render.Object {
	config := o.Owner.Spec.KubeConfig
	if config == nil || config.ConfigMapRef == nil || o.Owner.Object == nil {
		return nil
	}
	data, _ := dataOf(r.Cluster, o.Owner.Object, "ConfigMap", config.ConfigMapRef.Name)
	match := clusterARN.FindStringSubmatch(data[meta.KubeConfigKeyCluster])
	if match == nil {
		return nil
	}
	clusters := r.managed("eks", "Cluster")
	i := slices.IndexFunc(clusters, func(cluster *render.Object) bool {
		return externalName(cluster) == match[2] && settingText(cluster, "region") == match[1]
	})
	if i < 0 {
		return nil
	}
	return clusters[i]
}

// isPartOf tells whether a node group or an add-on is an EKS cluster's.
func isPartOf(part, cluster *render.Object) bool {
	return refers(part, cluster, "clusterName", func(name string) bool { return name == externalName(cluster) })
}

// capacity is what the nodes of a cluster have in all once their groups are at
// their largest, before the system takes its share.
type capacity struct {
	nodes       int64
	cpu, memory quantity.Quantity
	pods        int64
}

func (c *capacity) add(nodes int64, t instanceType, podsPerNode int64) {
	c.nodes += nodes
	c.pods += nodes * podsPerNode
	c.cpu.Add(*quantity.NewQuantity(nodes*t.cpus, quantity.DecimalSI))
	c.memory.Add(*quantity.NewQuantity(nodes*t.memory, quantity.BinarySI))
}

// capacity is known when all of the cluster's nodes come from managed node groups
// of instance types that are known. Of several types it takes the largest.
func (r *Run) capacity(cluster *render.Object) (capacity, bool) {
	var all capacity
	if r.unrendered() || r.uncomposed() || makesNodes(cluster) || len(r.Cluster.Of("karpenter.sh", "NodePool")) > 0 {
		return all, false
	}
	prefixes := r.delegatesPrefixes(cluster)
	for _, group := range r.managed("eks", "NodeGroup") {
		if !isPartOf(group, cluster) {
			continue
		}
		largest, known := largestType(group)
		nodes, said := maxSize(group)
		if !known || !said {
			return all, false
		}
		podsPerNode := largest.pods
		if prefixes || podsPerNode == 0 {
			podsPerNode = maxPodsOf(largest)
		}
		all.add(nodes, largest, podsPerNode)
	}
	return all, all.nodes > 0
}

// makesNodes tells whether a cluster is in EKS Auto Mode, where nodes follow pods.
func makesNodes(cluster *render.Object) bool {
	config, _ := setting(cluster, "computeConfig").(map[string]any)
	enabled, _ := config["enabled"].(bool)
	return enabled
}

func maxSize(group *render.Object) (int64, bool) {
	scaling, _ := setting(group, "scalingConfig").(map[string]any)
	switch size := scaling["maxSize"].(type) {
	case int64:
		return size, true
	case float64:
		return int64(size), true
	default:
		return 0, false
	}
}

// delegatesPrefixes tells whether the VPC CNI gives nodes prefixes of addresses,
// which lets a node have as many pods as Kubernetes recommends. A CNI that the
// repository does not declare may do so.
func (r *Run) delegatesPrefixes(cluster *render.Object) bool {
	for _, addon := range r.managed("eks", "Addon") {
		if settingText(addon, "addonName") == "vpc-cni" && isPartOf(addon, cluster) {
			return strings.Contains(settingText(addon, "configurationValues"), `"ENABLE_PREFIX_DELEGATION":"true"`)
		}
	}
	return true
}

// maxPodsOf is what EKS recommends and its nodes take for their limit when
// prefixes are delegated:
// https://docs.aws.amazon.com/eks/latest/userguide/choosing-instance-type.html
func maxPodsOf(t instanceType) int64 {
	if t.cpus > 30 {
		return 250
	}
	return 110
}

// instanceType is what an EC2 instance has: processors, bytes of memory, and pods
// by the addresses of its network interfaces, zero if that is not known.
type instanceType struct{ cpus, memory, pods int64 }

var instanceName = regexp.MustCompile(`^([tmcr])([3-8])[a-z]*\.(nano|micro|small|medium|(\d*)x?large)$`)

// burstable are the sizes of the families t3, t3a and t4g; general those of m, c
// and r without their memory. Pods are those of eni-max-pods.txt in
// https://github.com/awslabs/amazon-eks-ami
var (
	burstable = map[string]instanceType{
		"nano": {2, 512 << 20, 4}, "micro": {2, 1 << 30, 4}, "small": {2, 2 << 30, 11}, "medium": {2, 4 << 30, 17},
		"large": {2, 8 << 30, 35}, "xlarge": {4, 16 << 30, 58}, "2xlarge": {8, 32 << 30, 58},
	}
	generalPods      = map[string]int64{"medium": 8, "large": 29, "xlarge": 58, "2xlarge": 58, "4xlarge": 234}
	gigabytesPerCore = map[string]int64{"c": 2, "m": 4, "r": 8}
)

func parseInstanceType(name string) (instanceType, bool) {
	match := instanceName.FindStringSubmatch(name)
	if match == nil {
		return instanceType{}, false
	}
	family, size := match[1], match[3]
	if family == "t" {
		t, known := burstable[size]
		return t, known
	}
	cpus := int64(4)
	switch {
	case size == "medium":
		cpus = 1
	case size == "large":
		cpus = 2
	case !strings.HasSuffix(size, "xlarge"):
		return instanceType{}, false
	case match[4] != "":
		times, err := strconv.ParseInt(match[4], 10, 16)
		if err != nil {
			return instanceType{}, false
		}
		cpus = 4 * times
	}
	return instanceType{cpus, cpus * gigabytesPerCore[family] << 30, generalPods[size]}, true
}

// largestType is the instance type of a node group that has the most of each.
func largestType(group *render.Object) (instanceType, bool) {
	names, _ := setting(group, "instanceTypes").([]any)
	var largest instanceType
	for _, name := range names {
		text, _ := name.(string)
		t, known := parseInstanceType(text)
		if !known {
			return instanceType{}, false
		}
		largest = instanceType{max(largest.cpus, t.cpus), max(largest.memory, t.memory), max(largest.pods, t.pods)}
	}
	return largest, len(names) > 0
}

// requested is what the containers of a pod ask for together while it runs.
func requested(pod corev1.PodSpec, name corev1.ResourceName) quantity.Quantity {
	var sum quantity.Quantity
	for _, container := range pod.Containers {
		sum.Add(container.Resources.Requests[name])
	}
	return sum
}

// times is what a number of pods asks for.
func times(pods int64, each quantity.Quantity) *quantity.Quantity {
	return quantity.NewMilliQuantity(pods*each.MilliValue(), each.Format)
}

func (r *Run) checkCapacity() {
	for _, s := range r.scaledObjects() {
		if s.pods == nil {
			continue
		}
		if cluster := r.eksCluster(s.object); cluster != nil {
			if nodes, known := r.capacity(cluster); known {
				r.checkRoom(s, nodes, externalName(cluster))
			}
		}
	}
}

// checkRoom holds a ScaledObject at its largest against the nodes.
func (r *Run) checkRoom(s scaled, nodes capacity, cluster string) {
	const fix = "lower maxReplicaCount, or give the node group more or larger nodes"
	pods, place := int64(s.GetHPAMaxReplicas()), on(s.object, "spec", "maxReplicaCount")
	cpu, memory := times(pods, requested(s.pods.Template.Spec, corev1.ResourceCPU)), times(pods, requested(s.pods.Template.Spec, corev1.ResourceMemory))
	switch {
	case pods > nodes.pods:
		r.report(place, fix, "%d pods are more than the %d that the %d nodes of EKS cluster %s take", pods, nodes.pods, nodes.nodes, cluster)
	case cpu.Cmp(nodes.cpu) > 0:
		r.report(place, fix, "%d pods ask for %s processors, and the %d nodes of EKS cluster %s have %s", pods, cpu, nodes.nodes, cluster, &nodes.cpu)
	case memory.Cmp(nodes.memory) > 0:
		r.report(place, fix, "%d pods ask for %s of memory, and the %d nodes of EKS cluster %s have %s", pods, memory, nodes.nodes, cluster, &nodes.memory)
	}
}

// tested are the minor versions of Kubernetes 1 with which a minor version of
// KEDA 2 is tested, from and to: https://keda.sh/docs/latest/operate/cluster/
var tested = map[int][2]int{
	10: {24, 26}, 11: {25, 27}, 12: {26, 28}, 13: {27, 29}, 14: {27, 29}, 15: {28, 30}, 16: {29, 31}, 17: {30, 32},
	18: {31, 33}, 19: {32, 34}, 20: {33, 35}, 21: {34, 36},
}

var (
	kedaMinor       = regexp.MustCompile(`^v?2\.(\d+)\.\d+$`)
	kubernetesMinor = regexp.MustCompile(`^1\.(\d+)$`)
)

// checkKubernetes warns of a version of KEDA that is not tested with that of the
// EKS cluster which it is applied to.
func (r *Run) checkKubernetes(place at, version string) {
	cluster := r.eksCluster(place.object)
	if cluster == nil {
		return
	}
	keda, kubernetes := kedaMinor.FindStringSubmatch(version), kubernetesMinor.FindStringSubmatch(settingText(cluster, "version"))
	if keda == nil || kubernetes == nil {
		return
	}
	minor, _ := strconv.Atoi(keda[1])
	window, known := tested[minor]
	if runs, _ := strconv.Atoi(kubernetes[1]); known && (runs < window[0] || runs > window[1]) {
		r.warn(place, fmt.Sprintf("take Kubernetes 1.%d to 1.%d, or another KEDA", window[0], window[1]),
			"KEDA %s is not tested with Kubernetes 1.%d, which EKS cluster %s runs", version, runs, externalName(cluster))
	}
}
