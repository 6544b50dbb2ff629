// Package scalers knows which keys each KEDA trigger's metadata may have. KEDA itself
// ignores unknown keys, and so misspelt ones
// (https://github.com/kedacore/keda/issues/6721). The list is KEDA's own, which KEDA
// generates from its scalers' code; `go generate` compiles it from the pinned module into
// scalers.json.
//
// The package must not know manifests.
package scalers

import (
	_ "embed"
	"encoding/json"
	"slices"
	"strings"
	"sync"
)

//go:generate go run ./generate

//go:embed scalers.json
var data []byte

// scalers is the content of scalers.json.
type scalers struct {
	// Version is the pinned version of KEDA.
	Version string `json:"version"`
	// Keys are the metadata keys by trigger type.
	Keys map[string][]string `json:"keys"`
}

var load = sync.OnceValue(func() scalers {
	var s scalers
	if err := json.Unmarshal(data, &s); err != nil {
		panic("scalers.json is not what the generator writes: " + err.Error())
	}
	return s
})

// Version returns the version of KEDA that has these keys, such as v2.21.0.
func Version() string { return load().Version }

// awsKeys are read by KEDA's AWS code, in addition to declared parameters, see
// GetAwsAuthorization in KEDA's pkg/scalers/aws.
var awsKeys = []string{
	"identityOwner", "awsAccessKeyID", "awsAccessKeyIDFromEnv", "awsSecretAccessKeyFromEnv", "awsSessionToken", "awsSessionTokenFromEnv",
}

// azureKeys are read in addition to declared parameters, too, see
// ParseEnvironmentProperty in KEDA's pkg/scalers/azure.
var azureKeys = []string{"cloud", "endpointSuffix", "storageEndpointSuffix", "activeDirectoryEndpoint", "azureManagedPrometheusResourceURL"}

// undeclared are keys that scalers read directly from the metadata, by a prefix of their
// type.
var undeclared = map[string][]string{
	"aws-":         awsKeys,
	"apache-kafka": awsKeys,
	"kafka":        awsKeys,
	"azure-":       azureKeys,
	"prometheus":   slices.Concat(awsKeys, azureKeys),
	"datadog":      {"type"},
	"pulsar":       {"oauthTokenURI", "scope", "clientID", "EndpointParams"},
}

// Keys returns the metadata keys of a trigger type. They are unknown for a type that KEDA
// does not have, and for external scalers, whose server defines them. A key that ends in
// * stands for all keys with this prefix.
func Keys(trigger string) (keys []string, known bool) {
	keys, known = load().Keys[trigger]
	if !known || strings.HasPrefix(trigger, "external") {
		return nil, false
	}
	for prefix, more := range undeclared {
		if strings.HasPrefix(trigger, prefix) {
			keys = slices.Concat(keys, more)
		}
	}
	return keys, true
}

// Reads reports whether a key is among those of a trigger type.
func Reads(keys []string, key string) bool {
	return slices.ContainsFunc(keys, func(known string) bool {
		prefix, wildcard := strings.CutSuffix(known, "*")
		return known == key || wildcard && strings.HasPrefix(key, prefix)
	})
}

// Types returns the trigger types.
func Types() []string {
	var types []string
	for trigger := range load().Keys {
		types = append(types, trigger)
	}
	slices.Sort(types)
	return types
}
