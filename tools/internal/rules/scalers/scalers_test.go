package scalers_test

import (
	"slices"
	"testing"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/pins"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/scalers"
)

// The embedded list comes from the pinned KEDA.
func TestVersion(t *testing.T) {
	p, err := pins.Read("../../../engines/keda")
	if err != nil {
		t.Fatal(err)
	}
	pinned, err := p.VersionOf("github.com/kedacore/keda/v2")
	if err != nil {
		t.Fatal(err)
	}
	if scalers.Version() != pinned {
		t.Errorf("scalers.json is of KEDA %s, pinned is %s: run `go generate ./tools/internal/rules/scalers`", scalers.Version(), pinned)
	}
}

func TestKeys(t *testing.T) {
	keys, known := scalers.Keys("aws-sqs-queue")
	if !known {
		t.Fatal("aws-sqs-queue is not known")
	}
	for key, want := range map[string]bool{
		"queueURL": true, "queueURLFromEnv": true, "queueLength": true, "scaleOnDelayed": true, "identityOwner": true,
		"queueLenght": false, "awsRegionFromEnv": false, "cloud": false,
	} {
		if got := scalers.Reads(keys, key); got != want {
			t.Errorf("key %s is read: %v, want %v", key, got, want)
		}
	}
	for trigger, key := range map[string]string{"azure-queue": "endpointSuffix", "kafka": "awsAccessKeyIDFromEnv", "sumologic": "query.A"} {
		if keys, known := scalers.Keys(trigger); !known || !scalers.Reads(keys, key) {
			t.Errorf("%s does not read %s", trigger, key)
		}
	}
	if _, known := scalers.Keys("external"); known {
		t.Error("the keys of an external scaler are its server's")
	}
	if _, known := scalers.Keys("aws-sqs"); known {
		t.Error("aws-sqs is no trigger type")
	}
	if !slices.Contains(scalers.Types(), "kafka") {
		t.Error("kafka is missing among the types")
	}
}
