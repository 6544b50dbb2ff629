package house_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/cel-go/cel"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	consumer "github.com/mystique-unicorn/sales-events/apps/consumer/config"
	"github.com/mystique-unicorn/sales-events/apps/localaws"
	producer "github.com/mystique-unicorn/sales-events/apps/producer/config"
	ssmagent "github.com/mystique-unicorn/sales-events/apps/ssm-agent/config"
)

// manifestFolders are the folders that Flux sees, see .sourceignore.
var manifestFolders = []string{"clusters", "infrastructure", "apps", "crossplane/apis"}

func TestOverlaysBuild(t *testing.T) {
	built := 0
	for _, folder := range manifestFolders {
		walk(t, folder, func(file string, _ fs.DirEntry) {
			if path.Base(file) != "kustomization.yaml" {
				return
			}
			built++
			dir := path.Join(folder, path.Dir(file))
			t.Run(dir, func(t *testing.T) {
				if build(t, dir).Size() == 0 {
					t.Errorf("%s builds to nothing", dir)
				}
			})
		})
	}
	if built == 0 {
		t.Fatal("no kustomization.yaml found")
	}
}

// TestShape checks that the manifests of each component have the same shape: a base, and
// beside it an overlay for each cluster that needs one. The folder aws has what all
// clusters on AWS share; soak is the local cluster during make soak.
func TestShape(t *testing.T) {
	for _, folder := range []string{"infrastructure", "apps"} {
		walk(t, folder, func(file string, _ fs.DirEntry) {
			if path.Base(file) == "kustomization.yaml" && overlayOf(path.Join(folder, path.Dir(file))) == "" {
				t.Errorf("%s/%s is in no base and in no overlay of a component", folder, file)
			}
			if path.Base(path.Dir(file)) != "staging" || path.Base(file) == "kustomization.yaml" {
				return
			}
			twin := path.Join(folder, path.Dir(path.Dir(file)), "production", path.Base(file))
			if exists(twin) && bytes.Equal(read(t, path.Join(folder, file)), read(t, twin)) {
				t.Errorf("%s/%s is in production, too: move it to aws", folder, file)
			}
		})
	}
}

var component = regexp.MustCompile(`^(?:infrastructure(?:/[\w-]+)+|apps/[\w-]+/deploy)/(base|aws|hub|install|local|soak|staging|production)(?:/|$)`)

// overlayOf returns the overlay of its component to which a folder belongs, or empty.
func overlayOf(dir string) string {
	if match := component.FindStringSubmatch(path.Clean(dir)); match != nil {
		return match[1]
	}
	return ""
}

// TestClusters follows Flux: every Kustomization of a cluster names a path that builds,
// whose variables are all facts of that cluster, and that is not another cluster's
// overlay.
func TestClusters(t *testing.T) {
	clusters := glob(t, "clusters/*")
	if len(clusters) == 0 {
		t.Fatal("no cluster found")
	}
	for _, cluster := range clusters {
		t.Run(path.Base(cluster), func(t *testing.T) {
			facts := readFacts(t, cluster)
			for _, k := range readKustomizations(t, cluster) {
				if strings.HasPrefix(k.Spec.Path, "./clusters/") {
					continue // a spoke, which has facts of its own
				}
				if overlay := overlayOf(k.Spec.Path); !slices.Contains([]string{"", "base", path.Base(cluster)}, overlay) {
					t.Errorf("%s is the overlay for %s", k.Spec.Path, overlay)
				}
				substituted(t, k.Spec.Path, facts)
			}
		})
	}
}

