package flux

import (
	"context"
	"fmt"
	"io"
	"sort"
	"strings"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

var (
	gitRepositories = schema.GroupVersionResource{Group: "source.toolkit.fluxcd.io", Version: "v1", Resource: "gitrepositories"}
	kustomizations  = schema.GroupVersionResource{Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Resource: "kustomizations"}
)

// ObjectStatus is the state of one Flux object.
type ObjectStatus struct {
	Kind, Namespace, Name string
	// Ready is condition Ready at the object's present generation and, for a
	// Kustomization, at its source's present revision.
	Ready bool
	// Revision is what is applied, or fetched.
	Revision string
	// Reason says why it is not ready, or how it became so.
	Reason string
}

func (s ObjectStatus) String() string {
	return fmt.Sprintf("%s %s/%s", s.Kind, s.Namespace, s.Name)
}

// Status is every GitRepository and Kustomization of the cluster, sources
// first, each kind by name.
func Status(ctx context.Context, config *rest.Config) ([]ObjectStatus, error) {
	c, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	return status(ctx, c)
}

func status(ctx context.Context, c dynamic.Interface) ([]ObjectStatus, error) {
	sources, err := c.Resource(gitRepositories).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list the GitRepositories: %w", err)
	}
	applied, err := c.Resource(kustomizations).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list the Kustomizations: %w", err)
	}
	revisions := map[string]string{}
	var found []ObjectStatus
	for _, source := range sources.Items {
		revision, _, _ := unstructured.NestedString(source.Object, "status", "artifact", "revision")
		revisions[source.GetNamespace()+"/"+source.GetName()] = revision
		found = append(found, evaluate(&source, revision, revision))
	}
	for _, k := range applied.Items {
		namespace, _, _ := unstructured.NestedString(k.Object, "spec", "sourceRef", "namespace")
		if namespace == "" {
			namespace = k.GetNamespace()
		}
		name, _, _ := unstructured.NestedString(k.Object, "spec", "sourceRef", "name")
		revision, _, _ := unstructured.NestedString(k.Object, "status", "lastAppliedRevision")
		found = append(found, evaluate(&k, revision, revisions[namespace+"/"+name]))
	}
	sort.SliceStable(found, func(i, j int) bool { return found[i].String() < found[j].String() })
	return found, nil
}

// evaluate reads the Ready condition as kstatus does, and holds the object's
// revision against the one that it should be at.
func evaluate(o *unstructured.Unstructured, revision, wanted string) ObjectStatus {
	s := ObjectStatus{Kind: o.GetKind(), Namespace: o.GetNamespace(), Name: o.GetName(), Revision: revision, Reason: "not reconciled yet"}
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
	case observed != o.GetGeneration():
		s.Ready, s.Reason = false, "the controller has not seen the last change yet; before: "+s.Reason
	case s.Ready && revision != wanted:
		s.Ready, s.Reason = false, fmt.Sprintf("is at %s, its source at %s", revision, wanted)
	}
	return s
}

// WaitReady waits until every Flux object is ready and writes a line to
// progress as each becomes so. When ctx ends first, the error names each one
// that is not and why.
func WaitReady(ctx context.Context, config *rest.Config, progress io.Writer) error {
	c, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("connect to the cluster: %w", err)
	}
	return waitReady(ctx, c, progress)
}

func waitReady(ctx context.Context, c dynamic.Interface, progress io.Writer) error {
	reported := map[string]string{}
	var last []ObjectStatus
	for {
		now, err := status(ctx, c)
		if err == nil {
			last = now
			waiting := 0
			for _, s := range now {
				if !s.Ready {
					waiting++
				} else if reported[s.String()] != s.Revision {
					reported[s.String()] = s.Revision
					fmt.Fprintf(progress, "ready: %s at %s\n", s, s.Revision)
				}
			}
			if waiting == 0 && len(now) > 0 {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w\n%s", context.Cause(ctx), explain(last, err))
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func explain(last []ObjectStatus, err error) string {
	var lines []string
	for _, s := range last {
		if !s.Ready {
			lines = append(lines, fmt.Sprintf("  %s: %s", s, s.Reason))
		}
	}
	if len(lines) == 0 && err != nil {
		lines = append(lines, "  "+err.Error())
	}
	return "not ready:\n" + strings.Join(lines, "\n")
}

// Reconcile asks Flux to fetch and apply now, as `flux reconcile` does, and
// waits until everything is ready at the new revision.
func Reconcile(ctx context.Context, config *rest.Config, progress io.Writer) error {
	c, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("connect to the cluster: %w", err)
	}
	token := time.Now().Format(time.RFC3339Nano)
	if err := request(ctx, c, gitRepositories, token); err != nil {
		return err
	}
	if err := handled(ctx, c, gitRepositories, token); err != nil {
		return err
	}
	if err := request(ctx, c, kustomizations, token); err != nil {
		return err
	}
	if err := handled(ctx, c, kustomizations, token); err != nil {
		return err
	}
	return waitReady(ctx, c, progress)
}

// request annotates every object of a kind with the token that its controller
// answers in its status.
func request(ctx context.Context, c dynamic.Interface, kind schema.GroupVersionResource, token string) error {
	objects, err := c.Resource(kind).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list the %s: %w", kind.Resource, err)
	}
	patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, meta.ReconcileRequestAnnotation, token)
	for _, o := range objects.Items {
		if _, err := c.Resource(kind).Namespace(o.GetNamespace()).Patch(ctx, o.GetName(), types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
			return fmt.Errorf("ask for a reconciliation of %s %s: %w", o.GetKind(), o.GetName(), err)
		}
	}
	return nil
}

func handled(ctx context.Context, c dynamic.Interface, kind schema.GroupVersionResource, token string) error {
	for {
		objects, err := c.Resource(kind).List(ctx, metav1.ListOptions{})
		if err != nil {
			return fmt.Errorf("list the %s: %w", kind.Resource, err)
		}
		var waiting []string
		for _, o := range objects.Items {
			// One that appeared since was not asked.
			asked := o.GetAnnotations()[meta.ReconcileRequestAnnotation] == token
			answer, _, _ := unstructured.NestedString(o.Object, "status", "lastHandledReconcileAt")
			if asked && answer != token {
				waiting = append(waiting, o.GetNamespace()+"/"+o.GetName())
			}
		}
		if len(waiting) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: no answer from %s %s", context.Cause(ctx), kind.Resource, strings.Join(waiting, ", "))
		case <-time.After(200 * time.Millisecond):
		}
	}
}
