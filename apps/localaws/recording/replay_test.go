package recording_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"golang.org/x/mod/modfile"

	"github.com/mystique-unicorn/sales-events/apps/localaws"
	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/apps/localaws/iam"
	"github.com/mystique-unicorn/sales-events/apps/localaws/recording"
	"github.com/mystique-unicorn/sales-events/apps/localaws/sts"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata, and the list of actions")

const (
	spoke   = "staging"
	account = "000000000000"
	region  = "eu-west-1"

	recordedFile = "testdata/" + spoke + ".jsonl"
	actionsFile  = "testdata/" + spoke + ".actions.txt"
	recordAgain  = "record anew: sudo make record-aws"
)

// TestReplay makes the calls with which provider-aws created and removed staging, each at
// its time and with its permissions. Every answer must be the recorded one.
func TestReplay(t *testing.T) {
	source, calls := readRecording(t)
	replayed := newReplay(t, "").run(calls)
	if *update {
		write(t, source, replayed)
		return
	}
	for _, problem := range differences(calls, replayed) {
		t.Error(problem)
	}
}

// Without one of its permissions the provider gets another answer.
func TestReplayNeedsPermissions(t *testing.T) {
	_, calls := readRecording(t)
	for permission, action := range map[string]string{
		"sqs:CreateQueue": "CreateQueue", "ec2:CreateNatGateway": "CreateNatGateway", "s3:PutBucketPolicy": "PUT /staging-000000000000-sales-events?policy",
	} {
		t.Run(permission, func(t *testing.T) {
			i := slices.IndexFunc(calls, func(c recording.Call) bool { return c.Action() == action })
			if i < 0 {
				t.Fatalf("nobody called %s", action)
			}
			found := differences(calls[:i+1], newReplay(t, permission).run(calls[:i+1]))
			if len(found) != 1 || !strings.Contains(found[0], "is not authorized to perform: "+permission) {
				t.Errorf("the differences are %.500q, want one that names %s", found, permission)
			}
		})
	}
}

