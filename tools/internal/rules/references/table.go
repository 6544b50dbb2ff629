package references

import (
	_ "embed"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
)

// reference is a field that refers to an object.
type reference struct {
	// from is the kind with the field, at a path in kustomize's form. The field is the
	// name, or a mapping with the name and, where they are possible, namespace, kind and
	// apiVersion or group.
	from schema.GroupKind
	path string
	// to is the kind that it refers to. If it has no kind, the mapping says it, or else
	// it is usual.
	to    schema.GroupKind
	usual string
	in    place
	// effect is the consequence of a missing object.
	effect string
	// missing is the severity if no object has the name, nor a similar one; empty if such
	// objects are often created elsewhere.
	missing findings.Severity
	// unless reports whether the field has no effect; nil means never.
	unless func(*render.Object) bool
}

// place says where a field's object is looked up.
type place int

const (
	beside   place = iota // in the mapping's namespace, or else the object's own
	cluster               // cluster-scoped
	operator              // in the namespace of KEDA's operator
	applied               // on the API server to which the Kustomization applies
)

// anyOfFlux is the group of a Flux kind in references that have only the kind.
const anyOfFlux = "*.toolkit.fluxcd.io"

// The groups, kinds and severities of the table.
const (
	admission     = "admissionregistration.k8s.io"
	certManager   = "cert-manager.io"
	gateway       = "gateway.networking.k8s.io"
	image         = "image.toolkit.fluxcd.io"
	keda          = "keda.sh"
	kustomize     = "kustomize.toolkit.fluxcd.io"
	notification  = "notification.toolkit.fluxcd.io"
	packages      = "pkg.crossplane.io"
	secrets       = "external-secrets.io"
	runtimeConfig = "DeploymentRuntimeConfig"

	failure = findings.Error
	warning = findings.Warning
	silent  = findings.Severity("")
)

var (
	anyKind         = kind("", "")
	ofFlux          = kind(anyOfFlux, "")
	configMap       = kind("", "ConfigMap")
	admissionPolicy = kind(admission, "ValidatingAdmissionPolicy")
)

// The consequences that several fields share.
const (
	noStart    = "its pods do not start"
	onlyLogged = "KEDA only logs it"
)

// own are the references that kustomize does not know. A new one needs only a line.
var own = []reference{
	{kind(kustomize, "Kustomization"), "spec/healthChecks", anyKind, "", applied, "it never becomes ready", warning, waits},
	{kind(notification, "Alert"), "spec/providerRef", kind(notification, "Provider"), "", beside, "nobody is told anything", warning, nil},
	{kind(notification, "Alert"), "spec/eventSources", ofFlux, "", beside, "it sends nothing", warning, nil},
	{kind(notification, "Receiver"), "spec/resources", ofFlux, "", beside, "it triggers nothing", warning, nil},
	{kind(image, "ImagePolicy"), "spec/imageRepositoryRef", kind(image, "ImageRepository"), "", beside, "no image is found", failure, nil},
	{kind(image, "ImageUpdateAutomation"), "spec/sourceRef", ofFlux, "", beside, "nothing is updated", warning, nil},
	{kind(keda, "TriggerAuthentication"), "spec/configMapTargetRef", configMap, "", beside, onlyLogged, silent, nil},
	{kind(keda, "ClusterTriggerAuthentication"), "spec/configMapTargetRef", configMap, "", operator, onlyLogged, silent, nil},
	{kind(keda, "ClusterTriggerAuthentication"), "spec/secretTargetRef", kind("", "Secret"), "", operator, onlyLogged, silent, nil},
	{kind("autoscaling.k8s.io", "VerticalPodAutoscaler"), "spec/targetRef", anyKind, "", beside, "it changes nothing", warning, nil},
	{kind(gateway, "HTTPRoute"), "spec/rules/backendRefs", anyKind, "Service", beside, "it answers 500", warning, nil},
	{kind(gateway, "HTTPRoute"), "spec/parentRefs", kind(gateway, ""), "Gateway", beside, "nothing is routed", silent, nil},
	{kind(certManager, "Certificate"), "spec/issuerRef", kind(certManager, ""), "Issuer", beside, "no certificate is issued", warning, nil},
	{kind(secrets, "ExternalSecret"), "spec/secretStoreRef", kind(secrets, ""), "SecretStore", beside, "no Secret is made", silent, nil},
	{kind("karpenter.sh", "NodePool"), "spec/template/spec/nodeClassRef", anyKind, "", cluster, "no node is made", warning, nil},
	{kind(packages, "Provider"), "spec/runtimeConfigRef", kind(packages, ""), runtimeConfig, cluster, noStart, failure, nil},
	{kind(packages, "Function"), "spec/runtimeConfigRef", kind(packages, ""), runtimeConfig, cluster, noStart, failure, nil},
	{kind(admission, "ValidatingAdmissionPolicyBinding"), "spec/policyName", admissionPolicy, "", cluster, "nothing is refused", warning, nil},
}

// waits reports whether a Kustomization waits for all its objects, and so ignores its
// health checks.
func waits(o *render.Object) bool {
	wait, _, _ := unstructured.NestedBool(o.Object, "spec", "wait")
	return wait
}