// TestSpokes checks that everything that the hub needs to reach a spoke fits together:
// EKS describes a cluster only to its own account, and admits the role in its access
// entry, from the addresses that it allows.
func TestSpokes(t *testing.T) {
	for _, spoke := range []string{"staging", "production"} {
		t.Run(spoke, func(t *testing.T) {
			facts := readFacts(t, "clusters/"+spoke)
			config := find(t, readObjects(t, "clusters/"+spoke+"/facts.yaml"), "ConfigMap", "kubeconfig")
			wantCluster := "arn:aws:eks:" + facts["AWS_REGION"] + ":" + facts["AWS_ACCOUNT_ID"] + ":cluster/" + facts["CLUSTER_NAME"]
			if got := at(config, "data", "cluster"); got != wantCluster {
				t.Errorf("ConfigMap kubeconfig leads to %s, the facts to %s", got, wantCluster)
			}

			platform := substituted(t, "infrastructure/platform/"+spoke, facts)
			account := find(t, platform, "ServiceAccount", at(config, "data", "serviceAccountName"))
			if got := at(account, "metadata", "namespace"); got != spoke {
				t.Errorf("the ServiceAccount of ConfigMap kubeconfig is in the namespace %s", got)
			}
			role := at(account, "metadata", "annotations", "eks.amazonaws.com/role-arn")
			if want := "arn:aws:iam::" + facts["AWS_ACCOUNT_ID"] + ":role/hub-" + spoke; role != want {
				t.Errorf("the hub calls the cluster as %s, docs/aws.md makes %s", role, want)
			}

			cluster := find(t, platform, "EKSCluster", facts["CLUSTER_NAME"])
			if got := at(cluster, "spec", "hubRoleARN"); got != role {
				t.Errorf("the cluster lets in %s, the hub calls it as %s", got, role)
			}
			if allowed, _, _ := unstructured.NestedStringSlice(cluster, "spec", "allowedCIDRs"); len(allowed) == 0 {
				t.Error("the cluster allows no address, and the hub is outside of its VPC")
			}
		})
	}
}

// TestHealthChecks checks the expressions that wait for composite resources against the
// conditions that Crossplane writes.
func TestHealthChecks(t *testing.T) {
	condition := func(kind, status string, generation int) any {
		return map[string]any{"type": kind, "status": status, "observedGeneration": generation}
	}
	status := func(conditions ...any) map[string]any { return map[string]any{"conditions": conditions} }
	type state struct {
		name    string
		status  map[string]any
		current bool
	}
	states := []state{
		{"new", status(), false},
		{"unready", status(condition("Synced", "True", 2), condition("Ready", "False", 2)), false},
		{"ready", status(condition("Synced", "True", 2), condition("Ready", "True", 2)), true},
		{"edited", status(condition("Synced", "True", 1), condition("Ready", "True", 1)), false},
		{"edited and refused", status(condition("Synced", "False", 2), condition("Ready", "True", 1)), false},
	}
	// The local apps wait only until resources exist in AWS.
	local := map[string][]state{
		"EventQueue": {
			{"new", status(), false},
			{"composed", status(condition("Synced", "True", 2), condition("Ready", "False", 2)), true},
			{"edited", status(condition("Synced", "True", 1)), false},
			{"refused", status(condition("Synced", "False", 2)), false},
		},
		"EventBucket": {
			{"without a bucket", status(condition("Synced", "True", 2)), false},
			{"there", map[string]any{"bucketARN": "arn:aws:s3:::b"}, true},
		},
	}
	all := len(glob(t, "crossplane/apis/*/definition.yaml"))
	// The local cluster does not wait for its network and its EKS cluster.
	for cluster, want := range map[string]int{"staging": all, "production": all, "local": all - 2} {
		kinds := 0
		for _, k := range readKustomizations(t, "clusters/"+cluster) {
			for _, check := range k.Spec.HealthCheckExprs {
				if !strings.HasPrefix(check.APIVersion, "platform.mystique-unicorn.io/") {
					continue
				}
				kinds++
				wanted := states
				if own := local[check.Kind]; cluster == "local" && own != nil {
					wanted = own
				}
				for _, state := range wanted {
					object := map[string]any{"metadata": map[string]any{"generation": 2}, "status": state.status}
					if got := evaluate(t, check.Current, object); got != state.current {
						t.Errorf("%s: the %s that is %s counts as current: %t", cluster, check.Kind, state.name, got)
					}
				}
			}
		}
		if kinds != want {
			t.Errorf("%s waits for %d kinds of composite resources, want %d", cluster, kinds, want)
		}
	}
}

// evaluate evaluates an expression on an object as kustomize-controller does.
func evaluate(t *testing.T, expression string, object map[string]any) bool {
	t.Helper()
	environment, err := cel.NewEnv(cel.CrossTypeNumericComparisons(true))
	if err != nil {
		t.Fatal(err)
	}
	parsed, issues := environment.Parse(expression)
	if issues.Err() != nil {
		t.Fatal(issues.Err())
	}
	program, err := environment.Program(parsed)
	if err != nil {
		t.Fatal(err)
	}
	value, _, err := program.Eval(object)
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return value.Value() == true
}

