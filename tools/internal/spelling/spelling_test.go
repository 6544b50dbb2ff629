package spelling_test

import (
	"testing"

	"github.com/mystique-unicorn/sales-events/tools/internal/spelling"
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
