package spelling_test

import (
	"testing"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/spelling"
)

func TestNearest(t *testing.T) {
	for name, want := range map[string]string{
		"resorces": "resources", "resource": "resources", "patch": "patches", "resources": "resources", "images": "", "": "",
	} {
		if got := spelling.Nearest(name, []string{"namespace", "resources", "patches"}); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestNear(t *testing.T) {
	for name, want := range map[string]string{
		"cluster-facst": "cluster-facts", "cluster-fact": "cluster-facts", "cluster-facts": "", "facts": "",
		"redis": "", "redis-2": "", "reids-1": "redis-1", "app-us": "", "app-eu": "", "team-b": "", "kedaa.sh": "keda.sh", "keda.sch": "keda.sh", "bus": "",
	} {
		if got := spelling.Near(name, []string{"cluster-facts", "redis-1", "app-eu", "team-a", "keda.sh", "bar"}); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
