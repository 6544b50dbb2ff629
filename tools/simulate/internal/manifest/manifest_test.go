package manifest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
)

const text = `spec:
  minReplicaCount: 1 # one is always there, 1 is enough
  triggers:
    - metadata:
        queueLength: "50"
        scaleOnInFlight: "true"
- op: replace
  value: 60
`

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "so.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	places := map[string]scenario.Place{
		scenario.MinReplicas: {File: "so.yaml", Line: 2}, scenario.QueueLength: {File: "so.yaml", Line: 5}, scenario.DownWindow: {File: "so.yaml", Line: 8},
	}
	behavior := "scaleDown:\n  policies: []\n  stabilizationWindowSeconds: "
	changes := []scenario.Change{
		{Setting: scenario.MinReplicas, Before: "1", After: "2"},
		{Setting: scenario.QueueLength, Before: "50", After: "35"},
		{Setting: "behavior", Before: behavior + "60", After: behavior + "300"},
	}
	edits, err := Write(dir, places, changes)
	if err != nil || len(edits) != 3 {
		t.Fatalf("%q, %v", edits, err)
	}
	want := strings.NewReplacer("minReplicaCount: 1 ", "minReplicaCount: 2 ", `"50"`, `"35"`, "value: 60", "value: 300").Replace(text)
	got, err := os.ReadFile(file)
	if err != nil || string(got) != want {
		t.Errorf("%v:\n%s", err, got)
	}
	// If one change cannot be written, none is.
	for name, wrong := range map[string]scenario.Change{
		"another value": {Setting: scenario.QueueLength, Before: "50", After: "40"},
		"no place":      {Setting: scenario.MaxReplicas, Before: "50", After: "40"},
	} {
		if edits, err := Write(dir, places, []scenario.Change{{Setting: scenario.MinReplicas, Before: "2", After: "3"}, wrong}); err == nil {
			t.Errorf("%s: %q", name, edits)
		}
	}
	if again, _ := os.ReadFile(file); string(again) != want {
		t.Errorf("a refused change wrote:\n%s", again)
	}
}
