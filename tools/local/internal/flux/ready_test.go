package flux

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/fake"
	clientgotesting "k8s.io/client-go/testing"

	"github.com/mystique-unicorn/sales-events/tools/local/internal/progress"
)

var kindOf = map[string]string{
	"gitrepositories": "GitRepository", "ocirepositories": "OCIRepository", "buckets": "Bucket", "helmrepositories": "HelmRepository",
	"helmcharts": "HelmChart", "kustomizations": "Kustomization", "helmreleases": "HelmRelease",
}

// object returns an object that its controller last saw at generation 2.
func object(generation int64, status, reason string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"kind":     "Kustomization",
		"metadata": map[string]any{"name": "apps", "namespace": "flux-system", "generation": generation},
		"status": map[string]any{
			"observedGeneration": int64(2),
			"conditions":         []any{map[string]any{"type": "Ready", "status": status, "reason": reason, "message": "because"}},
		},
	}}
}

// ready returns a ready object, with further fields in its spec and status.
func ready(t *testing.T, resource, name, spec, status string) *unstructured.Unstructured {
	t.Helper()
	o := object(2, "True", "Succeeded")
	for _, kind := range slices.Concat(sources, charts, appliers) {
		if kind.Resource == resource {
			o.SetGroupVersionKind(kind.GroupVersion().WithKind(kindOf[resource]))
		}
	}
	o.SetName(name)
	for part, fields := range map[string]string{"spec": spec, "status": status} {
		values := map[string]any{}
		if err := json.Unmarshal([]byte(fields), &values); err != nil {
			t.Fatal(err)
		}
		if of, ok := o.Object[part].(map[string]any); ok {
			maps.Copy(of, values)
		} else {
			o.Object[part] = values
		}
	}
	return o
}

// clusterOf returns a client of a cluster that has Flux's kinds and these objects.
func clusterOf(objects ...*unstructured.Unstructured) *fake.FakeDynamicClient {
	lists := map[schema.GroupVersionResource]string{}
	for _, kind := range slices.Concat(sources, charts, appliers) {
		lists[kind] = kindOf[kind.Resource] + "List"
	}
	var all []runtime.Object
	for _, o := range objects {
		all = append(all, o)
	}
	return fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), lists, all...)
}

func TestEvaluate(t *testing.T) {
	suspended := object(2, "True", "ReconciliationSucceeded")
	suspended.Object["spec"] = map[string]any{"suspend": true}
	for name, test := range map[string]struct {
		object           *unstructured.Unstructured
		revision, wanted string
		ready            bool
		reason           string
	}{
		"ready":                       {object(2, "True", "ReconciliationSucceeded"), "main@1", "main@1", true, "ReconciliationSucceeded: because"},
		"failed":                      {object(2, "False", "BuildFailed"), "main@1", "main@1", false, "BuildFailed: because"},
		"the last change is not seen": {object(3, "True", "ReconciliationSucceeded"), "main@1", "main@1", false, "has not seen the last change"},
		"the source has moved on":     {object(2, "True", "ReconciliationSucceeded"), "main@1", "main@2", false, "is at main@1, its source at main@2"},
		"suspended behind its source": {suspended, "main@1", "main@2", true, "suspended; before: ReconciliationSucceeded: because"},
		"nothing is known yet":        {&unstructured.Unstructured{Object: map[string]any{"kind": "Kustomization"}}, "", "", false, "not reconciled yet"},
		"nobody writes its status": {&unstructured.Unstructured{Object: map[string]any{
			"kind": "HelmRepository", "metadata": map[string]any{"generation": int64(1)}, "spec": map[string]any{"type": "oci"},
		}}, "", "", true, "read by charts only"},
	} {
		t.Run(name, func(t *testing.T) {
			got := evaluate(test.object, test.revision, test.wanted)
			if got.Ready != test.ready || !strings.Contains(got.Reason, test.reason) {
				t.Errorf("ready %t because %q, want %t because %q", got.Ready, got.Reason, test.ready, test.reason)
			}
		})
	}
}

