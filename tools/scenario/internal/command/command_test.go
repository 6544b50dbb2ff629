package command

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
)

const root = "../../../.."

func found(t *testing.T, args ...string) []scenario.Found {
	t.Helper()
	var out, said bytes.Buffer
	if code := Execute(append([]string{"--root", root}, args...), &out, &said); code != 0 {
		t.Fatalf("exit code %d: %s", code, &said)
	}
	var all []scenario.Found
	if err := json.Unmarshal(out.Bytes(), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestRepository reads this repository's ScaledObject in each of its clusters.
func TestRepository(t *testing.T) {
	local := found(t)[0]
	if local.Name() != "local: sales-events-consumer-ns/consumer" || local.Trigger.Target != 50 || !local.Trigger.InFlight || local.Trigger.Delayed {
		t.Errorf("%s, %+v", local.Name(), local.Trigger)
	}
	c := local.Consumer
	if c.Settings.ProcessDelay != 2*time.Second || c.Settings.BatchSize != 5 || c.Service != nil || c.ProbePeriod != time.Second || c.CPU != 0.01 {
		t.Errorf("the consumer: %+v", c)
	}
	if q := local.Queue; q.Delay != 2*time.Second || q.Visibility != 30*time.Second || q.MaxReceives != 10 {
		t.Errorf("the queue: %+v", q)
	}
	if !local.Sends || local.Producer.WaitSeconds != 2 || local.Minimum() != 1 || local.DownWindow() != 60 {
		t.Errorf("producer %+v, minimum %d, window %d s", local.Producer, local.Minimum(), local.DownWindow())
	}
	for _, name := range []string{scenario.QueueLength, scenario.MinReplicas, scenario.MaxReplicas, scenario.DownWindow} {
		if !strings.HasPrefix(local.Fields[name].File, "apps/consumer/deploy/") || local.Fields[name].Line == 0 {
			t.Errorf("%s is said in %+v", name, local.Fields[name])
		}
	}
	production := found(t, "--cluster", "production")[0]
	if n := production.Parts.Nodes; n.Count != 3 || n.Pods < 1 || n.Pods > 10 {
		t.Errorf("production's nodes: %+v", n)
	}
	if production.Parts.CountLag == 0 || production.Producer.MsgsPerSec != 10 {
		t.Errorf("production: %+v, %+v", production.Parts, production.Producer)
	}
}

// TestOptional: with --optional a missing ScaledObject gives an empty list.
func TestOptional(t *testing.T) {
	if all := found(t, "--cluster", "moon", "--optional"); len(all) != 0 {
		t.Errorf("found %+v", all)
	}
	if all := found(t, "--optional"); len(all) != 1 {
		t.Errorf("found %+v", all)
	}
}

func TestRefusals(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"no such cluster":    {[]string{"--cluster", "moon"}, "cluster moon has no ScaledObject; these have: local, production, staging"},
		"no such object":     {[]string{"--scaledobject", "x/y"}, "cluster local has no ScaledObject x/y, but sales-events-consumer-ns/consumer"},
		"an argument":        {[]string{"x"}, "unknown argument"},
		"a bad service time": {[]string{"--service-time", "soon"}, "write a duration such as 200ms"},
	} {
		t.Run(name, func(t *testing.T) {
			var out, said bytes.Buffer
			if code := Execute(append([]string{"--root", root}, test.args...), &out, &said); code != 2 || !strings.Contains(said.String(), test.want) {
				t.Errorf("exit code %d: %s", code, &said)
			}
		})
	}
}
