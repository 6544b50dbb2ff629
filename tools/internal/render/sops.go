package render

import (
	"bytes"
	"encoding/base64"
	"path/filepath"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// encrypted is a value as SOPS writes it; the group is the value's type.
var encrypted = regexp.MustCompile(`ENC\[AES256_GCM,data:[^\]]*type:([a-z]+)\]`)

const placeholder = "encrypted"

// replaceEncrypted replaces the values of an object that SOPS encrypted by
// placeholders of the same type, and removes SOPS's own field, as decryption
// does. It tells whether the object was encrypted.
func replaceEncrypted(u *unstructured.Unstructured) bool {
	if _, found := u.Object["sops"]; !found {
		return false
	}
	delete(u.Object, "sops")
	for field, value := range u.Object {
		// A Secret's data stays valid: it is base64 of the plain text.
		u.Object[field] = replaceValue(value, u.GetKind() == "Secret" && field == "data")
	}
	return true
}

func replaceValue(value any, base64Encoded bool) any {
	switch value := value.(type) {
	case map[string]any:
		for key, nested := range value {
			value[key] = replaceValue(nested, base64Encoded)
		}
	case []any:
		for i, nested := range value {
			value[i] = replaceValue(nested, base64Encoded)
		}
	case string:
		match := encrypted.FindStringSubmatch(value)
		switch {
		case match == nil:
		case base64Encoded:
			return base64.StdEncoding.EncodeToString([]byte(placeholder))
		case match[1] == "int":
			return int64(0)
		case match[1] == "float":
			return float64(0)
		case match[1] == "bool":
			return false
		default:
			return placeholder
		}
	}
	return value
}

// encryptedSources are the files that secret generators read: Flux decrypts
// those too, before the build.
func (b *build) encryptedSources() map[string]bool {
	files := map[string]bool{}
	for _, l := range b.layers {
		for _, generator := range l.SecretGenerator {
			for _, source := range append(append([]string{}, generator.FileSources...), append(generator.EnvSources, generator.EnvSource)...) {
				if _, name, named := strings.Cut(source, "="); named {
					source = name
				}
				files[filepath.Join(b.source.Dir, l.dir, source)] = true
			}
		}
	}
	return files
}

// placeholders is a file system whose encrypted files read as decrypted, with
// placeholders for the values.
type placeholders struct {
	filesys.FileSystem
	files map[string]bool
}

func (p placeholders) ReadFile(name string) ([]byte, error) {
	data, err := p.FileSystem.ReadFile(name)
	if err != nil || !p.files[filepath.Clean(name)] {
		return data, err
	}
	var lines [][]byte
	for line := range bytes.SplitSeq(data, []byte("\n")) {
		// SOPS keeps its own facts in variables of that prefix.
		if !bytes.HasPrefix(line, []byte("sops_")) {
			lines = append(lines, encrypted.ReplaceAll(line, []byte(placeholder)))
		}
	}
	return bytes.Join(lines, []byte("\n")), nil
}
