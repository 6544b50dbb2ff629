// Command generate compiles the scaler schema of the pinned KEDA module into
// scalers.json. Run it with `go generate ./tools/internal/rules/scalers`.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"sigs.k8s.io/yaml"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/pins"
)

const module = "github.com/kedacore/keda/v2"

func main() {
	if err := run("../../../engines/keda", "scalers.json"); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// schema is the needed part of KEDA's scalers-schema.yaml.
type schema struct {
	Scalers []struct {
		Type       string `json:"type"`
		Parameters []struct {
			Name        string `json:"name"`
			FromEnv     bool   `json:"envVariableReadable"`
			FromTrigger bool   `json:"metadataVariableReadable"`
		} `json:"parameters"`
	} `json:"scalers"`
}

func run(pinned, out string) error {
	p, err := pins.Read(pinned)
	if err != nil {
		return err
	}
	version, err := p.VersionOf(module)
	if err != nil {
		return err
	}
	source, err := p.SourceOf(context.Background(), module)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(source, "schema", "generated", "scalers-schema.yaml"))
	if err != nil {
		return err
	}
	var s schema
	if err := yaml.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("read KEDA's scaler schema: %w", err)
	}
	keys := map[string][]string{}
	for _, scaler := range s.Scalers {
		list := []string{}
		for _, parameter := range scaler.Parameters {
			if parameter.FromTrigger {
				list = append(list, parameter.Name)
			}
			if parameter.FromEnv {
				list = append(list, parameter.Name+"FromEnv")
			}
		}
		slices.Sort(list)
		keys[scaler.Type] = slices.Compact(list)
	}
	compiled, err := json.Marshal(map[string]any{"version": version, "keys": keys})
	if err != nil {
		return err
	}
	return os.WriteFile(out, append(compiled, '\n'), 0o644)
}
