package flux

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/apis/meta"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/mystique-unicorn/sales-events/tools/local/internal/progress"
)

// The kinds that Flux's controllers reconcile: sources, the charts made from them, and
// the objects that apply either.
var (
	sources  = kindsOf("source.toolkit.fluxcd.io", "v1", "gitrepositories", "ocirepositories", "buckets", "helmrepositories")
	charts   = kindsOf("source.toolkit.fluxcd.io", "v1", "helmcharts")
	appliers = slices.Concat(
		kindsOf("kustomize.toolkit.fluxcd.io", "v1", "kustomizations"),
		kindsOf("helm.toolkit.fluxcd.io", "v2", "helmreleases"),
	)
)

func kindsOf(group, version string, resources ...string) []schema.GroupVersionResource {
	var kinds []schema.GroupVersionResource
	for _, resource := range resources {
		kinds = append(kinds, schema.GroupVersionResource{Group: group, Version: version, Resource: resource})
	}
	return kinds
}

// ObjectStatus is the state of one Flux object.
type ObjectStatus struct {
	Kind, Namespace, Name string
	// Suspended reports whether reconciliation of the object is suspended.
	Suspended bool
	// Ready is the condition Ready at the object's current generation. A Kustomization
	// must also have applied its source's current revision.
	Ready bool
	// Revision is the revision that is applied, or fetched.
	Revision string
	// Reason says why the object is not ready, or with which result it became ready.
	Reason string
}

func (s ObjectStatus) String() string {
	return fmt.Sprintf("%s %s/%s", s.Kind, s.Namespace, s.Name)
}

// Status returns every source and every applying object of Flux in the cluster, sources
// first, each kind by name.
func Status(ctx context.Context, config *rest.Config) ([]ObjectStatus, error) {
	c, err := connect(config)
	if err != nil {
		return nil, err
	}
	return status(ctx, c)
}

func connect(config *rest.Config) (dynamic.Interface, error) {
	c, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	return c, nil
}

func status(ctx context.Context, c dynamic.Interface) ([]ObjectStatus, error) {
	fetched, err := list(ctx, c, slices.Concat(sources, charts))
	if err != nil {
		return nil, err
	}
	applied, err := list(ctx, c, appliers)
	if err != nil {
		return nil, err
	}
	revisions := map[string]string{}
	var found []ObjectStatus
	for _, o := range fetched {
		revision := text(o, "status", "artifact", "revision")
		revisions[key(o.GetKind(), o.GetNamespace(), o.GetName())] = revision
		found = append(found, evaluate(o, revision, revision))
	}
	for _, o := range applied {
		revision := text(o, "status", "lastAppliedRevision")
		if o.GetKind() == "HelmRelease" {
			revision = text(o, "status", "lastAttemptedRevision")
		}
		wanted, known := revisions[sourceOf(o)]
		if !known {
			wanted = revision
		}
		found = append(found, evaluate(o, revision, wanted))
	}
	return found, nil
}

// list returns the objects of the kinds that the cluster knows.
func list(ctx context.Context, c dynamic.Interface, kinds []schema.GroupVersionResource) ([]*unstructured.Unstructured, error) {
	var all []*unstructured.Unstructured
	for _, kind := range kinds {
		objects, err := c.Resource(kind).List(ctx, metav1.ListOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list the %s: %w", kind.Resource, err)
		}
		for i := range objects.Items {
			all = append(all, &objects.Items[i])
		}
	}
	return all, nil
}

// sourceOf returns the key of a Kustomization's source. A HelmRelease is left out: it
// names its source in other ways, and its revision is the chart's version, not the
// source's revision.
func sourceOf(o *unstructured.Unstructured) string {
	namespace := text(o, "spec", "sourceRef", "namespace")
	if namespace == "" {
		namespace = o.GetNamespace()
	}
	return key(text(o, "spec", "sourceRef", "kind"), namespace, text(o, "spec", "sourceRef", "name"))
}

func key(kind, namespace, name string) string { return kind + " " + namespace + "/" + name }

