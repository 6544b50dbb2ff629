package flux

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// object was last seen by its controller at generation 2.
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

func TestEvaluate(t *testing.T) {
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
		"nothing is known yet":        {&unstructured.Unstructured{Object: map[string]any{"kind": "Kustomization"}}, "", "", false, "not reconciled yet"},
	} {
		t.Run(name, func(t *testing.T) {
			got := evaluate(test.object, test.revision, test.wanted)
			if got.Ready != test.ready || !strings.Contains(got.Reason, test.reason) {
				t.Errorf("ready %t because %q, want %t because %q", got.Ready, got.Reason, test.ready, test.reason)
			}
		})
	}
}

// Whoever waits in vain is told which object and why.
func TestExplainNamesWhatIsNotReady(t *testing.T) {
	text := explain([]ObjectStatus{
		{Kind: "Kustomization", Namespace: "n", Name: "good", Ready: true},
		{Kind: "Kustomization", Namespace: "n", Name: "stuck", Reason: "DependencyNotReady: keda"},
	}, nil)
	if !strings.Contains(text, "n/stuck: DependencyNotReady: keda") || strings.Contains(text, "good") {
		t.Error(text)
	}
}