// TestRecordedVersion checks that the recording is of the provider that the clusters run.
func TestRecordedVersion(t *testing.T) {
	source, _ := readRecording(t)
	const file = "../../../tools/engines/provider-aws/go.mod"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	module, err := modfile.ParseLax(file, data, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, require := range module.Require {
		if require.Mod.Path == source.Program && require.Mod.Version == source.Version {
			return
		}
	}
	t.Errorf("%s is of %s %s, which %s does not require; %s; git diff then shows what the provider does differently",
		recordedFile, source.Program, source.Version, file, recordAgain)
}

// TestActions compares the list of actions with the recording.
func TestActions(t *testing.T) {
	_, calls := readRecording(t)
	want, err := os.ReadFile(actionsFile)
	if err != nil && !*update {
		t.Fatal(err)
	}
	got := recording.Actions(calls)
	if *update {
		if err := os.WriteFile(actionsFile, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != string(want) {
		t.Errorf("%s is not that of %s: go test ./apps/localaws/recording -update", actionsFile, recordedFile)
	}
}

func readRecording(t *testing.T) (recording.Source, []recording.Call) {
	t.Helper()
	file, err := os.Open(recordedFile)
	if err != nil {
		t.Fatalf("%v; %s", err, recordAgain)
	}
	defer file.Close()
	source, calls, err := recording.Read(file)
	if err != nil || len(calls) == 0 {
		t.Fatalf("%s: %d calls, %v; %s", recordedFile, len(calls), err, recordAgain)
	}
	return source, calls
}

func write(t *testing.T, source recording.Source, calls []recording.Call) {
	t.Helper()
	var out bytes.Buffer
	if err := recording.Write(&out, source, calls); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(recordedFile, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// differences returns the calls whose answers differ from the recorded ones, with their
// lines.
func differences(want, got []recording.Call) (found []string) {
	for i, w := range want {
		g := got[i]
		before, after := w.Answer.String(), g.Answer.String()
		if w.Status == g.Status && before == after {
			continue
		}
		at := 0
		for at < min(len(before), len(after)) && before[at] == after[at] {
			at++
		}
		from := max(0, at-80)
		found = append(found, fmt.Sprintf("%s:%d: %s %s %.300s\nwas %d …%.300s\nis  %d …%.300s", recordedFile, i+2, w.Service, w.Action(), w.Body,
			w.Status, before[from:], g.Status, after[from:]))
	}
	return found
}

// replay is a server with the local cluster's configuration and no resources, and a
// session of the provisioner.
type replay struct {
	*testing.T
	server *localaws.Server
	clock  *localaws.FakeClock
	keys   aws.Credentials
	signer *v4.Signer
	at     int64
}

// newReplay returns a replay whose provisioner lacks one action, or none if without is
// empty.
func newReplay(t *testing.T, without string) *replay {
	t.Helper()
	const sessionKey = "replay"
	r := &replay{T: t, clock: localaws.NewFakeClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)), signer: v4.NewSigner()}
	policy := document(t, "provisioner")
	if without != "" {
		quoted := `"` + without + `"`
		if !strings.Contains(policy, quoted) {
			t.Fatalf("docs/aws/provisioner.json does not allow %s", without)
		}
		policy = strings.ReplaceAll(policy, quoted, `"none:Nothing"`)
	}
	const name = "sales-events-provisioner-" + spoke
	var err error
	r.server, err = localaws.New(localaws.Config{
		Region: region, AccountID: account, Speed: 60, Enforce: true, AssumeTLS: true, SessionKey: sessionKey,
		Keys: []localaws.Key{{ID: "local", Secret: "local", User: "admin"}},
		IAM: iam.Config{
			Policies: []iam.ManagedPolicy{{Name: "sales-events-boundary-" + spoke, Document: []byte(document(t, "boundary"))}},
			Roles: []iam.DeclaredRole{{
				Name: name, Trust: []byte(document(t, "provisioner-trust")),
				Policies: map[string]json.RawMessage{"provision": []byte(policy)},
			}},
		},
	}, localaws.WithClock(r.clock))
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := sts.NewSessions(sessionKey)
	if err != nil {
		t.Fatal(err)
	}
	session := sessions.Issue(&access.Caller{
		ARN: "arn:aws:sts::" + account + ":assumed-role/" + name + "/replay", ID: "AROAREPLAY:replay", Account: account,
		Role: "arn:aws:iam::" + account + ":role/" + name,
	}, r.clock.Now().Add(24*time.Hour))
	r.keys = aws.Credentials{AccessKeyID: session.AccessKeyId, SecretAccessKey: session.SecretAccessKey, SessionToken: session.SessionToken}
	return r
}

// document returns a file of docs/aws with the spoke's values.
func document(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile("../../../docs/aws/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return os.Expand(string(data), func(variable string) string {
		return map[string]string{
			"SPOKE": spoke, "SPOKE_ACCOUNT": account, "HUB_ACCOUNT": account, "AWS_REGION": region, "ISSUER": "of-another-hub",
		}[variable]
	})
}

func (r *replay) run(calls []recording.Call) []recording.Call { return recording.Replay(calls, r.do) }

// do makes a call at its time.
func (r *replay) do(c recording.Call) (status int, answer string) {
	r.Helper()
	r.clock.Advance(time.Duration(c.At-r.at) * time.Millisecond)
	r.at = c.At
	w := httptest.NewRecorder()
	r.server.ServeHTTP(w, r.signed(c))
	return w.Code, w.Body.String()
}

func (r *replay) signed(c recording.Call) *http.Request {
	r.Helper()
	body := c.Body.String()
	request := httptest.NewRequestWithContext(context.Background(), c.Method, "http://"+recording.Host+c.Path+"?"+c.Query, strings.NewReader(body))
	for name, value := range c.Header {
		request.Header.Set(name, value)
	}
	hash := sha256.Sum256([]byte(body))
	digest := hex.EncodeToString(hash[:])
	request.Header.Set("X-Amz-Content-Sha256", digest)
	escape := func(o *v4.SignerOptions) { o.DisableURIPathEscaping = c.Service == "s3" }
	if err := r.signer.SignHTTP(context.Background(), r.keys, request, digest, c.Service, region, r.clock.Now(), escape); err != nil {
		r.Fatal(err)
	}
	return request
}
