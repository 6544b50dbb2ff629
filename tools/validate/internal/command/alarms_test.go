package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An EventQueue with alarms turned off is found in each environment on AWS.
func TestAlarmsOff(t *testing.T) {
	dir := t.TempDir()
	copyRepository(t, "../../../..", dir)
	if found := findingsOf(t, dir, "SQS011"); len(found) > 0 {
		t.Errorf("with its alarms: %v", found)
	}
	file := filepath.Join(dir, "infrastructure", "platform", "base", "events", "eventqueue.yaml")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const before = "  visibilityTimeoutSeconds: 30\n"
	off := strings.Replace(string(data), before, before+"  alarms: {enabled: false}\n", 1)
	if off == string(data) {
		t.Fatalf("%s has no line %q", file, before)
	}
	if err := os.WriteFile(file, []byte(off), 0o644); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for _, found := range findingsOf(t, dir, "SQS011") {
		said.WriteString(found.Message + "\n")
	}
	// Staging keeps messages for two days, production for fourteen.
	for _, want := range []string{"queue staging-reliable-q keeps messages for 48h0m0s, and no alarm watches it", "no alarm watches queue production-reliable-q"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("validate does not say %q, but\n%s", want, &said)
		}
	}
}
