package definition_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema/definition"
)

var (
	pod    = schema.GroupVersionKind{Version: "v1", Kind: "Pod"}
	widget = schema.GroupVersionKind{Group: "example.org", Version: "v1", Kind: "Widget"}
)

func TestArchive(t *testing.T) {
	first := definition.Definition{GroupVersionKind: pod, Namespaced: true, Status: true, Schema: json.RawMessage(`{"type":"object"}`)}
	second := definition.Definition{GroupVersionKind: widget, Schema: json.RawMessage(`{}`)}
	a := definition.Source{Name: "a", Pins: "p", Module: "example.org/a", Version: "v1.2.3", Definitions: []definition.Definition{first, second}}
	b := definition.Source{Name: "b", Pins: "p", Module: "example.org/b", Version: "v2.0.0"}

	packed := pack(t, a, b)
	a.Definitions = []definition.Definition{second, first}
	if !bytes.Equal(packed, pack(t, b, a)) {
		t.Error("the order of what goes in changes what comes out")
	}

	archive, err := definition.Open(packed)
	if err != nil {
		t.Fatal(err)
	}
	if len(archive.Sources) != 2 || len(archive.Kinds()) != 2 || archive.SourceOf(pod).String() != "a 1.2.3" {
		t.Errorf("got %v, %v", archive.Sources, archive.Kinds())
	}
	read, err := archive.Read(pod)
	if err != nil {
		t.Fatal(err)
	}
	if read.GroupVersionKind != pod || !read.Namespaced || !read.Status || string(read.Schema) != `{"type":"object"}` {
		t.Errorf("got %+v", read)
	}
	if _, err := archive.Read(schema.GroupVersionKind{Kind: "Pods"}); err == nil {
		t.Error("a definition of a kind that is not there")
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		data []byte
		want string
	}{
		"no archive":    {[]byte("PK"), "open the schema archive"},
		"another file":  {zipped(t, "README.md", ""), "is not source/group/version/Kind.json"},
		"broken list":   {zipped(t, "sources.json", "["), "decode sources.json"},
		"empty archive": {nil, "open the schema archive"},
	} {
		if _, err := definition.Open(test.data); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v does not say %q", name, err, test.want)
		}
	}
}

func pack(t *testing.T, sources ...definition.Source) []byte {
	t.Helper()
	var packed bytes.Buffer
	if err := definition.Write(&packed, sources); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

func zipped(t *testing.T, name, text string) []byte {
	t.Helper()
	var data bytes.Buffer
	archive := zip.NewWriter(&data)
	file, err := archive.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return data.Bytes()
}
