package events

import (
	"encoding/json"
	"flag"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/internal/event"
)

var update = flag.Bool("update", false, "rewrite the golden file")

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// A seed always gives the same events, so a result of an older run can be checked later.
func TestGolden(t *testing.T) {
	const golden = "testdata/seed-7.jsonl"
	source := Source{Seed: 7, BadPercent: 10, DuplicatePercent: 20}
	var lines strings.Builder
	out := json.NewEncoder(&lines)
	for i := range 40 {
		m := source.At(i)
		if err := out.Encode(map[string]any{
			"event_type": m.EventType, "bad": m.Bad, "duplicate": m.Duplicate, "body": json.RawMessage(m.Body(noon)),
		}); err != nil {
			t.Fatal(err)
		}
	}
	if *update {
		if err := os.WriteFile(golden, []byte(lines.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if lines.String() != string(want) {
		t.Errorf("the events of a seed have changed: a seed that somebody kept is of no use any more.\n got %s\nwant %s", &lines, want)
	}
}

// Any position can be computed alone, in any order.
func TestAnyOrder(t *testing.T) {
	source := Source{Seed: 3, BadPercent: 10, DuplicatePercent: 30}
	var forwards []Message
	for i := range 1000 {
		forwards = append(forwards, source.At(i))
	}
	for i := 999; i >= 0; i-- {
		if got := source.At(i); !reflect.DeepEqual(got, forwards[i]) {
			t.Fatalf("position %d: %+v, and %+v before", i, got, forwards[i])
		}
	}
}

func TestShares(t *testing.T) {
	const n = 100_000
	for _, want := range []Source{
		{Seed: 1},
		{Seed: 1, BadPercent: 10, DuplicatePercent: 5},
		{Seed: 2, BadPercent: 50, DuplicatePercent: 50},
		{Seed: 3, BadPercent: 100, DuplicatePercent: 100},
	} {
		var bad, duplicates float64
		for i := range n {
			m := want.At(i)
			if m.Bad {
				bad++
			}
			if m.Duplicate {
				duplicates++
			}
		}
		// DuplicatePercent is a share of the messages that are no duplicates.
		if share := 100 * duplicates / (n - duplicates); math.Abs(share-float64(want.DuplicatePercent)) > 1 {
			t.Errorf("%+v: %.1f %% are sent a second time", want, share)
		}
		if share := 100 * bad / n; math.Abs(share-float64(want.BadPercent)) > 1 {
			t.Errorf("%+v: %.1f %% are bad", want, share)
		}
	}
}

// An id appears once, or a second time in a duplicate. The duplicate follows its message
// and equals it byte for byte.
func TestIDs(t *testing.T) {
	seen := map[string]bool{}
	for seed := 1; seed <= 3; seed++ {
		source := Source{Seed: seed, BadPercent: 10, DuplicatePercent: 20}
		for i := range 20_000 {
			m := source.At(i)
			if !m.Duplicate {
				if seen[m.RequestID] {
					t.Fatalf("seed %d, position %d: the id %s is there already", seed, i, m.RequestID)
				}
				seen[m.RequestID] = true
				continue
			}
			before := source.At(i - 1)
			if before.Duplicate || before.Body(noon) != m.Body(noon) || before.EventType != m.EventType || before.Priority != m.Priority {
				t.Fatalf("seed %d, position %d: %+v is no duplicate of %+v", seed, i, m, before)
			}
		}
	}
}

// The shares decide only which messages are bad or duplicates.
func TestSharesChangeNoOtherEvent(t *testing.T) {
	plain, mixed := Source{Seed: 5}, Source{Seed: 5, BadPercent: 20, DuplicatePercent: 20}
	same := 0
	for i := range 1000 {
		if m := mixed.At(i); !m.Bad && !m.Duplicate {
			same++
			if got := plain.At(i).Body(noon); got != m.Body(noon) {
				t.Fatalf("position %d: %s, with shares %s", i, got, m.Body(noon))
			}
		}
	}
	if same < 500 {
		t.Errorf("only %d messages compared", same)
	}
}

// The consumer's own check accepts every good message and no bad one.
func TestMessagesAreEvents(t *testing.T) {
	source := Source{Seed: 1, BadPercent: 50}
	for i := range 400 {
		m := source.At(i)
		body := m.Body(noon)
		e, err := event.Parse(body, m.EventType)
		if (err != nil) != m.Bad {
			t.Fatalf("bad=%t: %v\n%s", m.Bad, err, body)
		}
		if e.RequestID != m.RequestID || e.Priority != m.Priority || !e.TS.Equal(noon) {
			t.Fatalf("%+v has the body %s", m, body)
		}
		var fields map[string]any
		if err := json.Unmarshal([]byte(body), &fields); err != nil {
			t.Fatal(err)
		}
		if _, has := fields["store_id"]; has == m.Bad {
			t.Fatalf("bad=%t and store_id present: %t", m.Bad, has)
		}
	}
}

func BenchmarkAt(b *testing.B) {
	source := Source{Seed: 1, BadPercent: 10, DuplicatePercent: 5}
	for i := 0; b.Loop(); i++ {
		source.At(i)
	}
}
