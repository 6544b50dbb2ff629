//go:build e2e

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mystique-unicorn/sales-events/tools/local/internal/cluster"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
)

// forgetSpoke writes the names of a spoke's resources into Git, as docs/aws.md says under
// "Keep what the hub knows", and deletes all objects of the spoke from the hub's etcd. With
// Git alone the hub must find every resource in AWS again, and create none a second time.
func forgetSpoke(t *testing.T, c client.Client, account *awsAccount, paths layout.Paths, dir, spoke string) {
	t.Helper()
	keepNames(t, c, dir, spoke)
	account.checkProvisioned(t, c, spoke)
	// Flux must not be waiting for the objects that are deleted: on a new hub it would not.
	within(t, "Flux has applied "+spoke, func() (string, bool) {
		is := conditionOf(named(list(t, c, kustomization, spoke), "platform")[0], "Ready")
		return is.Message, is.Status == corev1.ConditionTrue
	})
	names, vpcs, creations := externalNames(t, c, spoke), account.vpcs(t, spoke), account.creations(t, spoke)
	// Nothing runs in a lost hub. Here Crossplane could compose an object during the deletion.
	// It would be an orphan, and its garbage collection would delete the resource in AWS.
	scaleCrossplane(t, c, 0)
	deleteFromEtcd(t, paths, spoke)
	scaleCrossplane(t, c, 1)
	for _, o := range named(list(t, c, kustomization, spoke), "platform") {
		patch(t, c, o, fmt.Appendf(nil, `{"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": %q}}}`, time.Now()))
	}
	account.checkProvisioned(t, c, spoke)
	if found := externalNames(t, c, spoke); !maps.Equal(found, names) {
		t.Errorf("the hub found other resources in AWS than it had: %v instead of %v", found, names)
	}
	if found := account.vpcs(t, spoke); len(found) != 1 || !slices.Equal(found, vpcs) {
		t.Errorf("there are the VPCs %v instead of %v", found, vpcs)
	}
	for action, count := range account.creations(t, spoke) {
		if count > creations[action] {
			t.Errorf("the hub called %s %d times to find existing resources", action, count-creations[action])
		}
	}
}

// scaleCrossplane scales Crossplane, and waits until it has that number of pods.
func scaleCrossplane(t *testing.T, c client.Client, replicas int) {
	t.Helper()
	deployment := &appsv1.Deployment{}
	key := client.ObjectKey{Namespace: "crossplane-system", Name: "crossplane"}
	if err := c.Get(t.Context(), key, deployment); err != nil {
		t.Fatal(err)
	}
	patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"spec": {"replicas": %d}}`, replicas))
	if err := c.Patch(t.Context(), deployment, patch); err != nil {
		t.Fatal(err)
	}
	until(t, fmt.Sprintf("Crossplane has %d pods", replicas), func() (string, bool) {
		var pods corev1.PodList
		if err := c.List(t.Context(), &pods, client.InNamespace(key.Namespace), client.MatchingLabels(deployment.Spec.Selector.MatchLabels)); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(len(pods.Items)), len(pods.Items) == replicas
	})
}

// keepNames writes the names that AWS gave to the parts of the network and the cluster into
// Git.
func keepNames(t *testing.T, c client.Client, dir, spoke string) {
	t.Helper()
	for _, o := range composites(t, c, spoke) {
		file := map[string]string{"Network": "network-patch.yaml", "EKSCluster": "ekscluster-patch.yaml"}[o.GetKind()]
		if file == "" {
			continue
		}
		names, found, _ := unstructured.NestedMap(o.Object, "status", "externalNames")
		if !found {
			t.Fatalf("%s %s has no status.externalNames", o.GetKind(), o.GetName())
		}
		line, err := json.Marshal(names)
		if err != nil {
			t.Fatal(err)
		}
		at := filepath.Join(dir, "infrastructure/platform", spoke, file)
		data, err := os.ReadFile(at)
		if err != nil {
			t.Fatal(err)
		}
		// spec is the last field of the file.
		if err := os.WriteFile(at, fmt.Appendf(data, "  externalNames: %s\n", line), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	pushAll(t, dir, "Keep the names of "+spoke+" in AWS")
	until(t, "Flux applied the names of "+spoke, func() (string, bool) {
		var without []string
		for _, o := range composites(t, c, spoke) {
			_, has, _ := unstructured.NestedMap(o.Object, "spec", "externalNames")
			if kind := o.GetKind(); (kind == "Network" || kind == "EKSCluster") && !has {
				without = append(without, kind)
			}
		}
		return strings.Join(without, ", "), len(without) == 0
	})
}

// assigned matches an identifier that AWS assigned. A resource that only links others, such
// as a route, has none. Terraform names it, and names a found one differently from a created
// one.
var assigned = regexp.MustCompile(`^[a-z]+-[0-9a-f]{17}$`)

// externalNames returns the identifiers of the managed resources to which AWS assigned one.
func externalNames(t *testing.T, c client.Client, spoke string) map[string]string {
	t.Helper()
	names := map[string]string{}
	for _, o := range managedResources(t, c, spoke) {
		if name := o.GetAnnotations()["crossplane.io/external-name"]; assigned.MatchString(name) {
			names[o.GetKind()+" "+o.GetName()] = name
		}
	}
	return names
}

// deleteFromEtcd removes a namespace's composite and managed resources and the usages
// between them in one transaction, as if etcd had been lost. No webhook is called, no
// finalizer runs, and nothing is deleted in AWS.
func deleteFromEtcd(t *testing.T, paths layout.Paths, namespace string) {
	t.Helper()
	type keys struct {
		Key      []byte `json:"key"`
		RangeEnd []byte `json:"range_end"`
	}
	resources := append(activated(t), "usages.protection.crossplane.io")
	for _, kind := range platformKinds {
		resources = append(resources, strings.ToLower(kind)+"s.platform.mystique-unicorn.io")
	}
	var deletions []map[string]keys
	for _, resource := range resources {
		plural, group, _ := strings.Cut(resource, ".")
		prefix := "/registry/" + group + "/" + plural + "/" + namespace
		deletions = append(deletions, map[string]keys{"request_delete_range": {[]byte(prefix + "/"), []byte(prefix + "0")}})
	}
	body, err := json.Marshal(map[string]any{"success": deletions})
	if err != nil {
		t.Fatal(err)
	}
	p, running := cluster.Running(paths)
	if !running {
		t.Fatal("the cluster does not run")
	}
	etcd := http.Client{Transport: &http.Transport{DialContext: dialInside(p.PID)}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1:2379/v3/kv/txn", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := etcd.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var said struct {
		Responses []struct {
			Range struct {
				Deleted int `json:"deleted,string"`
			} `json:"response_delete_range"`
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&said); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("etcd answers %s: %v", response.Status, err)
	}
	deleted := 0
	for _, one := range said.Responses {
		deleted += one.Range.Deleted
	}
	if deleted == 0 {
		t.Fatalf("etcd has no objects of %s", namespace)
	}
	t.Logf("deleted %d objects of %s from etcd", deleted, namespace)
}

// dialInside returns a function that dials from the network namespace of a process.
func dialInside(pid int) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			// It stays locked, so that the thread ends with this goroutine.
			runtime.LockOSThread()
			var namespace *os.File
			if namespace, err = os.Open(fmt.Sprintf("/proc/%d/ns/net", pid)); err != nil {
				return
			}
			defer namespace.Close()
			if err = unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET); err != nil {
				return
			}
			conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
		}()
		<-done
		return conn, err
	}
}
