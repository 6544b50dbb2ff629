package command

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
)

// TestFaults puts single faults into this repository's manifests and counts
// which of them a run finds, and at which line. The faults come from
// mutators; -v prints the table and every miss, -most=1000 tries them all.
func TestFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("some hundred runs")
	}
	const root = "../../../.."
	warmModuleCache(t)
	sites := []*site{newSite(t, root), newSite(t, root)}
	for _, found := range sites[0].healthy {
		// The accounts and addresses of staging and production are placeholders for the
		// user.
		if !slices.Contains([]string{"AWS002", "KEDA007"}, found.Rule) || found.Severity != findings.Warning {
			t.Errorf("without a fault: %s:%d: %s %s", found.File, found.Line, found.Rule, found.Message)
		}
	}

	outcomes := run(t, sites, allFaults(t, readRepository(t, root)))
	logTable(t, outcomes)
	total := count(outcomes, func(outcome) bool { return true })
	if total.faults < 120 {
		t.Errorf("%d faults, want at least 120", total.faults)
	}
	if total.caught*100 < total.faults*95 {
		t.Errorf("%d of %d faults are caught, want 95 %%", total.caught, total.faults)
	}
	if total.placed*100 < total.faults*90 {
		t.Errorf("%d of %d faults are placed, want 90 %%", total.placed, total.faults)
	}
}

// warmModuleCache asks the go command once for the module cache, instead of in every run.
func warmModuleCache(t *testing.T) {
	t.Helper()
	out, err := exec.Command("go", "env", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOMODCACHE", strings.TrimSpace(string(out)))
}

var (
	only = flag.String("mutator", "", "try only the faults of mutators whose name matches")
	most = flag.Int("most", 2, "try so many faults of each mutator, spread over the repository")
)

// allFaults returns the mutators' faults. A mutator that finds no place for one is an
// error.
func allFaults(t *testing.T, repo repository) []fault {
	t.Helper()
	var faults []fault
	for _, m := range mutators {
		if matched, err := regexp.MatchString(*only, m.name); err != nil || !matched {
			continue
		}
		all := m.faults(repo)
		if len(all) == 0 {
			t.Errorf("mutator %q matches nothing in this repository: correct its path, or remove it", m.name)
		}
		for i, f := range all {
			// A selection at even distances.
			if len(all) <= *most || i == 0 || i**most/len(all) != (i-1)**most/len(all) {
				f.mutator = m.name
				faults = append(faults, f)
			}
		}
	}
	return faults
}

// site is a copy of the repository for one worker.
type site struct {
	options Options
	// The findings and the rendered objects without a fault.
	healthy []findings.Finding
	objects []string
}

func newSite(t *testing.T, root string) *site {
	t.Helper()
	dir := t.TempDir()
	copyRepository(t, root, dir)
	revision, err := ReadRevision(dir)
	if err != nil {
		t.Fatal(err)
	}
	memory, err := render.NewMemory()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { memory.Close() })
	s := &site{options: Options{Revision: revision, Catalog: schema.Builtin(), Memory: memory}}
	s.healthy = s.check(t)
	s.objects = s.render(t)
	return s
}

// check returns the findings of a run over some clusters, by default all, that are not
// accepted.
func (s *site) check(t *testing.T, clusters ...string) []findings.Finding {
	options := s.options
	options.Clusters = clusters
	report, err := Check(context.Background(), options)
	if err != nil {
		t.Error(err)
	}
	return slices.DeleteFunc(report.Findings, func(f findings.Finding) bool { return f.Severity == findings.Off })
}

// render returns the objects that the clusters get.
func (s *site) render(t *testing.T) []string {
	rendering, err := render.Run(context.Background(), render.Options{Root: s.options.Root, Config: s.options.Config, Memory: s.options.Memory})
	if err != nil {
		t.Error(err)
		return nil
	}
	defer rendering.Close()
	var objects []string
	for _, cluster := range rendering.Clusters {
		for _, o := range cluster.Objects() {
			text, err := json.Marshal(o.Object)
			if err != nil {
				t.Error(err)
			}
			objects = append(objects, o.Owner.String()+string(text))
		}
	}
	return objects
}

// outcome is the result of a fault.
type outcome struct {
	fault
	found []findings.Finding
	// same means that it is no fault: the cluster gets the same objects as before.
	same bool
}

func (o outcome) caught() bool { return len(o.found) > 0 }

func (o outcome) placed() bool {
	return slices.ContainsFunc(o.found, func(f findings.Finding) bool {
		return slices.Contains(o.right, place{f.File, f.Line})
	})
}

// try makes a fault, and removes it again.
func (s *site) try(t *testing.T, f fault) outcome {
	file := filepath.Join(s.options.Root, f.file)
	healthy, err := os.ReadFile(file)
	if err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(file, f.text, 0o644); err != nil {
		t.Error(err)
	}
	o := outcome{fault: f, found: findings.Introduced(s.healthy, s.check(t, clusterOf(f.file)))}
	if !o.caught() { // an overlay may hide it in another cluster
		o.found = findings.Introduced(s.healthy, s.check(t))
	}
	if !o.caught() {
		o.same = reflect.DeepEqual(s.render(t), s.objects)
	}
	if err := os.WriteFile(file, healthy, 0o644); err != nil {
		t.Error(err)
	}
	return o
}

// clusterOf returns a cluster that uses a manifest. The hub, with all of staging and
// production, takes longest.
func clusterOf(file string) string {
	for _, part := range []string{"clusters/hub/", "staging", "production", "infrastructure/crossplane/", "infrastructure/platform/", "/aws/"} {
		if strings.Contains(file, part) {
			return "clusters/hub"
		}
	}
	return "clusters/local"
}

// run tries every fault. The results are in the order of the faults.
func run(t *testing.T, sites []*site, faults []fault) []outcome {
	outcomes := make([]outcome, len(faults))
	next := make(chan int)
	var workers sync.WaitGroup
	for _, s := range sites {
		workers.Go(func() {
			for i := range next {
				outcomes[i] = s.try(t, faults[i])
			}
		})
	}
	for i := range faults {
		next <- i
	}
	close(next)
	workers.Wait()
	return outcomes
}

type tally struct{ faults, caught, placed, same int }

// count counts the outcomes, except those that are no fault.
func count(outcomes []outcome, which func(outcome) bool) tally {
	var c tally
	for _, o := range outcomes {
		switch {
		case !which(o):
		case o.same:
			c.same++
		default:
			c.faults++
			if o.caught() {
				c.caught++
			}
			if o.placed() {
				c.placed++
			}
		}
	}
	return c
}

func logTable(t *testing.T, outcomes []outcome) {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\tfaults\tcaught\tplaced\tno fault")
	line := func(name string, c tally) {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\n", name, c.faults, c.caught, c.placed, c.same)
	}
	for _, m := range mutators {
		line(m.name, count(outcomes, func(o outcome) bool { return o.mutator == m.name }))
	}
	line("all", count(outcomes, func(outcome) bool { return true }))
	table.Flush()
	t.Logf("\n%s", &text)
	for _, o := range outcomes {
		switch {
		case o.same:
			t.Logf("no fault: %s: %s", o.mutator, o.what)
		case !o.caught():
			t.Logf("missed: %s: %s", o.mutator, o.what)
		case !o.placed():
			t.Logf("elsewhere: %s: %s, right is %v", o.mutator, o.what, o.right)
			for _, f := range o.found {
				t.Logf("\t%s:%d: %s %s", f.File, f.Line, f.Rule, f.Message)
			}
		}
	}
}