func text(o *unstructured.Unstructured, fields ...string) string {
	value, _, _ := unstructured.NestedString(o.Object, fields...)
	return value
}

func suspended(o *unstructured.Unstructured) bool {
	value, _, _ := unstructured.NestedBool(o.Object, "spec", "suspend")
	return value
}

// static reports whether an object is only read: no controller writes its status.
func static(o *unstructured.Unstructured) bool {
	return o.GetKind() == "HelmRepository" && text(o, "spec", "type") == "oci"
}

// evaluate reads the Ready condition as kstatus does, and compares the object's revision
// with the wanted one.
func evaluate(o *unstructured.Unstructured, revision, wanted string) ObjectStatus {
	s := ObjectStatus{Kind: o.GetKind(), Namespace: o.GetNamespace(), Name: o.GetName(), Revision: revision, Reason: "not reconciled yet"}
	if static(o) {
		s.Ready, s.Reason = true, "read by charts only"
		return s
	}
	observed, _, _ := unstructured.NestedInt64(o.Object, "status", "observedGeneration")
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, c := range conditions {
		condition, ok := c.(map[string]any)
		if !ok || condition["type"] != meta.ReadyCondition {
			continue
		}
		s.Reason = fmt.Sprintf("%v: %v", condition["reason"], condition["message"])
		s.Ready = condition["status"] == string(metav1.ConditionTrue)
	}
	switch {
	case suspended(o):
		s.Suspended, s.Reason = true, "suspended; before: "+s.Reason
	case observed != o.GetGeneration():
		s.Ready, s.Reason = false, "the controller has not seen the last change yet; before: "+s.Reason
	case s.Ready && revision != wanted:
		s.Ready, s.Reason = false, fmt.Sprintf("is at %s, its source at %s", revision, wanted)
	}
	return s
}

// WaitReady waits until every Flux object is ready, except suspended ones. It logs each
// object that becomes ready, and the ones still missing. If ctx ends first, the error
// names each object that is not ready, with the reason.
func WaitReady(ctx context.Context, config *rest.Config, log *progress.Log) error {
	c, err := connect(config)
	if err != nil {
		return err
	}
	return waitReady(ctx, c, log)
}

func waitReady(ctx context.Context, c dynamic.Interface, log *progress.Log) error {
	reported := map[string]string{}
	report := func(s ObjectStatus, line string) {
		if reported[s.String()] != line {
			reported[s.String()] = line
			log.Done("%s", line)
		}
	}
	return until(ctx, 500*time.Millisecond, func() (string, error) {
		objects, err := status(ctx, c)
		if err != nil {
			return "", err
		}
		if len(objects) == 0 {
			return "there are no Flux objects", nil
		}
		for _, s := range objects {
			switch {
			case s.Suspended:
				report(s, fmt.Sprintf("not waited for: %s is suspended", s))
			case s.Ready:
				report(s, fmt.Sprintf("ready: %s at %s", s, s.Revision))
			}
		}
		showWaiting(log, objects)
		return explain(objects), nil
	})
}

// showWaiting shows in one line which objects it waits for.
func showWaiting(log *progress.Log, objects []ObjectStatus) {
	var names []string
	for _, s := range objects {
		if !s.Ready && !s.Suspended {
			names = append(names, s.Name)
		}
	}
	if len(names) == 0 {
		log.Wipe()
		return
	}
	log.Doing("%d of %d Flux objects are ready; waiting for %s", len(objects)-len(names), len(objects), strings.Join(names, ", "))
}

// explain names the objects that are not ready; empty for none.
func explain(objects []ObjectStatus) string {
	waiting := ""
	for _, s := range objects {
		if !s.Ready && !s.Suspended {
			waiting += fmt.Sprintf("\n  %s: %s", s, s.Reason)
		}
	}
	if waiting == "" {
		return ""
	}
	return "not ready:" + waiting
}

