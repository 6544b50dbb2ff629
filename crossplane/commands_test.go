package crossplane_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/crossplane/crossplane-runtime/v2/pkg/meta"
	"sigs.k8s.io/yaml"
)

// fakes replaces the programs that docs/aws.md calls. Each records its arguments, each
// ended by NUL, and each call by another NUL. It prints what a later command reads.
const fakes = `set -euo pipefail
note() { printf '%s\0' "$@" '' >>"$CALLS"; }
for program in git docker go make; do eval "$program() { note $program \"\$@\"; }"; done
flux() { note flux "$@"; }
eksctl() { note eksctl "$@"; cat >/dev/null; }
envsubst() { cat; }
kubectl() {
  note kubectl "$@"
  case "$*" in *' -o name') echo kustomization.kustomize.toolkit.fluxcd.io/keda ;; esac
}
xargs() { shift; while read -r line; do "${@//\{\}/$line}"; done; }
aws() {
  note aws "$@"
  case "$1 $2" in
    'eks describe-cluster') echo https://oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF ;;
    's3api list-object-versions') echo null ;;
    'sqs get-queue-url') echo https://sqs.eu-west-1.amazonaws.com/444455556666/staging-reliable-q ;;
  esac
}
`

// block matches a block of shell in a page, in a list or not.
var block = regexp.MustCompile("(?ms)^( *)```sh\n(.*?)^ *```$")

// The commands of docs/aws.md run unchanged, one after the other in one shell. Without
// AWS the test can check that the shell accepts them, that no variable is missing, and
// that they name kinds that the hub has and resources that the platform creates.
func TestCommands(t *testing.T) {
	page, err := os.ReadFile(awsPage)
	if err != nil {
		t.Fatal(err)
	}
	script, blocks := fakes, 0
	for _, found := range block.FindAllStringSubmatch(string(page), -1) {
		script += found[2]
		blocks++
	}
	if blocks != strings.Count(string(page), "```sh\n") {
		t.Fatalf("docs/aws.md has %d blocks of shell, and %d were found", strings.Count(string(page), "```sh\n"), blocks)
	}
	calls := runCommands(t, script)
	kinds, made := kindsOfHub(t), madeOnAWS(t)
	composites := map[string]bool{}
	for _, environment := range environments {
		for _, xr := range compositesOf(t, environment) {
			composites[environment+" "+strings.ToLower(xr.GetKind())+" "+xr.GetName()] = true
		}
	}
	for _, call := range calls {
		switch call[0] {
		case "kubectl":
			checkKinds(t, call, kinds, composites)
		case "aws":
			checkNames(t, call, made)
		case "go":
			if _, err := os.Stat(filepath.Join("..", call[2])); call[1] != "run" || err != nil {
				t.Errorf("%s: %v", strings.Join(call, " "), err)
			}
		}
	}
}

func runCommands(t *testing.T, script string) [][]string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "calls")
	shell := exec.Command("bash", "-c", script)
	shell.Dir = t.TempDir()
	if err := os.CopyFS(filepath.Join(shell.Dir, "docs", "aws"), os.DirFS(filepath.Join("..", "docs", "aws"))); err != nil {
		t.Fatal(err)
	}
	shell.Env = append(os.Environ(), "CALLS="+file)
	if output, err := shell.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	written, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var calls [][]string
	for call := range strings.SplitSeq(strings.TrimSuffix(string(written), "\x00\x00"), "\x00\x00") {
		calls = append(calls, strings.Split(call, "\x00"))
	}
	return calls
}

// kindsOfHub returns the names of the kinds that kubectl finds on the hub and on a spoke.
func kindsOfHub(t *testing.T) []string {
	t.Helper()
	kinds := []string{
		"deployment", "hpa", "namespace", "pods", "scaledobject", "managed",
		"kustomization.kustomize.toolkit.fluxcd.io", "kustomizations.kustomize.toolkit.fluxcd.io",
		"clusterusages.protection.crossplane.io", "functions.pkg.crossplane.io", "providers.pkg.crossplane.io", "providerconfigs.aws.m.upbound.io",
	}
	for plural := range allAPIs(t) {
		kinds = append(kinds, plural, strings.TrimSuffix(plural, "s"), plural+".platform.mystique-unicorn.io")
	}
	data, err := os.ReadFile("../infrastructure/crossplane/packages/base/activation.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var policy struct{ Spec struct{ Activate []string } }
	if err := yaml.Unmarshal(data, &policy); err != nil {
		t.Fatal(err)
	}
	return append(kinds, policy.Spec.Activate...)
}

// checkKinds checks that a call of kubectl names existing kinds, and composite resources
// that an environment has.
func checkKinds(t *testing.T, call, kinds []string, composites map[string]bool) {
	t.Helper()
	verbs := []string{"get", "delete", "patch", "wait", "status"}
	verb := slices.IndexFunc(call, func(word string) bool { return slices.Contains(verbs, word) })
	if verb < 0 { // as in "create secret"
		return
	}
	words := slices.DeleteFunc(slices.Clone(call[verb+1:]), func(word string) bool { return strings.HasPrefix(word, "-") })
	if len(words) == 0 {
		t.Errorf("%s names no kind", strings.Join(call, " "))
		return
	}
	named, _, _ := strings.Cut(words[0], "/")
	for kind := range strings.SplitSeq(named, ",") {
		if !slices.Contains(kinds, kind) {
			t.Errorf("%s: there is no kind %s", strings.Join(call, " "), kind)
		}
		kind, _, _ := strings.Cut(kind, ".platform.mystique-unicorn.io")
		_, ours := allAPIs(t)[strings.TrimSuffix(kind, "s")+"s"]
		if of := call[2] + " " + strings.TrimSuffix(kind, "s") + " "; ours && len(words) > 1 && !composites[of+words[1]] {
			t.Errorf("%s: there is no such object", strings.Join(call, " "))
		}
	}
}

// madeOnAWS returns the AWS names of the resources that the platform creates in the
// page's accounts.
func madeOnAWS(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, environment := range environments {
		for _, object := range composedIn(t, environment) {
			name := meta.GetExternalName(object)
			if name == "" { // for queues, which AWS identifies by URL
				forProvider, _ := object.Object["spec"].(map[string]any)["forProvider"].(map[string]any)
				name, _ = forProvider["name"].(string)
			}
			names = append(names, strings.ReplaceAll(name, factsOf(t, environment)["AWS_ACCOUNT_ID"], "444455556666"))
		}
	}
	return names
}

var (
	ofPlatform = regexp.MustCompile(`^(?:s3://)?((?:staging|production)-[^/]+|/aws/[^ ]+)`)
	roleOf     = regexp.MustCompile(`^arn:aws:iam::\d+:role/sales-events/(.+)$`)
)

// checkNames checks that a name in the form of the platform's names belongs to a resource
// that it creates.
func checkNames(t *testing.T, call, made []string) {
	t.Helper()
	for _, word := range call[2:] {
		for _, pattern := range []*regexp.Regexp{ofPlatform, roleOf} {
			if match := pattern.FindStringSubmatch(word); match != nil && !slices.Contains(made, match[1]) {
				t.Errorf("%s: the platform makes no %s", strings.Join(call, " "), match[1])
			}
		}
	}
}
