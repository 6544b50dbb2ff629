package coredns

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The engine has exactly the plugins that the Corefile names.
func TestPlugins(t *testing.T) {
	main, err := os.ReadFile("../../../engines/coredns/main.go")
	if err != nil {
		t.Fatal(err)
	}
	built := map[string]bool{}
	for _, match := range regexp.MustCompile(`_ "github.com/coredns/coredns/plugin/(\w+)"`).FindAllStringSubmatch(string(main), -1) {
		built[match[1]] = true
	}
	_, server, _ := strings.Cut(string(Manifest("v1")), ".:1053 {\n")
	server, _, _ = strings.Cut(server, "\n    }\n")
	named := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^ {8}(\w+)`).FindAllStringSubmatch(server, -1) {
		named[match[1]] = true
		if !built[match[1]] {
			t.Errorf("the Corefile names %s, which tools/engines/coredns/main.go does not import", match[1])
		}
	}
	for plugin := range built {
		if !named[plugin] {
			t.Errorf("tools/engines/coredns/main.go imports %s, which the Corefile does not name", plugin)
		}
	}
	if len(named) == 0 {
		t.Error("no plugin found")
	}
}
