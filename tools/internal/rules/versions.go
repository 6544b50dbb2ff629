package rules

import (
	"fmt"
	"path/filepath"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/pins"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Versions returns the versions that a repository's configuration ties to pins.
func Versions(root string, c config.Config) ([]rule.Version, error) {
	var all []pins.Pins
	if c.Pins != "" {
		var err error
		if all, err = pins.Load(filepath.Join(root, c.Pins)); err != nil {
			return nil, fmt.Errorf("%s: pins: %w", config.Name, err)
		}
	}
	var versions []rule.Version
	for i, version := range c.Versions {
		pinned, found := pins.Find(all, version.Module)
		switch {
		case c.Pins == "":
			return nil, fmt.Errorf("%s: versions[%d]: nothing is pinned: name the folder of go.mod files under pins", config.Name, i)
		case !found:
			return nil, fmt.Errorf("%s: versions[%d]: no go.mod below %s requires %s: correct the module, or add it with `go get`",
				config.Name, i, c.Pins, version.Module)
		}
		versions = append(versions, rule.Version{Version: version, Pinned: pinned})
	}
	return versions, nil
}
