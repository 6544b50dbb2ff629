package command

import (
	"bytes"
	"strings"
	"testing"
)

// Bad input is answered on standard error, with the mend and exit code 2, and
// a command that needs a cluster says how to get one.
func TestBadInput(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	for args, want := range map[string]struct {
		code   int
		stderr string
	}{
		"up --nope":         {2, "unknown flag: --nope; see `local up --help`"},
		"up now":            {2, `unknown argument "now"; see`},
		"launch":            {2, `unknown argument "launch"; see`},
		"demo --burst=0":    {2, "--burst=0: must be at least 1"},
		"up --timeout=soon": {2, `invalid argument "soon"`},
		"status":            {1, "the local cluster does not run: start it with `make up`"},
		"reconcile":         {1, "the local cluster does not run: start it with `make up`"},
		"supervise":         {2, "the supervisor is started by `make up`, not by hand"},
	} {
		var stdout, stderr bytes.Buffer
		if code := Execute(strings.Fields(args), &stdout, &stderr); code != want.code || !strings.Contains(stderr.String(), want.stderr) {
			t.Errorf("local %s: exit %d, want %d with %q in: %s", args, code, want.code, want.stderr, &stderr)
		}
	}
}

func TestOutsideTheCheckout(t *testing.T) {
	t.Chdir(t.TempDir())
	var stdout, stderr bytes.Buffer
	if code := Execute([]string{"up"}, &stdout, &stderr); code != 2 || !strings.Contains(stderr.String(), "is not inside a checkout of "+module) {
		t.Errorf("exit %d: %s", code, &stderr)
	}
}
