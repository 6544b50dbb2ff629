package authz

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/internal/iam"
)

// Count is how often a caller asked for an action on a resource.
type Count struct {
	// Caller is the ARN of a role, for all of its sessions, or of a user.
	Caller   string `json:"caller"`
	Action   string `json:"action"`
	Resource string `json:"resource"`
	Allowed  int    `json:"allowed"`
	Denied   int    `json:"denied"`
}

// Calls counts decisions. The zero value has none. It is safe for concurrent use.
type Calls struct {
	mu     sync.Mutex
	counts map[callKey]*Count
}

type callKey struct{ caller, action, resource string }

// maxCounts limits the table. Beyond it, calls without a row are counted together in one
// row.
const maxCounts = 10_000

// other stands for callers, actions and resources without a row of their own.
const other = "(other)"

func (c *Calls) count(caller *access.Caller, check access.Check, allowed bool) {
	key := callKey{nameOf(caller), check.Action, grouped(check.Resource)}
	c.mu.Lock()
	defer c.mu.Unlock()
	row := c.row(key)
	if allowed {
		row.Allowed++
		return
	}
	row.Denied++
}

func (c *Calls) row(key callKey) *Count {
	if row := c.counts[key]; row != nil {
		return row
	}
	if len(c.counts) >= maxCounts {
		if key = (callKey{other, other, other}); c.counts[key] != nil {
			return c.counts[key]
		}
	}
	if c.counts == nil {
		c.counts = map[callKey]*Count{}
	}
	row := &Count{Caller: key.caller, Action: key.action, Resource: key.resource}
	c.counts[key] = row
	return row
}

func nameOf(caller *access.Caller) string {
	if caller == nil {
		return "anonymous"
	}
	return cmp.Or(caller.Role, caller.ARN)
}

// grouped counts the objects of a bucket as one resource.
func grouped(resource string) string {
	if bucket, _, object := strings.Cut(resource, "/"); object && strings.HasPrefix(resource, "arn:aws:s3:::") {
		return bucket + "/*"
	}
	return resource
}

// Table returns all counts, sorted.
func (c *Calls) Table() []Count {
	c.mu.Lock()
	defer c.mu.Unlock()
	table := make([]Count, 0, len(c.counts))
	for _, row := range c.counts {
		table = append(table, *row)
	}
	slices.SortFunc(table, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Caller, b.Caller), cmp.Compare(a.Action, b.Action), cmp.Compare(a.Resource, b.Resource))
	})
	return table
}

// Reset removes all counts.
func (c *Calls) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.counts)
}

// Calls returns the counts of the guard's decisions.
func (g *Guard) Calls() *Calls { return &g.calls }

// Unused lists the actions that a role's policies grant and that were never allowed in a
// call: its policies could drop them. Actions are spelled as in the policy, with
// wildcards.
type Unused struct {
	Role    string   `json:"role"`
	Actions []string `json:"actions"`
}

// UnusedBy compares the table with the policies of roles, by ARN.
func UnusedBy(table []Count, granted map[string][]*iam.Policy) []Unused {
	called := map[string][]string{}
	for _, row := range table {
		if row.Allowed > 0 {
			called[row.Caller] = append(called[row.Caller], row.Action)
		}
	}
	unused := []Unused{}
	for _, role := range slices.Sorted(maps.Keys(granted)) {
		found := map[string]bool{}
		for _, policy := range granted[role] {
			for _, grant := range policy.Grants() {
				for _, action := range grant.Actions {
					if !slices.ContainsFunc(called[role], func(name string) bool { return iam.MatchesAction(action.Text, name) }) {
						found[action.Text] = true
					}
				}
			}
		}
		if len(found) > 0 {
			unused = append(unused, Unused{role, slices.Sorted(maps.Keys(found))})
		}
	}
	return unused
}
