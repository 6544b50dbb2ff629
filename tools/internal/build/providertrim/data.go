package providertrim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
)

// keepSchemas keeps the schemas of these resources in the output of `terraform providers
// schema`: upjet configures exactly the resources in it.
func keepSchemas(resources map[string]bool) func([]byte) ([]byte, error) {
	return func(data []byte) ([]byte, error) {
		var all map[string]any
		if err := json.Unmarshal(data, &all); err != nil {
			return nil, err
		}
		schemas, _ := all["provider_schemas"].(map[string]any)
		kept := 0
		for _, schema := range schemas {
			of, _ := schema.(map[string]any)
			found, _ := of["resource_schemas"].(map[string]any)
			maps.DeleteFunc(found, func(name string, _ any) bool { return !resources[name] })
			delete(of, "data_source_schemas")
			kept += len(found)
		}
		if kept != len(resources) {
			return nil, fmt.Errorf("it has the schemas of %d resources, want those of %d", kept, len(resources))
		}
		return json.Marshal(all)
	}
}

// resourceEntry matches the first line of a resource in the metadata.
var resourceEntry = regexp.MustCompile(`^    (aws_\w+):`)

// keepMetadata keeps these resources in the metadata, which upjet extracted from
// Terraform's documentation. It works line by line, because they are 10 MB of YAML.
func keepMetadata(resources map[string]bool) func([]byte) ([]byte, error) {
	return func(data []byte) ([]byte, error) {
		var out bytes.Buffer
		keep, kept := true, 0
		for line := range bytes.Lines(data) {
			if entry := resourceEntry.FindSubmatch(line); entry != nil {
				if keep = resources[string(entry[1])]; keep {
					kept++
				}
			}
			if keep {
				out.Write(line)
			}
		}
		if kept == 0 {
			return nil, fmt.Errorf("it has no entry, indented by four, of any of %d resources", len(resources))
		}
		return out.Bytes(), nil
	}
}
