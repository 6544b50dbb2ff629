package providertrim

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/pins"
)

var update = flag.Bool("update", false, "rewrite the golden file")

var kindsInSmall = []string{"vpcs.ec2.aws.m.upbound.io", "queues.sqs.aws.m.upbound.io"}

// upstreamInSmall is testdata/upstream.txtar with some texts replaced, as sources.
func upstreamInSmall(t *testing.T, replace ...string) sources {
	t.Helper()
	modules, err := txtar.ParseFile("testdata/upstream.txtar")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	replacer := strings.NewReplacer(replace...)
	changed := len(replace) == 0
	for _, f := range modules.Files {
		data := replacer.Replace(string(f.Data))
		changed = changed || data != string(f.Data)
		write(t, filepath.Join(dir, f.Name), data)
	}
	if !changed {
		t.Fatalf("testdata/upstream.txtar holds no %q", replace[0])
	}
	main, err := os.ReadFile(filepath.Join(dir, "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	return sources{provider: filepath.Join(dir, "provider"), terraform: filepath.Join(dir, "terraform"), ec2: filepath.Join(dir, "ec2"), main: main}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// generated returns what is generated, as an archive.
func generated(from sources, kinds []string, out string) ([]byte, error) {
	if err := writeModules(from, out); err != nil {
		return nil, err
	}
	if err := generate(from, kinds, out); err != nil {
		return nil, err
	}
	return archive(out)
}

// archive returns every file of a folder.
func archive(dir string) ([]byte, error) {
	files := &txtar.Archive{}
	err := filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(file)
		files.Files = append(files.Files, txtar.File{Name: filepath.ToSlash(strings.TrimPrefix(file, dir+string(filepath.Separator))), Data: data})
		return err
	})
	return txtar.Format(files), err
}

// From a small imitation of upstream, the golden file has what two kinds need.
func TestGenerate(t *testing.T) {
	const golden = "testdata/generated.txtar"
	got, err := generated(upstreamInSmall(t), kindsInSmall, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("another source is generated than %s has; -update rewrites it:\n%s", golden, got)
	}
}

// Changes that upstream may make some day stop the generator, with an error that says
// where.
func TestUnknown(t *testing.T) {
	for name, test := range map[string]struct{ was, is, want string }{
		"a kind's resource": {
			"return \"aws_vpc\"", "return resource", "zz_vpc_terraformed.go: no GetTerraformResourceType that returns one text",
		},
		"a resource of no service": {
			`"aws_sqs_queue"`, `"aws_" + queue`, "the activated kind queues.sqs.aws.m.upbound.io",
		},
		"a list of services": {
			"waf.ServicePackage(),", "waf.New(),", "servicePackages has entries of a form that this generator does not know",
		},
		"no list of services": {
			"func servicePackages()", "func allServicePackages()", "found no list of Terraform's service packages",
		},
		"a list of resources": {
			"Factory:  resourceFleet,\n\t\t\tTypeName: \"aws_fleet\",", "Factory: resourceFleet,", "SDKResources has entries of a form",
		},
		"a service without a list": {
			"func (p *servicePackage) SDKResources() []*types.Resource { return []*types.Resource{} }", "", "has no method SDKResources",
		},
		"a client of two services": {
			"client[*sts.Client](c, names.STS)", "client[*sts.Client](c, names.STS+names.EC2)", `STSClient: it mentions the services ["sts" "ec2"]`,
		},
		"a client of no service": {
			"client[*sts.Client](c, names.STS)", "client[*sts.Client](c, names.Other)", `STSClient: it mentions the services [""]`,
		},
		"a list of groups": {
			"v1beta1waf.SchemeBuilder.AddToScheme,", "v1beta1waf.AddToScheme(),", "init has entries of a form",
		},
		"a kind's registration": {
			"SchemeBuilder.Register(&VPC{}, &VPCList{})", "SchemeBuilder.Register(&VPC{})", "zz_vpc_types.go registers 1 types in 1 statements, want a kind and its list",
		},
		"a reference": {
			`"Pool", "PoolList"`, "pool, list", "the references of VPC ask for a type by something else than four texts",
		},
		"a controller": {
			"package vpc\n", "package vpc\n\nimport . \"strings\"\n", `zz_controller.go: it imports "strings" with a dot`,
		},
		"a linker's name": {
			"type fleet struct{}", "//go:linkname fleet other\ntype fleet struct{}", "fleet.go: it embeds files or names symbols of the linker",
		},
		"an embedded file": {"go:embed schema.json", "go:embed schemas.json", "it embeds schemas.json, which is not there"},
		"no embedded file": {"//go:embed schema.json", "", "embeds config/schema.json"},
		"a missing schema": {`"aws_sqs_queue": {"version": 2}, `, "", "config/schema.json: it has the schemas of 1 resources, want those of 2"},
		"the metadata":     {"\n    aws_", "\n  aws_", "config/provider-metadata.yaml: it has no entry, indented by four, of any of 2 resources"},
		"a package's name": {
			`"strings"`, `"example.com/texts"`, "the name of the package example.com/texts does not follow from its path",
		},
		"not Go": {"type Status struct{}", "type Status struct{", "zz_vpc_types.go"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := generated(upstreamInSmall(t, test.was, test.is), kindsInSmall, t.TempDir())
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v does not say %q", err, test.want)
			}
		})
	}
}

