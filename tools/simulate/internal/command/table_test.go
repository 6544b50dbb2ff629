package command

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mystique-unicorn/sales-events/tools/internal/recording"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/world"
)

const repository = "../../../.."

// TestDocumentIsCurrent: the table of docs/simulate.md was made from the current
// recordings and the current model.
func TestDocumentIsCurrent(t *testing.T) {
	recorded, err := recording.Read(filepath.Join(repository, filepath.FromSlash(recording.Folder)))
	if err != nil {
		t.Fatal(err)
	}
	made, err := madeOf(repository, recorded)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(repository, filepath.FromSlash(document)))
	if err != nil {
		t.Fatal(err)
	}
	found := inDocument.FindStringSubmatch(string(text))
	if found == nil {
		t.Fatalf("%s has no table", document)
	}
	if found[2] != made {
		t.Errorf("the table of %s is made of %s, and today it would be of %s: run `go run -C tools/simulate . --table --write`",
			document, found[2], made)
	}
	for _, r := range recorded {
		if !strings.Contains(found[1], "| "+r.Name+" |") {
			t.Errorf("the table lacks %s", r.Name)
		}
	}
}

// TestWriteTable: the new table replaces the old one, and nothing else.
func TestWriteTable(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		file := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(goldenRuns, "[]")
	write(document, "before\n"+begin+"\nold\n<!-- made of 00 -->\nafter\n")
	if err := writeTable(root, nil, "new\n"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(document)))
	if err != nil {
		t.Fatal(err)
	}
	got := string(text)
	if !strings.HasPrefix(got, "before\n"+begin+"\n\nnew\n\n<!-- made of ") || !strings.HasSuffix(got, " -->\nafter\n") || strings.Contains(got, "old") {
		t.Errorf("the document is\n%s", got)
	}
	write(document, "no place\n")
	if err := writeTable(root, nil, "new\n"); err == nil || !strings.Contains(err.Error(), "has no place for the table") {
		t.Errorf("error %v", err)
	}
}

// TestAt: the phases are those in which the HPA looks at the same moment, even across the
// period's end.
func TestAt(t *testing.T) {
	const period, of = 15 * time.Second, 200
	for _, created := range []float64{0.1, 7.5, 14.9, 22.5} {
		phases := at(recording.Run{Pods: []recording.Pod{{}, {Created: &created}}}, period, of)
		if len(phases) != of/16 {
			t.Errorf("%d phases", len(phases))
		}
		for _, phase := range phases {
			d := math.Abs(world.Phase{Index: phase, Of: of}.Look(period).Seconds() - math.Mod(created, 15))
			if min(d, 15-d) > 0.6 {
				t.Errorf("phase %d looks after %s, a pod came after %g s", phase, world.Phase{Index: phase, Of: of}.Look(period), created)
			}
		}
	}
	if phases := at(recording.Run{}, period, of); len(phases) != of {
		t.Errorf("%d phases of a run that did not scale", len(phases))
	}
}
