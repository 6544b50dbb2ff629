package servicetest

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
)

// Guard allows every call, except those that it is told to deny, and records the calls.
type Guard struct {
	// Denies is the action to deny, or * for all.
	Denies string

	mu    sync.Mutex
	asked []access.Check
}

// Allow implements access.Guard.
func (g *Guard) Allow(_ context.Context, checks ...access.Check) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked = append(g.asked, checks...)
	denied := slices.IndexFunc(checks, func(c access.Check) bool { return g.Denies == "*" || c.Action == g.Denies })
	if denied < 0 {
		return nil
	}
	return &access.Denied{
		Check:  checks[denied],
		Caller: "arn:aws:sts::111122223333:assumed-role/r/s",
		Reason: "no identity-based policy allows it",
	}
}

// Since returns the checks since the last call of Since.
func (g *Guard) Since() []access.Check {
	g.mu.Lock()
	defer g.mu.Unlock()
	asked := g.asked
	g.asked = nil
	return asked
}

// Asked returns the checks since the last call as text: action and resource of each, and
// the values of the given condition keys that it has.
func (g *Guard) Asked(keys ...string) (list []string) {
	for _, c := range g.Since() {
		text := c.Action + " " + c.Resource
		for _, key := range keys {
			if values := c.Context[key]; len(values) > 0 {
				text += " " + key + "=" + strings.Join(values, "+")
			}
		}
		list = append(list, text)
	}
	return list
}