// TestLocalSettings checks the local overlays with the programs' own code for settings:
// otherwise a mistake shows only in a crashing pod.
func TestLocalSettings(t *testing.T) {
	facts := readFacts(t, "clusters/local")
	for name, parse := range map[string]func(func(string) (string, bool)) error{
		"producer": func(lookup func(string) (string, bool)) error { _, err := producer.Parse(lookup); return err },
		"consumer": func(lookup func(string) (string, bool)) error { _, err := consumer.Parse(lookup); return err },
	} {
		objects := substituted(t, "apps/"+name+"/deploy/local", facts)
		if err := parse(environment(t, "Deployment", name, objects)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}

	config := localAccount(t, facts)
	if _, err := localaws.New(config); err != nil {
		t.Fatal(err)
	}
}

func localAccount(t *testing.T, facts map[string]string) localaws.Config {
	t.Helper()
	text := read(t, "apps/localaws/deploy/local/localaws.yaml")
	config, err := localaws.ParseConfig("localaws.yaml", substitute(t, "localaws.yaml", text, facts))
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// TestLocalAccount compares the roles of the local account with those that docs/aws.md
// creates by hand. This cluster is both hub and spoke, its issuer is its API server, and
// its provider's role has its name.
func TestLocalAccount(t *testing.T) {
	const issuer = "kubernetes.default.svc.cluster.local"
	facts := readFacts(t, "clusters/local")
	config := localAccount(t, facts)
	var subjects []string
	for _, service := range []string{"cloudwatch", "cloudwatchlogs", "ec2", "eks", "iam", "s3", "sns", "sqs"} {
		subjects = append(subjects, `"system:serviceaccount:crossplane-system:provider-aws-`+service+`"`)
	}
	documented := func(name, hubIssuer string) string {
		account, cluster := facts["AWS_ACCOUNT_ID"], facts["CLUSTER_NAME"]
		return strings.NewReplacer(
			"oidc-provider/oidc.eks.${AWS_REGION}.amazonaws.com/id/*", "oidc-provider/"+issuer, "role/hub-provider-aws", "role/"+cluster+"-provider-aws",
			"${ACCOUNT}", account, "${SPOKE_ACCOUNT}", account, "${HUB_ACCOUNT}", account, "${SPOKE}", cluster, "${AWS_REGION}", facts["AWS_REGION"],
			"${ISSUER}", hubIssuer, "${SUBJECTS}", strings.Join(subjects, ", "),
		).Replace(string(read(t, "docs/aws/"+name+".json")))
	}
	provider, provisioner := config.IAM.Roles[0], config.IAM.Roles[1]
	for name, documents := range map[string][2]string{
		"boundary":    {string(config.IAM.Policies[0].Document), documented("boundary", "")},
		"trust":       {string(provider.Trust), documented("trust", issuer)},
		"provider":    {string(provider.Policies["provision"]), documented("hub-provider", "")},
		"whom":        {string(provisioner.Trust), documented("provisioner-trust", "")},
		"provisioner": {string(provisioner.Policies["provision"]), documented("provisioner", "of-another-hub")},
	} {
		var is, want any
		if err := errors.Join(json.Unmarshal([]byte(documents[0]), &is), json.Unmarshal([]byte(documents[1]), &want)); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if difference := cmp.Diff(want, is); difference != "" {
			t.Errorf("%s: docs/aws (-) and localaws.yaml (+) differ:\n%s", name, difference)
		}
	}
}

// TestAgentSettings checks every overlay of the SSM agent with the program's own code:
// only the local one runs where a test could see it crash.
func TestAgentSettings(t *testing.T) {
	facts := readFacts(t, "clusters/local")
	for overlay, mode := range map[string]ssmagent.Mode{
		"local": ssmagent.Check, "staging": ssmagent.Check, "production": ssmagent.Check, "install": ssmagent.Install,
	} {
		objects := substituted(t, "apps/ssm-agent/deploy/"+overlay, facts)
		c, err := ssmagent.Parse(environment(t, "DaemonSet", overlay, objects))
		if err != nil || c.Mode != mode {
			t.Errorf("%s: mode %s, want %s, error %v", overlay, c.Mode, mode, err)
		}
		checkReadsOnly(t, overlay, find(t, objects, "DaemonSet", "ssm-agent"), mode == ssmagent.Check)
	}
}

// checkReadsOnly: an agent that only inspects is not root, and mounts nothing of the node
// that it could write to or ask to run a program.
func checkReadsOnly(t *testing.T, overlay string, daemonSet map[string]any, want bool) {
	t.Helper()
	user, _, _ := unstructured.NestedFieldNoCopy(daemonSet, "spec", "template", "spec", "securityContext", "runAsNonRoot")
	only := user == true
	containers, _, _ := unstructured.NestedSlice(daemonSet, "spec", "template", "spec", "containers")
	mounts, _, _ := unstructured.NestedSlice(containers[0].(map[string]any), "volumeMounts")
	for _, mount := range mounts {
		m := mount.(map[string]any)
		if m["readOnly"] != true || m["mountPath"] == "/host/run/dbus" {
			only = false
		}
	}
	if only != want {
		t.Errorf("%s: only reads: %t, want %t", overlay, only, want)
	}
}

// TestMonitoring: each PodMonitor selects pods that have the port and allow access to it,
// and every metric of the dashboard exists.
func TestMonitoring(t *testing.T) {
	facts := readFacts(t, "clusters/staging")
	monitors := 0
	monitoring := substituted(t, "infrastructure/monitoring/base", facts)
	for _, object := range monitoring {
		if at(object, "kind") != "PodMonitor" {
			continue
		}
		monitors++
		name := at(object, "metadata", "name")
		scraper := at(object, "metadata", "namespace")
		endpoints, _, _ := unstructured.NestedSlice(object, "spec", "podMetricsEndpoints")
		port := endpoints[0].(map[string]any)["port"]
		namespaces, _, _ := unstructured.NestedStringSlice(object, "spec", "namespaceSelector", "matchNames")

		workload := substituted(t, "apps/"+name+"/deploy/staging", facts)
		deployment := find(t, workload, "Deployment", name)
		if !slices.Equal(namespaces, []string{at(deployment, "metadata", "namespace")}) {
			t.Errorf("%s is looked for in %q, and runs in %s", name, namespaces, at(deployment, "metadata", "namespace"))
		}
		letsIn := slices.ContainsFunc(monitoring, func(policy map[string]any) bool {
			spec := fmt.Sprint(policy["spec"])
			return at(policy, "kind") == "NetworkPolicy" && slices.Contains(namespaces, at(policy, "metadata", "namespace")) &&
				strings.Contains(spec, "app.kubernetes.io/name:"+name) && strings.Contains(spec, "kubernetes.io/metadata.name:"+scraper) &&
				strings.Contains(spec, fmt.Sprintf("port:%v", port))
		})
		if !letsIn {
			t.Errorf("no NetworkPolicy lets the namespace %s in to %s on the port %v", scraper, name, port)
		}
		if containers := fmt.Sprint(deployment["spec"]); !strings.Contains(containers, fmt.Sprintf("name:%v", port)) {
			t.Errorf("%s has no port %v", name, port)
		}
	}
	if monitors == 0 {
		t.Fatal("no PodMonitor")
	}

	measured := string(read(t, "apps/consumer/worker/metrics.go")) + string(read(t, "apps/producer/worker/metrics.go"))
	shown := regexp.MustCompile(`\b(?:consumer|producer)_[a-z_]+`).FindAllString(string(read(t, "infrastructure/monitoring/base/dashboard.json")), -1)
	if len(shown) == 0 {
		t.Fatal("the dashboard shows no metric of ours")
	}
	for _, metric := range shown {
		if name := strings.TrimSuffix(metric, "_bucket"); !regexp.MustCompile("[\"`]" + name + "[\"`{]").MatchString(measured) {
			t.Errorf("the dashboard shows %s, which nothing measures", metric)
		}
	}
}

type kustomization struct {
	Kind string `json:"kind"`
	Spec struct {
		Path             string        `json:"path"`
		HealthCheckExprs []healthCheck `json:"healthCheckExprs"`
	} `json:"spec"`
}

type healthCheck struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Current    string `json:"current"`
}

func readKustomizations(t *testing.T, cluster string) []kustomization {
	t.Helper()
	var found []kustomization
	for _, name := range glob(t, path.Join(cluster, "*.yaml")) {
		for _, document := range documents(t, name) {
			var k kustomization
			if err := yaml.Unmarshal(document, &k); err != nil {
				t.Fatal(name, err)
			}
			if k.Kind == "Kustomization" {
				found = append(found, k)
			}
		}
	}
	if len(found) == 0 {
		t.Fatalf("%s has no Kustomization", cluster)
	}
	return found
}

func readFacts(t *testing.T, cluster string) map[string]string {
	t.Helper()
	file := path.Join(cluster, "facts.yaml")
	var object struct {
		Data map[string]any `json:"data"`
	}
	if err := yaml.Unmarshal(read(t, file), &object); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	facts := map[string]string{}
	for name, value := range object.Data {
		fact, ok := value.(string)
		if !ok {
			t.Fatalf("%s: %s is %v, no string, which the API server refuses: quote it", file, name, value)
		}
		facts[name] = fact
	}
	return facts
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func readObjects(t *testing.T, file string) []map[string]any {
	t.Helper()
	var objects []map[string]any
	for _, document := range documents(t, file) {
		var object map[string]any
		if err := yaml.Unmarshal(document, &object); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		objects = append(objects, object)
	}
	return objects
}

func find(t *testing.T, objects []map[string]any, kind, name string) map[string]any {
	t.Helper()
	for _, object := range objects {
		if object["kind"] == kind && at(object, "metadata", "name") == name {
			return object
		}
	}
	t.Fatalf("no %s %s", kind, name)
	return nil
}

// at returns the text in a field of an object.
func at(object map[string]any, field ...string) string {
	text, _, _ := unstructured.NestedString(object, field...)
	return text
}

var documentMark = regexp.MustCompile(`(?m)^---\s*$`)

func documents(t *testing.T, file string) [][]byte {
	t.Helper()
	var found [][]byte
	for _, document := range documentMark.Split(string(read(t, file)), -1) {
		found = append(found, []byte(document))
	}
	return found
}

func build(t *testing.T, dir string) resmap.ResMap {
	t.Helper()
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatalf("build %s: %v", dir, err)
	}
	return resources
}

// substituted builds an overlay and substitutes the facts as kustomize-controller does:
// in the object's YAML, so that an unquoted fact of digits becomes a number.
func substituted(t *testing.T, dir string, facts map[string]string) []map[string]any {
	t.Helper()
	var objects []map[string]any
	for _, resource := range build(t, path.Clean(dir)).Resources() {
		text, err := resource.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		var object map[string]any
		if err := yaml.Unmarshal(substitute(t, dir+": "+resource.CurId().String(), text, facts), &object); err != nil {
			t.Fatal(err)
		}
		objects = append(objects, object)
	}
	return objects
}

var variable = regexp.MustCompile(`\$\{([^}]*)\}`)

func substitute(t *testing.T, where string, text []byte, facts map[string]string) []byte {
	t.Helper()
	return variable.ReplaceAllFunc(text, func(match []byte) []byte {
		value, ok := facts[string(match[2:len(match)-1])]
		if !ok {
			t.Errorf("%s: %s is no fact of the cluster", where, match)
		}
		return []byte(value)
	})
}

// environment looks up in the environment of the first container of a
// Deployment or DaemonSet, whose values must all be strings.
func environment(t *testing.T, kind, name string, objects []map[string]any) func(string) (string, bool) {
	t.Helper()
	for _, object := range objects {
		if object["kind"] != kind {
			continue
		}
		text, err := yaml.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		var workload struct {
			Spec struct {
				Template struct {
					Spec struct {
						Containers []struct {
							Env []struct {
								Name  string `json:"name"`
								Value string `json:"value"`
							} `json:"env"`
						} `json:"containers"`
					} `json:"spec"`
				} `json:"template"`
			} `json:"spec"`
		}
		if err := yaml.Unmarshal(text, &workload); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		env := map[string]string{}
		for _, entry := range workload.Spec.Template.Spec.Containers[0].Env {
			env[entry.Name] = entry.Value
		}
		return func(key string) (string, bool) { value, ok := env[key]; return value, ok }
	}
	t.Fatalf("%s: no %s", name, kind)
	return nil
}
