package providertrim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
)

// keepSchemas keeps the schemas of these resources in what `terraform providers schema`
// printed: upjet configures exactly the resources that are in it.
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

// resourceEntry begins what the metadata say of a resource.
var resourceEntry = regexp.MustCompile(`^    (aws_\w+):`)

// keepMetadata keeps what the metadata, which upjet scraped from Terraform's documents, say
// of these resources. Line by line: they are 10 MB of YAML.
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
