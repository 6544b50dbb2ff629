//go:build e2e

package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/providertrim"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
)

// The account and the region of the local AWS, and its administrator's key.
const localAccount, localRegion, localKey = "000000000000", "eu-west-1", "local"

// spokes are the clusters that the hub provisions: those of SPOKES, or staging and
// production.
var spokes = strings.Fields(cmp.Or(os.Getenv("SPOKES"), "staging production"))

// provisioning is how long to wait for a whole spoke. Production's network and cluster have
// some 80 objects, and each waits for others.
const provisioning = 30 * time.Minute

// TestAWS makes the local cluster the hub. The real provider provisions the spokes in the
// local AWS, with the permissions of docs/aws.md. Some calls fail, and the composite
// resources report it. Then the hub loses its objects of production and finds the resources
// again. After a teardown in the order of docs/aws.md the account is empty.
func TestAWS(t *testing.T) {
	paths, c, account := startHub(t)
	for _, spoke := range spokes {
		account.prepare(t, spoke, missing(spoke)...)
	}
	account.inject(t, append(brokenNetworks, throttling)...)
	dir := pushSpokes(t)
	provision(t, c, account)
	if slices.Contains(spokes, "production") {
		forgetSpoke(t, c, account, paths, dir, "production")
	}
	account.checkDenied(t)
	removeSpokes(t, c, account)
	for _, spoke := range spokes {
		account.checkEmpty(t, spoke)
	}
	account.logCalls(t)
	account.logUnused(t)
	makeTarget(t, "down")
}

// startHub starts a new local cluster without a network and an EKS cluster of its own,
// which would slow down those of the spokes.
func startHub(t *testing.T) (layout.Paths, client.Client, *awsAccount) {
	t.Helper()
	paths, err := layout.Default()
	if err != nil {
		t.Fatal(err)
	}
	makeTarget(t, "down")
	makeTarget(t, "up", longTimeout+" --without-network")
	c, _ := connect(t, paths)
	return paths, c, newAccount(t, c)
}

