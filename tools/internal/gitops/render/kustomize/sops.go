package kustomize

import (
	"bytes"
	"encoding/base64"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/origin"
)

// encrypted matches a value that SOPS encrypted; the group is the value's type.
var encrypted = regexp.MustCompile(`ENC\[AES256_GCM,data:[^\]]*type:([a-z]+)\]`)

// Encrypted replaces each value that SOPS encrypted: its length and content are unknown.
const Encrypted = "encrypted"

// ReplaceEncrypted replaces the values of an object that SOPS encrypted with placeholders
// of the same type. It removes SOPS's own field, as decryption does. A Secret may contain
// whole encrypted files. It reports whether anything was encrypted.
func ReplaceEncrypted(u *unstructured.Unstructured) bool {
	if !decrypts(u) {
		return false
	}
	if mac, _, _ := unstructured.NestedString(u.Object, "sops", "mac"); mac != "" {
		isSecret := u.GetKind() == "Secret"
		delete(u.Object, "sops")
		for field, value := range u.Object {
			// The placeholder must be base64 in a Secret's data.
			u.Object[field] = replaceValue(value, isSecret && field == "data")
		}
		return true
	}
	data, _ := u.Object["data"].(map[string]any)
	if u.GetKind() != "Secret" {
		return false
	}
	replaced := false
	for key, value := range data {
		text, _ := value.(string)
		plain, err := base64.StdEncoding.DecodeString(text)
		if err == nil && encrypted.Match(plain) {
			data[key] = base64.StdEncoding.EncodeToString(decryptedFile(key, plain))
			replaced = true
		}
	}
	return replaced
}

func decrypts(u *unstructured.Unstructured) bool {
	return !strings.EqualFold(u.GetAnnotations()[kustomizev1.GroupVersion.Group+"/decrypt"], kustomizev1.DisabledValue)
}

// IsEncryptedSecret reports whether Flux rejects a Secret because it is still encrypted.
func IsEncryptedSecret(u *unstructured.Unstructured) bool {
	_, found := u.Object["sops"]
	return found && u.GetKind() == "Secret" && u.GetAPIVersion() == "v1" && decrypts(u)
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
			return base64.StdEncoding.EncodeToString([]byte(Encrypted))
		case match[1] == "int":
			return int64(0)
		case match[1] == "float":
			return float64(0)
		case match[1] == "bool":
			return false
		default:
			return Encrypted
		}
	}
	return value
}

// encryptedSources returns the files that Flux decrypts before the build, the input of
// secret generators and patches, each with the name that determines its format.
func (b *Build) encryptedSources() map[string]string {
	files := map[string]string{}
	add := func(l origin.Layer, file, name string) {
		files[filepath.Join(b.Source.Dir, l.Dir, file)] = name
	}
	for _, l := range b.Layers {
		for _, generator := range l.SecretGenerator {
			for _, entry := range generator.FileSources {
				name, _, _ := strings.Cut(entry, "=")
				add(l, origin.SourceFile(entry), name)
			}
			for _, entry := range append([]string{generator.EnvSource}, generator.EnvSources...) {
				add(l, entry, dotenv)
			}
		}
		for _, p := range l.Patches {
			add(l, p.Path, p.Path)
		}
	}
	return files
}

// placeholders is a file system that returns encrypted files as if they were decrypted,
// with placeholders for the values.
type placeholders struct {
	filesys.FileSystem
	files map[string]string
}

// ReadFile reads a file as if it were decrypted.
func (p placeholders) ReadFile(name string) ([]byte, error) {
	data, err := p.FileSystem.ReadFile(name)
	format, found := p.files[filepath.Clean(name)]
	if err != nil || !found || !encrypted.Match(data) {
		return data, err
	}
	return decryptedFile(format, data), nil
}

const dotenv = ".env"

// decryptedFile returns an encrypted file with placeholders, in the format that its name
// implies; with an unknown format it is a single value.
func decryptedFile(name string, data []byte) []byte {
	extension := path.Ext(name)
	switch {
	case extension == dotenv:
		return decryptedLines(data)
	case extension == ".yaml", extension == ".yml", extension == ".json", strings.HasSuffix(name, corev1.DockerConfigJsonKey):
		var content map[string]any
		if err := yaml.Unmarshal(data, &content); err != nil {
			return []byte(Encrypted)
		}
		delete(content, "sops")
		text, err := yaml.Marshal(replaceValue(content, false))
		if err == nil && (extension == ".json" || strings.HasSuffix(name, corev1.DockerConfigJsonKey)) {
			text, err = yaml.YAMLToJSON(text)
		}
		if err != nil {
			return []byte(Encrypted)
		}
		return text
	default:
		return []byte(Encrypted)
	}
}

func decryptedLines(data []byte) []byte {
	var lines [][]byte
	for line := range bytes.SplitSeq(data, []byte("\n")) {
		// SOPS keeps its metadata in variables with this prefix.
		if !bytes.HasPrefix(line, []byte("sops_")) {
			lines = append(lines, encrypted.ReplaceAll(line, []byte(Encrypted)))
		}
	}
	return bytes.Join(lines, []byte("\n"))
}