// Every kind is listed, and an object is compared with its own source: a GitRepository
// and an OCIRepository may have the same name.
func TestStatus(t *testing.T) {
	c := clusterOf(
		ready(t, "gitrepositories", "apps", `{}`, `{"artifact": {"revision": "main@1"}}`),
		ready(t, "ocirepositories", "apps", `{}`, `{"artifact": {"revision": "latest@2"}}`),
		ready(t, "helmcharts", "chart", `{}`, `{"artifact": {"revision": "2.4.0"}}`),
		ready(t, "kustomizations", "of-git", `{"sourceRef": {"kind": "GitRepository", "name": "apps"}}`, `{"lastAppliedRevision": "main@1"}`),
		ready(t, "kustomizations", "of-oci", `{"sourceRef": {"kind": "OCIRepository", "name": "apps", "namespace": "flux-system"}}`, `{"lastAppliedRevision": "latest@2"}`),
		ready(t, "kustomizations", "of-old-oci", `{"sourceRef": {"kind": "OCIRepository", "name": "apps"}}`, `{"lastAppliedRevision": "latest@1"}`),
		ready(t, "kustomizations", "of-another", `{"sourceRef": {"kind": "ExternalArtifact", "name": "apps"}}`, `{"lastAppliedRevision": "3"}`),
		ready(t, "helmreleases", "release", `{}`, `{"lastAttemptedRevision": "2.4.0"}`),
	)
	// A cluster need not have every kind.
	c.PrependReactor("list", "buckets", func(clientgotesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewNotFound(schema.GroupResource{Resource: "buckets"}, "")
	})
	objects, err := status(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range objects {
		line := o.String() + " " + o.Revision
		if !o.Ready {
			line += ": " + o.Reason
		}
		got = append(got, line)
	}
	want := []string{
		"GitRepository flux-system/apps main@1",
		"OCIRepository flux-system/apps latest@2",
		"HelmChart flux-system/chart 2.4.0",
		"Kustomization flux-system/of-another 3",
		"Kustomization flux-system/of-git main@1",
		"Kustomization flux-system/of-oci latest@2",
		"Kustomization flux-system/of-old-oci latest@1: is at latest@1, its source at latest@2",
		"HelmRelease flux-system/release 2.4.0",
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

// A suspended object is named but not waited for, and a failed request to the API server
// is repeated.
func TestWaitReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clusterOf(
			ready(t, "gitrepositories", "apps", `{}`, `{"artifact": {"revision": "main@2"}}`),
			ready(t, "kustomizations", "apps", `{"sourceRef": {"kind": "GitRepository", "name": "apps"}}`, `{"lastAppliedRevision": "main@2"}`),
			ready(t, "kustomizations", "left", `{"suspend": true, "sourceRef": {"kind": "GitRepository", "name": "apps"}}`, `{"lastAppliedRevision": "main@1"}`),
		)
		failOnce(c, "list", "kustomizations")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var said bytes.Buffer
		if err := waitReady(ctx, c, progress.New(&said)); err != nil {
			t.Error(err)
		}
		want := `ready: GitRepository flux-system/apps at main@2
ready: Kustomization flux-system/apps at main@2
not waited for: Kustomization flux-system/left is suspended
`
		if got := regexp.MustCompile(`(?m)^ *[0-9.]+s  `).ReplaceAllString(said.String(), ""); got != want {
			t.Errorf("says\n%swant\n%s", got, want)
		}
	})
}

// After a timeout the error names the objects and the reasons.
func TestWaitInVain(t *testing.T) {
	reason := errors.New("not ready after 3m")
	ctx, cancel := context.WithCancelCause(t.Context())
	stuck := object(2, "False", "DependencyNotReady")
	stuck.SetGroupVersionKind(appliers[0].GroupVersion().WithKind("Kustomization"))
	c := clusterOf(stuck, ready(t, "gitrepositories", "good", `{}`, `{}`))
	c.PrependReactor("list", "helmreleases", func(clientgotesting.Action) (bool, runtime.Object, error) {
		cancel(reason)
		return false, nil, nil
	})
	err := waitReady(ctx, c, progress.New(io.Discard))
	want := "not ready after 3m\nnot ready:\n  Kustomization flux-system/apps: DependencyNotReady: because"
	if !errors.Is(err, reason) || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

// Every object that can answer is asked once, and the wait ends when all have answered.
func TestAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		suspended, reader := `{"suspend": true}`, `{"type": "oci"}`
		c := clusterOf(
			ready(t, "gitrepositories", "asked", `{}`, `{}`), ready(t, "gitrepositories", "suspended", suspended, `{}`),
			ready(t, "helmrepositories", "static", reader, `{}`), ready(t, "helmcharts", "chart", `{}`, `{}`),
			ready(t, "kustomizations", "asked", `{}`, `{}`), ready(t, "kustomizations", "suspended", suspended, `{}`),
			ready(t, "helmreleases", "asked", `{}`, `{}`),
		)
		// Their controllers answer at once.
		var asked []string
		c.PrependReactor("patch", "*", func(action clientgotesting.Action) (bool, runtime.Object, error) {
			patch := action.(clientgotesting.PatchAction)
			asked = append(asked, kindOf[patch.GetResource().Resource]+" "+patch.GetName())
			o, err := c.Tracker().Get(patch.GetResource(), patch.GetNamespace(), patch.GetName())
			if err != nil {
				return true, nil, err
			}
			answered := o.(*unstructured.Unstructured)
			if err := unstructured.SetNestedField(answered.Object, "now", "status", "lastHandledReconcileAt"); err != nil {
				return true, nil, err
			}
			return true, answered, c.Tracker().Update(patch.GetResource(), answered, patch.GetNamespace())
		})
		failOnce(c, "list", "gitrepositories")
		failOnce(c, "patch", "kustomizations")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for _, kinds := range [][]schema.GroupVersionResource{sources, charts, appliers} {
			if err := ask(ctx, c, kinds, "now"); err != nil {
				t.Fatal(err)
			}
		}
		if want := []string{"GitRepository asked", "HelmChart chart", "Kustomization asked", "HelmRelease asked"}; !slices.Equal(asked, want) {
			t.Errorf("asked %q, want %q", asked, want)
		}
	})
}

// A controller that does not answer is named.
func TestAskInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := ask(ctx, clusterOf(ready(t, "kustomizations", "apps", `{}`, `{}`)), appliers, "now")
		if err == nil || !strings.Contains(err.Error(), "no answer from Kustomization flux-system/apps") {
			t.Errorf("error %v", err)
		}
	})
}

// failOnce makes the first request for a kind fail, as on a busy API server.
func failOnce(c *fake.FakeDynamicClient, verb, resource string) {
	failed := false
	c.PrependReactor(verb, resource, func(clientgotesting.Action) (bool, runtime.Object, error) {
		if failed {
			return false, nil, nil
		}
		failed = true
		return true, nil, apierrors.NewServiceUnavailable("try again")
	})
}
