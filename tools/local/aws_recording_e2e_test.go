//go:build e2e

package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/mystique-unicorn/sales-events/apps/localaws/recording"
	"github.com/mystique-unicorn/sales-events/tools/internal/build/pins"
)

// providerModule is the module of the provider, which the recording names.
const providerModule = "github.com/upbound/provider-aws/v2"

// TestAWSRecording records the calls with which the real provider creates staging and
// removes it, without faults and with all permissions. The recording replaces the one in
// apps/localaws/recording, whose test replays it.
func TestAWSRecording(t *testing.T) {
	spokes = []string{"staging"}
	const spoke, role = "staging", provisioner + "staging"
	version := providerVersion(t)
	_, c, account := startHub(t)
	account.prepare(t, spoke)
	account.administer(t, http.MethodPut, recording.AdminPath+"?role="+role, "")
	pushSpokes(t)
	account.checkProvisioned(t, c, spoke)
	removeSpokes(t, c, account)
	account.checkEmpty(t, spoke)

	var recorded recording.Document
	if err := json.Unmarshal([]byte(account.administer(t, http.MethodGet, recording.AdminPath, "")), &recorded); err != nil {
		t.Fatal(err)
	}
	if recorded.LeftOut > 0 {
		t.Errorf("%d calls are not in the recording", recorded.LeftOut)
	}
	calls, err := recording.Normalize(recorded.Calls)
	if err != nil {
		t.Fatal(err)
	}
	source := recording.Source{Program: providerModule, Version: version, Role: role, Calls: len(recorded.Calls)}
	writeRecording(t, filepath.Join("../../apps/localaws/recording/testdata", spoke), source, calls)
	t.Logf("%s called %d times; %d calls are kept", role, source.Calls, len(calls))
	makeTarget(t, "down")
}

func providerVersion(t *testing.T) string {
	t.Helper()
	engines, err := pins.Load("../engines")
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(engines, func(p pins.Pins) bool { return p.Name == "provider-aws" })
	if i < 0 {
		t.Fatal("tools/engines has no provider-aws")
	}
	version, err := engines[i].VersionOf(providerModule)
	if err != nil {
		t.Fatal(err)
	}
	return version
}

// writeRecording writes the recording and the list of its actions.
func writeRecording(t *testing.T, name string, source recording.Source, calls []recording.Call) {
	t.Helper()
	var out bytes.Buffer
	if err := recording.Write(&out, source, calls); err != nil {
		t.Fatal(err)
	}
	for file, data := range map[string][]byte{name + ".jsonl": out.Bytes(), name + ".actions.txt": []byte(recording.Actions(calls))} {
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