func TestUnknownKinds(t *testing.T) {
	for kind, want := range map[string]string{
		"*.ec2.aws.m.upbound.io":       "no such file or directory",
		"vpcs.ec2.aws.upbound.io":      "its group does not end in .aws.m.upbound.io",
		"fleets.ec2.aws.m.upbound.io":  "ec2.aws.m.upbound.io_fleets.yaml",
		"providerconfigs.m.upbound.io": "its group does not end in",
	} {
		_, err := generated(upstreamInSmall(t), []string{kind}, t.TempDir())
		if err == nil || !strings.Contains(err.Error(), "the activated kind "+kind) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v does not say %q", kind, err, want)
		}
	}
}

// The fork's pin is the one of the pinned provider-aws.
func TestForkIsUpstreams(t *testing.T) {
	from := upstreamInSmall(t)
	engine := t.TempDir()
	for pin, want := range map[string]string{
		"replace github.com/hashicorp/terraform-provider-aws => github.com/upbound/terraform-provider-aws v0.0.0-20251204202605-7049bcc1808e": "",
		"replace github.com/hashicorp/terraform-provider-aws => github.com/upbound/terraform-provider-aws v0.0.0-20260305123303-f7691456b787": "replace it likewise",
		"": "replaces no github.com/hashicorp/terraform-provider-aws",
	} {
		write(t, filepath.Join(engine, "go.mod"), "module example.com/engine\n\n"+pin+"\n")
		err := checkFork(engine, from.provider)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: error %v does not say %q", pin, err, want)
		}
	}
}

// The generator knows the form of what is pinned, and the same inputs give the same bytes.
func TestPinned(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 60 MB of sources twice")
	}
	pinned, err := pins.Read("../../../engines/provider-aws")
	if err != nil {
		t.Fatal(err)
	}
	kinds, err := Activated("../../../../infrastructure/crossplane/packages/base/activation.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var archives [2][]byte
	for i := range archives {
		out := t.TempDir()
		if _, err := Generate(t.Context(), pinned, kinds, out); err != nil {
			t.Fatal(err)
		}
		if archives[i], err = archive(out); err != nil {
			t.Fatal(err)
		}
	}
	if len(archives[0]) == 0 || !bytes.Equal(archives[0], archives[1]) {
		t.Error("the same inputs give other bytes")
	}
}

// The version covers all files of the generator.
func TestVersion(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		_, err := own.ReadFile(name)
		if isTest := strings.HasSuffix(name, "_test.go"); isTest == (err == nil) {
			t.Errorf("embedded %s: %v", name, err)
		}
	}
	if version := Version(); len(version) != 64 || version != Version() {
		t.Errorf("version %q", version)
	}
}

// The kinds come from the policy's spec.
func TestActivated(t *testing.T) {
	file := filepath.Join(t.TempDir(), "activation.yaml")
	for policy, want := range map[string]string{
		"spec:\n  activate: [vpcs.ec2.aws.m.upbound.io]\n": "",
		"spec: {}\n":             "spec.activate names no kind",
		"spec: {activate: {}}\n": "cannot unmarshal",
	} {
		write(t, file, policy)
		kinds, err := Activated(file)
		if want == "" && (err != nil || len(kinds) != 1) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %q, error %v, want %q", policy, kinds, err, want)
		}
	}
}
