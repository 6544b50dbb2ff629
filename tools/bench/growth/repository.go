//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// generate writes a repository with clusters that all run all apps.
func generate(root string, clusters, apps int) error {
	files := map[string]string{"charts/cache/Chart.yaml": chart, "charts/cache/templates/cache.yaml": template}
	for app := range apps {
		name := fmt.Sprintf("app%02d", app)
		folder := "apps/" + name + "/"
		files[folder+"kustomization.yaml"] = strings.ReplaceAll(kustomization, "NAME", name)
		files[folder+"app.yaml"] = strings.ReplaceAll(manifests, "NAME", name)
		files[folder+"notes.yaml"] = strings.ReplaceAll(unlisted, "NAME", name)
	}
	for cluster := range clusters {
		name := fmt.Sprintf("cluster%02d", cluster)
		text := strings.ReplaceAll(facts, "NAME", name)
		for app := range apps {
			text += strings.ReplaceAll(applier, "NAME", fmt.Sprintf("app%02d", app))
		}
		files["clusters/"+name+"/apps.yaml"] = text
	}
	for name, text := range files {
		file := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

const facts = `apiVersion: v1
kind: ConfigMap
metadata: {name: facts, namespace: flux-system}
data: {CLUSTER: NAME, REGION: eu-west-1}
`

const applier = `---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: NAME, namespace: flux-system}
spec:
  interval: 1h
  path: ./apps/NAME
  prune: true
  sourceRef: {kind: GitRepository, name: flux-system}
  postBuild:
    substituteFrom: [{kind: ConfigMap, name: facts}]
`

const kustomization = `namespace: NAME
resources: [app.yaml]
labels:
  - pairs: {app.kubernetes.io/part-of: NAME}
configMapGenerator:
  - name: NAME
    literals: ["CLUSTER=${CLUSTER}", "REGION=${REGION}"]
images:
  - name: example.com/NAME
    digest: sha256:0000000000000000000000000000000000000000000000000000000000000000
patches:
  - target: {kind: Deployment, name: NAME}
    patch: |
      - {op: add, path: /spec/template/metadata/annotations, value: {cluster: "${CLUSTER}"}}
`

const unlisted = `apiVersion: v1
kind: ConfigMap
metadata: {name: NAME-notes}
data: {why: nobody lists this file}
`

const manifests = `apiVersion: v1
kind: Namespace
metadata: {name: NAME, labels: {pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: NAME}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME}
spec:
  replicas: 2
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      serviceAccountName: NAME
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:
        - name: NAME
          image: example.com/NAME
          envFrom: [{configMapRef: {name: NAME}}]
          ports: [{name: http, containerPort: 8080}]
          readinessProbe: {httpGet: {port: http}}
          resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {memory: 64Mi}}
          securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
---
apiVersion: v1
kind: Service
metadata: {name: NAME}
spec: {selector: {app: NAME}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: NAME}
spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{ports: [{port: http}]}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: NAME}
spec: {maxUnavailable: 1, selector: {matchLabels: {app: NAME}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: NAME}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: NAME}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: NAME}
subjects: [{kind: ServiceAccount, name: NAME, namespace: NAME}]
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: cache}
spec:
  interval: 1h
  chart: {spec: {chart: charts/cache, sourceRef: {kind: GitRepository, name: flux-system, namespace: flux-system}}}
  values: {size: "1"}
`

const chart = "apiVersion: v2\nname: cache\nversion: 1.0.0\n"

const template = `apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}"}
data: {size: {{ .Values.size | quote }}}
`
