package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// The calls of a script, up to each of its steps.
var (
	queried    = []string{"rpm --query"}
	downloaded = slices.Concat(queried, []string{"curl " + testURL, "curl " + testURL + ".sig"})
	verified   = slices.Concat(downloaded, []string{"gpg --dearmor", "gpg --verify with the keyring of: " + testKey})
	upgraded   = slices.Concat(verified, []string{"rpm --upgrade"})
	start      = []string{"systemctl enable --now amazon-ssm-agent.service"}
)

func TestScript(t *testing.T) {
	other := strings.Repeat("0", 40)
	for _, tc := range []struct {
		name   string
		node   func(*fakeNode)
		start  bool // only start the agent, install no package
		calls  []string
		result string
	}{
		{"installs and starts", func(*fakeNode) {}, false, slices.Concat(upgraded, start), "done"},
		{"is installed", func(n *fakeNode) { n.is("installed") }, false, slices.Concat(queried, start), "done"},
		{"only starts", func(*fakeNode) {}, true, start, "done"},
		{
			"no package", func(n *fakeNode) { n.must(os.Remove(n.dir + "/web/amazon-ssm-agent.rpm")) },
			false, downloaded[:2], "failed: download " + testURL + " and its signature",
		},
		{
			"no signature", func(n *fakeNode) { n.must(os.Remove(n.dir + "/web/amazon-ssm-agent.rpm.sig")) },
			false, downloaded, "failed: download " + testURL + " and its signature",
		},
		{
			"wrong signature", signed("GOODSIG", "BADSIG"),
			false, verified, "failed: verify the signature with the key " + testFingerprint,
		},
		{
			"another key", signed(testFingerprint, other),
			false, verified, "failed: verify the signature with the key " + testFingerprint,
		},
		{
			"expired key", signed("GOODSIG", "EXPKEYSIG"),
			false, verified, "failed: verify the signature with the key " + testFingerprint,
		},
		{
			"revoked key", signed("GOODSIG", "REVKEYSIG"),
			false, verified, "failed: verify the signature with the key " + testFingerprint,
		},
		{
			"unknown key", func(n *fakeNode) { n.serve("amazon-ssm-agent.rpm.sig", "[GNUPG:] ERRSIG\n[GNUPG:] NO_PUBKEY\n") },
			false, verified, "failed: verify the signature with the key " + testFingerprint,
		},
		{"rpm fails", func(n *fakeNode) { n.is("rpm-fails") }, false, upgraded, "failed: install the package"},
		{
			"systemctl fails", func(n *fakeNode) { n.is("systemctl-fails") },
			false, slices.Concat(upgraded, start), "failed: start amazon-ssm-agent.service",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := newNode(t)
			tc.node(n)
			boot := thisBoot(t)
			found := agent{state: missing}
			if tc.start {
				found.state = present
			}
			command := n.scheduled(boot, found)
			output, err := n.run(command)
			if got := n.calls(); !slices.Equal(got, tc.calls) {
				t.Errorf("calls:\n got %q\nwant %q\noutput: %s", got, tc.calls, output)
			}
			if got := n.read(claim(boot) + "/result"); got != tc.result || (err == nil) != (tc.result == "done") {
				t.Errorf("result %q, error %v, want %q\noutput: %s", got, err, tc.result, output)
			}
			if n.installed() && !slices.Contains(tc.calls, "rpm --upgrade") && tc.name != "is installed" {
				t.Error("installed without a verified signature")
			}
			for _, leftover := range []string{"/amazon-ssm-agent.rpm", "/amazon-ssm-agent.rpm.sig", "/gnupg", "/.result"} {
				if found, _ := exists(n.path(claim(boot) + leftover)); found {
					t.Errorf("left %s on the node", leftover)
				}
			}

			n.must(os.RemoveAll(n.dir + "/calls"))
			if output, err := n.run(command); err != nil || n.calls() != nil {
				t.Errorf("the second in the boot did %q, error %v\n%s", n.calls(), err, output)
			}
		})
	}
}

// signed replaces a part of gpg's status for a good signature.
func signed(old, by string) func(*fakeNode) {
	return func(n *fakeNode) {
		n.serve("amazon-ssm-agent.rpm.sig", strings.ReplaceAll(goodSignature, old, by))
	}
}

// scheduled installs the script on the node and returns its command.
func (n *fakeNode) scheduled(boot string, found agent) string {
	n.t.Helper()
	i := n.installer()
	command, err := i.command(boot, found)
	n.must(err)
	n.must(i.place(boot))
	return strings.Join(command, " ")
}

// A script that crond starts only after the node's next boot does nothing.
func TestScriptOfAnotherBoot(t *testing.T) {
	n := newNode(t)
	const other = "00000000-0000-0000-0000-000000000000"
	output, err := n.run(n.scheduled(other, agent{state: missing}))
	if err != nil || n.calls() != nil || n.read(claim(other)+"/result") != "" {
		t.Errorf("did %q, error %v\n%s", n.calls(), err, output)
	}
}

func TestScriptsAtOnce(t *testing.T) {
	n := newNode(t)
	command := n.scheduled(thisBoot(t), agent{state: missing})
	var scripts sync.WaitGroup
	for range 8 {
		scripts.Go(func() {
			if output, err := n.run(command); err != nil {
				t.Errorf("%v\n%s", err, output)
			}
		})
	}
	scripts.Wait()
	if want := slices.Concat(upgraded, start); !slices.Equal(n.calls(), want) {
		t.Errorf("calls:\n got %q\nwant %q", n.calls(), want)
	}
}

var update = flag.Bool("update", false, "record anew what gpg says, which needs gpg")