// until repeats a check until it returns nothing to wait for. A failed check is repeated,
// too, since the API server may be busy. If ctx ends first, the error says what was
// waited for.
func until(ctx context.Context, interval time.Duration, check func() (waiting string, err error)) error {
	last := "nothing was seen yet"
	for {
		waiting, err := check()
		switch {
		case err == nil && waiting == "":
			return nil
		case err == nil:
			last = waiting
		case ctx.Err() == nil:
			last = err.Error()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w\n%s", context.Cause(ctx), last)
		case <-time.After(interval):
		}
	}
}

// Fetch makes Flux fetch its sources now, and waits until everything is ready at the
// fetched revisions. Objects that already have the revision are not reconciled again.
func Fetch(ctx context.Context, config *rest.Config, log *progress.Log) error {
	return askAndWait(ctx, config, log, sources)
}

// Reconcile makes Flux fetch and apply now, as `flux reconcile` does, and waits until
// everything is ready at the new revision.
func Reconcile(ctx context.Context, config *rest.Config, log *progress.Log) error {
	return askAndWait(ctx, config, log, sources, charts, appliers)
}

// Override sets the patches of the root Kustomization, and waits until everything is
// ready with them; no patches means the manifests as they are in Git. The form is that of
// spec.patches: https://fluxcd.io/flux/components/kustomize/kustomizations/#patches
func Override(ctx context.Context, config *rest.Config, patches []kustomize.Patch, log *progress.Log) error {
	if err := SetPatches(ctx, config, patches); err != nil {
		return err
	}
	return Reconcile(ctx, config, log)
}

// SetPatches sets the patches as Override does, and does not wait.
func SetPatches(ctx context.Context, config *rest.Config, patches []kustomize.Patch) error {
	c, err := connect(config)
	if err != nil {
		return err
	}
	change, err := json.Marshal(map[string]any{"spec": map[string]any{"patches": patches}})
	if err != nil {
		return err
	}
	root := c.Resource(appliers[0]).Namespace(Namespace)
	if _, err := root.Patch(ctx, Namespace, types.MergePatchType, change, metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("patch the Kustomization %s: %w", Namespace, err)
	}
	return nil
}

func askAndWait(ctx context.Context, config *rest.Config, log *progress.Log, stages ...[]schema.GroupVersionResource) error {
	c, err := connect(config)
	if err != nil {
		return err
	}
	token := time.Now().Format(time.RFC3339Nano)
	for _, kinds := range stages {
		if err := ask(ctx, c, kinds, token); err != nil {
			return err
		}
	}
	return waitReady(ctx, c, log)
}

// ask annotates every object of the kinds with the token, and waits until their
// controllers have put it into each object's status. Suspended objects are left out.
func ask(ctx context.Context, c dynamic.Interface, kinds []schema.GroupVersionResource, token string) error {
	return until(ctx, 200*time.Millisecond, func() (string, error) {
		var silent []string
		for _, kind := range kinds {
			names, err := unanswered(ctx, c, kind, token)
			if err != nil {
				return "", err
			}
			silent = append(silent, names...)
		}
		if len(silent) == 0 {
			return "", nil
		}
		return "no answer from " + strings.Join(silent, ", "), nil
	})
}

// unanswered returns the objects of a kind whose status lacks the token. Those that are
// not annotated with it yet get the annotation.
func unanswered(ctx context.Context, c dynamic.Interface, kind schema.GroupVersionResource, token string) ([]string, error) {
	objects, err := list(ctx, c, []schema.GroupVersionResource{kind})
	if err != nil {
		return nil, err
	}
	patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, meta.ReconcileRequestAnnotation, token)
	var silent []string
	for _, o := range objects {
		if suspended(o) || static(o) || text(o, "status", "lastHandledReconcileAt") == token {
			continue
		}
		silent = append(silent, key(o.GetKind(), o.GetNamespace(), o.GetName()))
		if o.GetAnnotations()[meta.ReconcileRequestAnnotation] == token {
			continue
		}
		objects := c.Resource(kind).Namespace(o.GetNamespace())
		if _, err := objects.Patch(ctx, o.GetName(), types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
			return nil, fmt.Errorf("ask for a reconciliation of %s %s: %w", o.GetKind(), o.GetName(), err)
		}
	}
	return silent, nil
}
