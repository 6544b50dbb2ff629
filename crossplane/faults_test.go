package crossplane_test

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// faults are known faults in versions of provider-aws, with the kinds that they affect.
var faults = []struct {
	versions []string
	kinds    []string
	what     string
}{
	{
		[]string{"v2.5.0"},
		[]string{"BucketLifecycleConfiguration", "SecurityGroupIngressRule"},
		"never created: each observe ends in \"Missing Resource Identity After Read\" (crossplane-contrib/provider-upjet-aws#2003, #2085, #2191)",
	},
}

// The pinned provider has no known fault in a composed kind.
func TestKnownFaults(t *testing.T) {
	command := exec.Command("go", "list", "-m", "-f", "{{.Version}}", "github.com/upbound/provider-aws/v2")
	command.Dir = filepath.Join("..", "tools", "engines", "provider-aws")
	out, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	pinned := strings.TrimSpace(string(out))
	composed := map[string]bool{}
	for plural := range allAPIs(t) {
		for _, file := range examplesOf(t, plural) {
			for _, object := range compose(t, readExample(t, plural, file)).objects() {
				composed[object.GetKind()] = true
			}
		}
	}
	for _, fault := range faults {
		for _, kind := range fault.kinds {
			if !composed[kind] {
				t.Errorf("nothing composes %s any more: take its fault out of this table", kind)
			} else if slices.Contains(fault.versions, pinned) {
				t.Errorf("%s of provider-aws %s is %s", kind, pinned, fault.what)
			}
		}
	}
}