// targets are the kinds to which kustomize's references refer: their groups, the
// consequence of a missing object, and its severity.
var targets = map[string]reference{
	"Deployment":            {to: kind("apps", "Deployment"), effect: "nothing is scaled", missing: findings.Warning},
	"ReplicaSet":            {to: kind("apps", "ReplicaSet"), effect: "nothing is scaled", missing: findings.Warning},
	"StatefulSet":           {to: kind("apps", "StatefulSet"), effect: "nothing is scaled", missing: findings.Warning},
	"ConfigMap":             {to: kind("", "ConfigMap"), effect: noStart, missing: findings.Warning},
	"Secret":                {to: kind("", "Secret"), effect: "whatever needs it fails"},
	"Service":               {to: kind("", "Service"), effect: "nobody answers", missing: findings.Warning},
	"Role":                  {to: kind("rbac.authorization.k8s.io", "Role"), effect: "nobody gets a permission", missing: findings.Warning},
	"ClusterRole":           {to: kind("rbac.authorization.k8s.io", "ClusterRole"), in: cluster, effect: "nobody gets a permission"},
	"ServiceAccount":        {to: kind("", "ServiceAccount"), effect: "nobody gets a permission", missing: findings.Warning},
	"PersistentVolumeClaim": {to: kind("", "PersistentVolumeClaim"), effect: noStart, missing: findings.Warning},
	"PersistentVolume":      {to: kind("", "PersistentVolume"), in: cluster, effect: "the claim stays pending"},
	"StorageClass":          {to: kind("storage.k8s.io", "StorageClass"), in: cluster, effect: "the claim stays pending"},
	"PriorityClass":         {to: kind("scheduling.k8s.io", "PriorityClass"), in: cluster, effect: "the pods are refused"},
	"IngressClass":          {to: kind("networking.k8s.io", "IngressClass"), in: cluster, effect: "nobody serves it"},
}

// kustomized are the references that kustomize's name transformers follow, one on each
// line: the kind that is referred to, the kind with the field, and its path.
//
//go:embed kustomize.txt
var kustomized string

// table has all references. Rule POD009 judges what pods use of ConfigMaps, Secrets and
// ServiceAccounts, except the Secrets of registries.
var table = sync.OnceValue(func() []reference {
	all := slices.Clone(own)
	for line := range strings.Lines(kustomized) {
		words := strings.Fields(line)
		if len(words) != 3 {
			continue
		}
		row, known := targets[words[0]]
		if from, group := words[1], groups[words[1]]; known && isJudged(words[0], from, words[2]) {
			row.from, row.path = kind(group, from), words[2]
			all = append(all, row)
		}
	}
	return all
})

// groups has the API groups of the kinds with kustomize's references; a kind that is not
// here belongs to the core group.
var groups = map[string]string{
	"Deployment": "apps", "StatefulSet": "apps", "DaemonSet": "apps", "ReplicaSet": "apps", "Job": "batch", "CronJob": "batch",
	"HorizontalPodAutoscaler": "autoscaling", "Ingress": "networking.k8s.io", "RoleBinding": "rbac.authorization.k8s.io",
	"ClusterRoleBinding": "rbac.authorization.k8s.io", "APIService": "apiregistration.k8s.io",
	"ValidatingWebhookConfiguration": "admissionregistration.k8s.io", "MutatingWebhookConfiguration": "admissionregistration.k8s.io",
}

// podKinds are the kinds with a pod template.
var podKinds = []string{
	"Pod", "PodTemplate", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob",
}

// isJudged reports whether a reference is judged here. It leaves out what rule POD009
// judges, and fields that may refer to something else as well: permissions for future
// objects, annotations with a namespace in them, parameters of a driver.
func isJudged(to, from, path string) bool {
	ofPod := slices.Contains(podKinds, from)
	switch {
	case ofPod && slices.Contains([]string{"ConfigMap", "ServiceAccount"}, to):
		return strings.Contains(path, "/projected/")
	case ofPod && to == "Secret":
		return strings.Contains(path, "/projected/") || strings.HasSuffix(path, "imagePullSecrets/name")
	}
	return !strings.Contains(path, "resourceNames") && !strings.Contains(path, "annotations") && !strings.HasPrefix(path, "parameters") &&
		from != "PersistentVolume" && from != "Node"
}

// clusterScoped are the cluster-scoped kinds to which fields refer by kind.
var clusterScoped = []string{"ClusterRole", "ClusterIssuer", "ClusterSecretStore", "CustomResourceDefinition", "Namespace"}

// workloads are the kinds that scale.
var workloads = []string{"Deployment", "StatefulSet", "ReplicaSet", "DaemonSet"}

// fluxGroups are the API groups of Flux's kinds.
var fluxGroups = []string{
	"kustomize.toolkit.fluxcd.io", "helm.toolkit.fluxcd.io", "source.toolkit.fluxcd.io", "image.toolkit.fluxcd.io",
	"source.extensions.fluxcd.io", "notification.toolkit.fluxcd.io",
}

// given has the names of objects that every cluster has; an asterisk ends a prefix.
var given = map[string][]string{
	"ClusterRole":             {"cluster-admin", "admin", "edit", "view", "system:*", "crossplane*"},
	"Role":                    {"system:*", "extension-apiserver-authentication-reader"},
	"ServiceAccount":          {"default"},
	"PriorityClass":           {"system-*"},
	"ConfigMap":               {"kube-root-ca.crt", "openshift-service-ca.crt", "istio-ca-root-cert"},
	"DeploymentRuntimeConfig": {"default"},
}
