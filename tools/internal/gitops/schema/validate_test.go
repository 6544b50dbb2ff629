package schema_test

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema"
)

// Each case is an object, or a change to one of the objects below, and what is
// wrong with it.
func TestValidate(t *testing.T) {
	for name, test := range map[string]struct {
		object string
		change func(*unstructured.Unstructured)
		want   []string
	}{
		"deployment":             {object: deployment},
		"cpu as a number":        {deployment, set(int64(1), container, "resources", "requests", "cpu"), nil},
		"cpu as a fraction":      {deployment, set(0.5, container, "resources", "requests", "cpu"), nil},
		"no quantity":            {deployment, set("1 core", container, "resources", "requests", "cpu"), []string{`format spec.template.spec.containers[0].resources.requests.cpu: is the string "1 core": expected a quantity, such as 100m or 64Mi`}},
		"a quantity is no list":  {deployment, set([]any{}, container, "resources", "requests", "cpu"), []string{`type spec.template.spec.containers[0].resources.requests.cpu: is a list: expected a string or an integer or a number`}},
		"replicas as a string":   {deployment, set("2", "spec", "replicas"), []string{`type spec.replicas: is the string "2": expected an integer`}},
		"too many replicas":      {deployment, set(int64(1)<<40, "spec", "replicas"), []string{`limit spec.replicas: is the number 1099511627776: should be less than or equal to 2147483647`}},
		"half a replica":         {deployment, set(1.5, "spec", "replicas"), []string{`type spec.replicas: is the number 1.5: expected an integer`}},
		"port as a string":       {deployment, set("80", container, "ports", 0, "containerPort"), []string{`type spec.template.spec.containers[0].ports[0].containerPort: is the string "80": expected an integer`}},
		"probe port by name":     {deployment, set("metrics", container, "livenessProbe", "httpGet", "port"), nil},
		"probe port by number":   {deployment, set(int64(80), container, "livenessProbe", "httpGet", "port"), nil},
		"probe port as truth":    {deployment, set(true, container, "livenessProbe", "httpGet", "port"), []string{`type spec.template.spec.containers[0].livenessProbe.httpGet.port: is the boolean true: expected an integer or a string`}},
		"unknown field":          {deployment, set(int64(2), "spec", "replica"), []string{`unknown-field spec.replica: unknown field: did you mean replicas?`}},
		"unknown in a list":      {deployment, set("x", container, "imagePullPolice"), []string{`unknown-field spec.template.spec.containers[0].imagePullPolice: unknown field: did you mean imagePullPolicy?`}},
		"unknown at the top":     {deployment, set("x", "data"), []string{`unknown-field data: unknown field`}},
		"object for a string":    {deployment, set(map[string]any{"repository": "x"}, container, "image"), []string{`type spec.template.spec.containers[0].image: is an object: expected a string`}},
		"enumeration":            {deployment, set("Sometimes", container, "imagePullPolicy"), []string{`enum spec.template.spec.containers[0].imagePullPolicy: is the string "Sometimes": expected one of "Always", "IfNotPresent", "Never"`}},
		"empty is not set":       {deployment, set("", container, "imagePullPolicy"), nil},
		"null is not set":        {deployment, set(nil, container, "imagePullPolicy"), nil},
		"null for required":      {deployment, set(nil, "spec", "template", "spec", "containers"), []string{`required spec.template.spec.containers: is required and not set`}},
		"no selector":            {deployment, remove("spec", "selector"), []string{`required spec.selector: is required and not set`}},
		"environment as number":  {deployment, set(int64(5), container, "env", 0, "value"), []string{`type spec.template.spec.containers[0].env[0].value: is the number 5: expected a string`}},
		"environment twice":      {deployment, set("A", container, "env", 1, "name"), []string{`duplicate spec.template.spec.containers[0].env[1]: is there twice: {"name":"A"}`}},
		"port twice":             {deployment, set([]any{map[string]any{"containerPort": int64(80)}, map[string]any{"containerPort": int64(80), "protocol": "TCP", "name": "b"}}, container, "ports"), []string{`duplicate spec.template.spec.containers[0].ports[1]: is there twice: {"containerPort":80,"protocol":"TCP"}`}},
		"port of two protocols":  {deployment, set([]any{map[string]any{"containerPort": int64(80)}, map[string]any{"containerPort": int64(80), "protocol": "UDP"}}, container, "ports"), nil},
		"status is left alone":   {deployment, set(map[string]any{"conditions": []any{map[string]any{}}}, "status"), nil},
		"unknown in status":      {deployment, set("x", "status", "y"), []string{`unknown-field status.y: unknown field`}},
		"label as a number":      {deployment, set(int64(1), "metadata", "labels", "app.kubernetes.io/version"), []string{`type metadata.labels.app.kubernetes.io/version: is the number 1: expected a string`}},
		"annotation as truth":    {deployment, set(true, "metadata", "annotations", "prometheus.io/scrape"), []string{`type metadata.annotations.prometheus.io/scrape: is the boolean true: expected a string`}},
		"pod annotation":         {deployment, set(true, "spec", "template", "metadata", "annotations", "prometheus.io/scrape"), []string{`type spec.template.metadata.annotations.prometheus.io/scrape: is the boolean true: expected a string`}},
		"label value":            {deployment, set("a b", "metadata", "labels", "b"), []string{`metadata metadata.labels.b: is the string "a b": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')`}},
		"label key":              {deployment, set("x", "metadata", "labels", "a/b/c"), []string{`metadata metadata.labels.a/b/c: is the key "a/b/c": a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`}},
		"kind in metadata":       {deployment, set("Pod", "metadata", "kind"), []string{`unknown-field metadata.kind: unknown field: did you mean uid?`}},
		"unknown in metadata":    {deployment, set("x", "metadata", "lables"), []string{`unknown-field metadata.lables: unknown field: did you mean labels?`}},
		"no name":                {deployment, remove("metadata", "name"), []string{`required metadata.name: is required and not set: name or generateName is required`}},
		"name":                   {deployment, set("My_App", "metadata", "name"), []string{`metadata metadata.name: is the string "My_App": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`}},
		"creation time as null":  {deployment, set(nil, "metadata", "creationTimestamp"), nil},
		"metadata is a list":     {deployment, set([]any{}, "metadata"), []string{`type metadata: is a list: expected an object`}},
		"colons in a role":       {object: "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: 'system:a:b'}\n"},
		"role binding":           {object: "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: a}\nroleRef: {kind: Role, name: a}\n"},
		"namespace where none":   {"apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n", set("b", "metadata", "namespace"), nil},
		"namespace name":         {object: "apiVersion: v1\nkind: Namespace\nmetadata: {name: a.b}\n", want: []string{`metadata metadata.name: is the string "a.b": must not contain dots`}},
		"config":                 {object: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: b}\nbinaryData: {c: aGk=}\n"},
		"config as a number":     {object: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {PORT: 80}\n", want: []string{`type data.PORT: is the number 80: expected a string`}},
		"config as null":         {object: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {PORT: null}\n"},
		"secret is not base64":   {object: "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {a: '!'}\n", want: []string{`format data.a: is the string "!": expected base64`}},
		"secret that is empty":   {object: "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {a: ''}\n"},
		"secret in two lines":    {object: "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {a: \"aGks\\nIHlv\\n\"}\n"},
		"network policy for all": {object: "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}\nspec: {}\n"},
		"definition":             {object: widgets},
		"definition, webhook":    {widgets, set(map[string]any{"strategy": "Webhook", "webhook": map[string]any{"conversionReviewVersions": []any{"v1"}, "clientConfig": map[string]any{"service": map[string]any{"namespace": "a", "name": "a"}}}}, "spec", "conversion"), nil},
		"definition, wrong key":  {widgets, set("x", "spec", "versions", 0, "schema", "openAPIV3Schema", "propertys"), []string{`unknown-field spec.versions[0].schema.openAPIV3Schema.propertys: unknown field`}},
		"definition, name":       {widgets, set("gadgets.example.org", "metadata", "name"), []string{`definition metadata.name: is the string "gadgets.example.org": must be spec.names.plural+"."+spec.group`}},
		"definition, untyped":    {widgets, set(map[string]any{}, "spec", "versions", 1, "schema", "openAPIV3Schema", "properties", "status"), []string{`required spec.versions[1].schema.openAPIV3Schema.properties.status.type: is required and not set: must not be empty for specified object fields`}},
		"definition, bad rule":   {widgets, set([]any{map[string]any{"rule": "self.sice > 1"}}, "spec", "versions", 1, "schema", "openAPIV3Schema", "properties", "spec", "x-kubernetes-validations"), []string{`definition spec.versions[1].schema.openAPIV3Schema.properties.spec.x-kubernetes-validations[0].rule: is the string "self.sice > 1": compilation failed: ERROR: <input>:1:5: undefined field 'sice'`}},

		"composite":             {object: gadgets},
		"composite, untyped":    {gadgets, set(map[string]any{}, "spec", "versions", 0, "schema", "openAPIV3Schema", "properties", "spec", "properties", "region"), []string{`required spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.region.type: is required and not set: must not be empty for specified object fields`}},
		"scaled object":         {object: scaledObject},
		"trigger key as number": {scaledObject, set(int64(50), "spec", "triggers", 0, "metadata", "queueLength"), []string{`type spec.triggers[0].metadata.queueLength: is the number 50: expected a string`}},
		"no triggers":           {scaledObject, remove("spec", "triggers"), []string{`required spec.triggers: is required and not set`}},
		"policy type":           {scaledObject, set([]any{map[string]any{"type": "Pod", "value": int64(1), "periodSeconds": int64(1)}}, "spec", "advanced", "horizontalPodAutoscalerConfig", "behavior", "scaleUp", "policies"), nil},

		"kustomization":            {object: kustomization},
		"source kind":              {kustomization, set("Git", "spec", "sourceRef", "kind"), []string{`enum spec.sourceRef.kind: is the string "Git": expected one of "OCIRepository", "GitRepository", "Bucket", "ExternalArtifact"`}},
		"interval":                 {kustomization, set("ten minutes", "spec", "interval"), []string{`limit spec.interval: is the string "ten minutes": should match '^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$'`}},
		"wait as a string":         {kustomization, set("true", "spec", "wait"), []string{`type spec.wait: is the string "true": expected a boolean`}},
		"reference by two":         {object: "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: a}\nspec: {interval: 1m, url: 'ftp://a'}\n", want: []string{`limit spec.url: is the string "ftp://a": should match '^(http|https|ssh)://.*$'`}},
		"queue":                    {object: queue},
		"queue without region":     {queue, remove("spec", "forProvider", "region"), []string{`required spec.forProvider.region: is required and not set`}},
		"delay as a string":        {queue, set("2", "spec", "forProvider", "delaySeconds"), []string{`type spec.forProvider.delaySeconds: is the string "2": expected a number`}},
		"composition without mode": {object: "apiVersion: apiextensions.crossplane.io/v1\nkind: Composition\nmetadata: {name: a}\nspec: {compositeTypeRef: {apiVersion: a/v1, kind: A}, pipeline: [{step: a, functionRef: {name: a}}]}\n"},
	} {
		t.Run(name, func(t *testing.T) {
			object := parse(t, test.object)
			if test.change != nil {
				test.change(object)
			}
			kind, found := schema.Builtin().Lookup(object.GroupVersionKind())
			if !found {
				t.Fatalf("no schema for %s", object.GroupVersionKind())
			}
			check(t, kind.Validate(object.Object), test.want)
		})
	}
}

func check(t *testing.T, problems []schema.Problem, want []string) {
	t.Helper()
	var got []string
	for _, problem := range problems {
		got = append(got, string(problem.Kind)+" "+problem.String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: a, labels: {app: a}}
spec:
  replicas: 1
  selector: {matchLabels: {app: a}}
  template:
    metadata: {labels: {app: a}}
    spec:
      containers:
        - name: a
          image: a
          env: [{name: A, value: a}, {name: B, value: b}]
          ports: [{containerPort: 80}]
          resources: {requests: {cpu: 100m, memory: 64Mi}}
          livenessProbe: {httpGet: {path: /, port: 80}}
`

const scaledObject = `
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: a}
spec:
  scaleTargetRef: {name: a}
  triggers: [{type: aws-sqs-queue, metadata: {queueURL: 'https://a', awsRegion: eu-west-1}}]
`

const kustomization = `
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: a, namespace: flux-system}
spec: {interval: 10m, path: ./a, prune: true, sourceRef: {kind: GitRepository, name: a}}
`

const queue = `
apiVersion: sqs.aws.m.upbound.io/v1beta1
kind: Queue
metadata: {name: a}
spec: {forProvider: {region: eu-west-1, name: a, delaySeconds: 2}, providerConfigRef: {kind: ProviderConfig, name: default}}
`

// container stands for the path to the first container of a pod template.
const container = "container"

func set(value any, path ...any) func(*unstructured.Unstructured) {
	return func(object *unstructured.Unstructured) { put(object.Object, expand(path), value) }
}

func remove(path ...any) func(*unstructured.Unstructured) {
	return func(object *unstructured.Unstructured) {
		parent := object.Object
		for _, step := range path[:len(path)-1] {
			parent = parent[step.(string)].(map[string]any)
		}
		delete(parent, path[len(path)-1].(string))
	}
}

func expand(path []any) []any {
	if path[0] != container {
		return path
	}
	return append([]any{"spec", "template", "spec", "containers", 0}, path[1:]...)
}

// put sets a field, and creates the objects on its path.
func put(parent any, path []any, value any) {
	if index, ok := path[0].(int); ok {
		list := parent.([]any)
		if len(path) == 1 {
			list[index] = value
			return
		}
		put(list[index], path[1:], value)
		return
	}
	object, key := parent.(map[string]any), path[0].(string)
	if len(path) == 1 {
		object[key] = value
		return
	}
	if object[key] == nil {
		object[key] = map[string]any{}
	}
	put(object[key], path[1:], value)
}

func parse(t testing.TB, text string) *unstructured.Unstructured {
	t.Helper()
	var object unstructured.Unstructured
	if err := yaml.Unmarshal([]byte(text), &object); err != nil {
		t.Fatal(err)
	}
	return &object
}