// pushSpokes adds the hub's files of the spokes to the local cluster's repository, and
// removes the apps, because a hub has none. The Kustomizations that Flux would apply on the
// spokes are suspended, because these clusters have no API server.
func pushSpokes(t *testing.T) (dir string) {
	t.Helper()
	const local = `
    - target: {kind: ConfigMap, name: cluster-facts}
      patch: |
        - {op: replace, path: /data/AWS_ACCOUNT_ID, value: "` + localAccount + `"}
        - {op: replace, path: /data/AWS_REGION, value: ` + localRegion + `}
    - target: {kind: Kustomization, labelSelector: platform.mystique-unicorn.io/on!=hub}
      patch: |
        - {op: add, path: /spec/suspend, value: true}
    - target: {kind: Kustomization, name: platform}
      patch: |
        - op: add
          path: /spec/patches
          value:
            - target: {kind: ProviderConfig}
              patch: |
                - op: add
                  path: /spec/endpoint
                  value:
                    url: {type: Static, static: "http://localaws.localaws.svc.cluster.local:4566"}
                    hostnameImmutable: true
                    services: [cloudwatch, ec2, eks, iam, logs, s3, s3control, sns, sqs, sts]
                - {op: add, path: /spec/s3_use_path_style, value: true}
                - {op: add, path: /spec/skip_metadata_api_check, value: true}
`
	dir = cloneCluster(t)
	for _, spoke := range spokes {
		data, err := os.ReadFile(filepath.Join(dir, "clusters", "hub", spoke+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		// The patches are the last field of the file.
		to := filepath.Join(dir, "clusters", "local", spoke+".yaml")
		if err := os.WriteFile(to, append(bytes.TrimRight(data, "\n"), local...), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "clusters", "local", "apps.yaml")); err != nil {
		t.Fatal(err)
	}
	pushAll(t, dir, "Be the hub")
	return dir
}

func pushAll(t *testing.T, dir, message string) {
	t.Helper()
	git(t, dir, "add", "--all")
	git(t, dir, "commit", "--quiet", "--message="+message)
	git(t, dir, "push", "--quiet", "origin", "HEAD:main")
}

var kustomization = schema.GroupVersionKind{Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Kind: "Kustomization"}

// platformKinds are the composite resources.
var platformKinds = []string{"Network", "EKSCluster", "EventQueue", "EventBucket", "WorkloadRole"}

// checkProvisioned waits until everything of a spoke is ready, and checks that no other
// action was denied than expected.
func (a *awsAccount) checkProvisioned(t *testing.T, c client.Client, spoke string) {
	t.Helper()
	within(t, "all of "+spoke+" is ready", func() (string, bool) {
		a.checkDenied(t)
		return provisioned(t, c, spoke)
	})
	t.Logf("%s: %d managed resources", spoke, len(managedResources(t, c, spoke)))
}

// provisioned reports whether all composite and managed resources of a spoke are ready.
func provisioned(t *testing.T, c client.Client, spoke string) (state string, ok bool) {
	t.Helper()
	composites, managed := composites(t, c, spoke), managedResources(t, c, spoke)
	var late []string
	for _, o := range slices.Concat(composites, managed) {
		if conditionOf(o, "Ready").Status != corev1.ConditionTrue || conditionOf(o, "Synced").Status != corev1.ConditionTrue {
			late = append(late, fmt.Sprintf("%s %s: %s", o.GetKind(), o.GetName(), conditionOf(o, "Synced").Message))
		}
	}
	enough := len(composites) > len(platformKinds) && len(managed) > len(composites)
	return fmt.Sprintf("%d composite and %d managed resources, not ready: %s", len(composites), len(managed), strings.Join(late, "; ")),
		enough && len(late) == 0
}

func composites(t *testing.T, c client.Client, namespace string) []*unstructured.Unstructured {
	t.Helper()
	var found []*unstructured.Unstructured
	for _, kind := range platformKinds {
		composite := schema.GroupVersionKind{Group: "platform.mystique-unicorn.io", Version: "v1alpha1", Kind: kind}
		found = append(found, list(t, c, composite, namespace)...)
	}
	return found
}

// managedResources returns the managed resources of the activated kinds.
func managedResources(t *testing.T, c client.Client, namespace string) []*unstructured.Unstructured {
	t.Helper()
	var found []*unstructured.Unstructured
	for _, name := range activated(t) {
		plural, group, _ := strings.Cut(name, ".")
		var kind schema.GroupVersionKind
		if err := answered(func() (err error) {
			kind, err = c.RESTMapper().KindFor(schema.GroupVersionResource{Group: group, Version: "v1beta1", Resource: plural})
			return err
		}); err != nil {
			t.Fatal(err)
		}
		found = append(found, list(t, c, kind, namespace)...)
	}
	return found
}

// activated returns the resources that Crossplane serves, as plural.group.
func activated(t *testing.T) []string {
	t.Helper()
	names, err := providertrim.Activated("../../infrastructure/crossplane/packages/base/activation.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func list(t *testing.T, c client.Client, kind schema.GroupVersionKind, namespace string) []*unstructured.Unstructured {
	t.Helper()
	items := &unstructured.UnstructuredList{}
	items.SetGroupVersionKind(kind)
	if err := c.List(t.Context(), items, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	var found []*unstructured.Unstructured
	for i := range items.Items {
		found = append(found, &items.Items[i])
	}
	return found
}

// condition is a condition of an object.
type condition struct {
	Type            string
	Status          corev1.ConditionStatus
	Reason, Message string
}

// conditionOf returns the condition of a type; it is empty if the object has none.
func conditionOf(o *unstructured.Unstructured, wanted string) condition {
	all, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, item := range all {
		var one condition
		data, err := json.Marshal(item)
		if err == nil && json.Unmarshal(data, &one) == nil && one.Type == wanted {
			return one
		}
	}
	return condition{}
}

// removeSpokes deletes the spokes at the same time, as docs/aws.md says under Teardown.
func removeSpokes(t *testing.T, c client.Client, account *awsAccount) {
	t.Helper()
	for _, spoke := range spokes {
		for _, o := range slices.Concat(named(list(t, c, kustomization, "flux-system"), "flux-system", spoke), list(t, c, kustomization, spoke)) {
			patch(t, c, o, []byte(`{"spec": {"suspend": true}}`))
		}
		for _, o := range composites(t, c, spoke) {
			if protects, _, _ := unstructured.NestedBool(o.Object, "spec", "deletionProtection"); protects {
				patch(t, c, o, []byte(`{"spec": {"deletionProtection": false}}`))
			}
		}
	}
	removeComposites(t, c, "WorkloadRole")
	removeComposites(t, c, "EKSCluster")
	within(t, "the clusters, their nodes and their roles are gone", func() (string, bool) {
		left := remaining(t, c, "Cluster", "NodeGroup", "Role")
		return left, left == ""
	})
	for _, spoke := range spokes {
		account.emptyLogs(t, spoke)
	}
	removeComposites(t, c, "EventQueue", "EventBucket", "Network")
	within(t, "no managed resource is left", func() (string, bool) {
		left := remaining(t, c)
		return left, left == ""
	})
}

// removeComposites deletes the spokes' composite resources of the kinds. It repeats a
// refused deletion, because it takes a moment until the protection ends.
func removeComposites(t *testing.T, c client.Client, kinds ...string) {
	t.Helper()
	for _, spoke := range spokes {
		for _, o := range composites(t, c, spoke) {
			if slices.Contains(kinds, o.GetKind()) {
				until(t, fmt.Sprintf("the API server deletes the %s %s of %s", o.GetKind(), o.GetName(), spoke), func() (string, bool) {
					err := client.IgnoreNotFound(c.Delete(t.Context(), o))
					return fmt.Sprint(err), err == nil
				})
			}
		}
	}
}

// remaining returns the spokes' managed resources of the kinds, or all without kinds, with
// the provider's message about each.
func remaining(t *testing.T, c client.Client, kinds ...string) string {
	t.Helper()
	var left []string
	for _, spoke := range spokes {
		for _, o := range managedResources(t, c, spoke) {
			if len(kinds) == 0 || slices.Contains(kinds, o.GetKind()) {
				left = append(left, fmt.Sprintf("%s %s: %s", o.GetKind(), o.GetName(), conditionOf(o, "Synced").Message))
			}
		}
	}
	return strings.Join(left, "; ")
}

func named(objects []*unstructured.Unstructured, names ...string) []*unstructured.Unstructured {
	return slices.DeleteFunc(objects, func(o *unstructured.Unstructured) bool { return !slices.Contains(names, o.GetName()) })
}

func patch(t *testing.T, c client.Client, o *unstructured.Unstructured, merge []byte) {
	t.Helper()
	if err := c.Patch(t.Context(), o, client.RawPatch(types.MergePatchType, merge)); err != nil {
		t.Fatalf("patch %s %s: %v", o.GetKind(), o.GetName(), err)
	}
}
