package house_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// TestSignatures checks that the parts of the verification in docs/aws.md fit together:
// Crossplane is told to verify, for the package that the hub installs, and accepts the
// release workflow's signatures in the format that it reads.
func TestSignatures(t *testing.T) {
	facts := readFacts(t, "clusters/hub")
	release := find(t, substituted(t, "infrastructure/crossplane/core-verified/hub", facts), "HelmRelease", "crossplane")
	args, _, _ := unstructured.NestedStringSlice(release, "spec", "values", "args")
	plain := find(t, substituted(t, "infrastructure/crossplane/core/hub", facts), "HelmRelease", "crossplane")
	before, _, _ := unstructured.NestedStringSlice(plain, "spec", "values", "args")
	if want := slices.Concat(before, []string{"--enable-signature-verification"}); !slices.Equal(args, want) {
		t.Errorf("Crossplane's arguments are %q, want %q", args, want)
	}

	config := find(t, substituted(t, "infrastructure/crossplane/registry/hub", facts), "ImageConfig", "signed-by-the-release")
	function := find(t, substituted(t, "infrastructure/crossplane/packages/hub", facts), "Function", "function-sales-events")
	image, _, _ := strings.Cut(at(function, "spec", "package"), "@")
	if prefix := at(first(t, config, "spec", "matchImages"), "prefix"); prefix != image {
		t.Errorf("signatures are asked of %s, and the hub installs %s", prefix, image)
	}

	identity := first(t, first(t, config, "spec", "verification", "cosign", "authorities"), "keyless", "identities")
	if got := at(identity, "issuer"); got != "https://token.actions.githubusercontent.com" {
		t.Errorf("the issuer is %s", got)
	}
	signer := regexp.MustCompile(at(identity, "subjectRegExp"))
	const workflow = ".github/workflows/release.yaml"
	for subject, taken := range map[string]bool{
		"https://github.com/mystique-unicorn/sales-events/" + workflow + "@refs/tags/v1.2.3":                  true,
		"https://github.com/mystique-unicorn/sales-events/" + workflow + "@refs/heads/main":                   false,
		"https://github.com/mystique-unicorn/sales-events/.github/workflows/validate.yaml@refs/tags/v1.2.3":   false,
		"https://github.com/mystique-unicorn/sales-events-fork/" + workflow + "@refs/tags/v1.2.3":             false,
		"https://github.com/mallory/sales-events/" + workflow + "@refs/tags/v1.2.3":                           false,
		"https://evil.example/https://github.com/mystique-unicorn/sales-events/" + workflow + "@refs/tags/v1": false,
	} {
		if got := signer.MatchString(subject); got != taken {
			t.Errorf("what %s signs is taken: %t", subject, got)
		}
	}

	var jobs struct {
		// The key `on` is the boolean true in YAML 1.1.
		On   struct{ Push struct{ Tags []string } } `json:"true"`
		Jobs map[string]struct {
			Permissions map[string]string
			Steps       []struct{ Name, Run string }
		}
	}
	if err := yaml.Unmarshal(read(t, workflow), &jobs); err != nil {
		t.Fatal(err)
	}
	if job := jobs.Jobs["images"]; job.Permissions["id-token"] != "write" || !slices.Equal(jobs.On.Push.Tags, []string{"v*"}) {
		t.Errorf("%s has no identity to sign with, or runs on %q", workflow, jobs.On.Push.Tags)
	}
	signs := false
	for _, step := range jobs.Jobs["images"].Steps {
		if strings.Contains(step.Run, "/cmd/cosign@") {
			signs = true
			// Crossplane 2.4 looks for sha256-….sig, not for a bundle.
			if !strings.Contains(step.Run, "--new-bundle-format=false") || !strings.Contains(step.Run, "--use-signing-config=false") {
				t.Errorf("%s signs in a format that Crossplane does not read: %s", workflow, step.Run)
			}
		}
	}
	if !signs {
		t.Errorf("%s signs nothing", workflow)
	}
}

// first returns the first element of a list.
func first(t *testing.T, object map[string]any, field ...string) map[string]any {
	t.Helper()
	list, _, _ := unstructured.NestedSlice(object, field...)
	if len(list) == 0 {
		t.Fatalf("%s is empty", strings.Join(field, "."))
	}
	return list[0].(map[string]any)
}