// The recorded answers of gpg to real signatures. So machines without gpg can run the
// test.
func TestScriptWithGPG(t *testing.T) {
	var signer, other, expired *openpgp.Entity
	if *update {
		signer, other, expired = newKey(t, time.Hour), newKey(t, time.Hour), newKey(t, time.Second)
	}
	for _, tc := range []struct {
		name           string
		signer         *openpgp.Entity
		trusted        []*openpgp.Entity
		content        string
		wantInstalled  bool
		wantFromSigner *openpgp.Entity
	}{
		{"good", signer, []*openpgp.Entity{signer}, "the package", true, signer},
		{"changed package", signer, []*openpgp.Entity{signer}, "another package", false, signer},
		{"unknown key", other, []*openpgp.Entity{signer}, "the package", false, signer},
		{"known but not the one", other, []*openpgp.Entity{signer, other}, "the package", false, signer},
		{"expired key", expired, []*openpgp.Entity{expired}, "the package", false, expired},
	} {
		t.Run(tc.name, func(t *testing.T) {
			file := "testdata/gpg/" + strings.ReplaceAll(tc.name, " ", "-") + ".json"
			if *update {
				n := newNode(t)
				n.serve("amazon-ssm-agent.rpm", tc.content)
				n.serve("amazon-ssm-agent.rpm.sig", signature(t, tc.signer, "the package"))
				n.record(file, armored(t, tc.trusted), fingerprint(tc.wantFromSigner))
			}
			var said recording
			n := newNode(t)
			text, err := os.ReadFile(file)
			n.must(err)
			n.must(json.Unmarshal(text, &said))
			n.serve("amazon-ssm-agent.rpm.sig", strings.Join(said.Status, "\n")+"\n")
			n.must(os.WriteFile(n.dir+"/gpg-code", []byte(said.Code), 0o644))
			output, err := n.install([]byte(testKey), said.Fingerprint)
			if n.installed() != tc.wantInstalled || (err == nil) != tc.wantInstalled {
				t.Errorf("installed: %v, error %v\n%s", n.installed(), err, output)
			}
		})
	}
}

// recording is gpg's answer to a signature.
type recording struct {
	// Version is that of gpg. Fingerprint is that of the expected key.
	Version, Fingerprint string
	Status               []string
	Code                 string
}

// record runs the script with this machine's gpg.
func (n *fakeNode) record(file string, key []byte, fingerprint string) {
	n.t.Helper()
	program, err := exec.LookPath("gpg")
	n.must(err)
	version, err := exec.Command(program, "--version").Output()
	n.must(err)
	n.gpg = n.t.TempDir()
	wrapper := "#!/bin/sh\n" + program + ` "$@"; code=$?; echo $code >"$FAKE/gpg-code"; exit $code` + "\n"
	n.must(os.WriteFile(n.gpg+"/gpg", []byte(wrapper), 0o755))
	_, _ = n.install(key, fingerprint)
	code, err := os.ReadFile(n.dir + "/gpg-code")
	n.must(err)
	said := recording{
		Version:     strings.SplitN(string(version), "\n", 2)[0],
		Fingerprint: fingerprint,
		Code:        strings.TrimSpace(string(code)),
	}
	for _, line := range strings.Split(n.read(claim(thisBoot(n.t))+"/status"), "\n") {
		if !strings.Contains(line, " NOTATION_") { // its bytes are random
			said.Status = append(said.Status, line)
		}
	}
	text, err := json.MarshalIndent(said, "", "  ")
	n.must(err)
	n.must(os.WriteFile(file, append(text, '\n'), 0o644))
}

// install runs the script with a signing key and its expected fingerprint.
func (n *fakeNode) install(key []byte, fingerprint string) ([]byte, error) {
	n.t.Helper()
	i := n.installer()
	i.key, i.fingerprint = key, fingerprint
	boot := thisBoot(n.t)
	command, err := i.command(boot, agent{state: missing})
	n.must(err)
	n.must(i.place(boot))
	return n.run(strings.Join(command, " "))
}

// Readers compare the fingerprint in the manifest with AWS's page. The key must have this
// fingerprint.
func TestSigningKey(t *testing.T) {
	file, err := os.Open("deploy/install/amazon-ssm-agent.asc")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	keys, err := openpgp.ReadArmoredKeyRing(file)
	if err != nil || len(keys) != 1 {
		t.Fatalf("%d keys, error %v", len(keys), err)
	}
	manifest, err := os.ReadFile("deploy/install/daemonset-patch.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if want := "value: " + fingerprint(keys[0]) + "\n"; !strings.Contains(string(manifest), want) {
		t.Errorf("daemonset.yaml has no %q", want)
	}
}

// newKey returns a key that is a minute old. One with a shorter lifetime has expired.
func newKey(t *testing.T, lifetime time.Duration) *openpgp.Entity {
	t.Helper()
	config := &packet.Config{
		Time:            func() time.Time { return time.Now().Add(-time.Minute) },
		KeyLifetimeSecs: uint32(lifetime.Seconds()),
	}
	key, err := openpgp.NewEntity("SSM Agent", "", "signer@example.com", config)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func signature(t *testing.T, key *openpgp.Entity, content string) string {
	t.Helper()
	var out bytes.Buffer
	// The signature is from the key's first second: the key may have expired since.
	config := &packet.Config{Time: func() time.Time { return key.PrimaryKey.CreationTime }}
	if err := openpgp.DetachSign(&out, key, strings.NewReader(content), config); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func armored(t *testing.T, keys []*openpgp.Entity) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := armor.Encode(&out, openpgp.PublicKeyType, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if err := key.Serialize(w); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func fingerprint(key *openpgp.Entity) string {
	return fmt.Sprintf("%X", key.PrimaryKey.Fingerprint)
}
