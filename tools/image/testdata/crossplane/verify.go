// Command verify verifies an image with the code of Crossplane's package manager, as the
// ImageConfig in a file requires. It replaces the key that the ImageConfig names with the
// one in its third argument. The folder in its last argument has what Sigstore would serve:
// the certificate fulcio.crt.pem, and the keys rekor.pub and ctfe.pub of its logs. It is
// built in the module of tools/engines/crossplane.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/crossplane/crossplane-runtime/v2/pkg/xpkg/signature"
	"github.com/crossplane/crossplane/apis/v2/pkg/v1beta1"
	"github.com/google/go-containerregistry/pkg/name"
	sigstore "github.com/sigstore/sigstore/pkg/tuf"
	"github.com/theupdateframework/go-tuf"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// secret replaces the Secret that the ImageConfig names.
type secret struct {
	client.Reader
	data map[string][]byte
}

// Get returns the same data for every name.
func (s secret) Get(_ context.Context, _ client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	into.(*corev1.Secret).Data = s.data
	return nil
}

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: verify IMAGE IMAGECONFIG KEY FOLDER")
		os.Exit(2)
	}
	if err := serveSigstore(os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := verify(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Println("refused:", err)
		return
	}
	fmt.Println("verified")
}

// serveSigstore makes sigstore trust the keys of a folder instead of those in Sigstore's own
// repository.
func serveSigstore(dir string) error {
	work, err := os.MkdirTemp(dir, "tuf")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(work, "staged", "targets"), 0o755); err != nil {
		return err
	}
	repo, err := tuf.NewRepo(tuf.FileSystemStore(work, nil))
	if err != nil {
		return err
	}
	if err := repo.Init(false); err != nil {
		return err
	}
	for _, role := range []string{"root", "targets", "snapshot", "timestamp"} {
		if _, err := repo.GenKey(role); err != nil {
			return err
		}
	}
	for usage, name := range map[string]string{"Fulcio": "fulcio.crt.pem", "Rekor": "rekor.pub", "CTFE": "ctfe.pub"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(work, "staged", "targets", name), data, 0o600); err != nil {
			return err
		}
		custom := fmt.Sprintf(`{"sigstore": {"usage": %q, "status": "Active"}}`, usage)
		if err := repo.AddTarget(name, json.RawMessage(custom)); err != nil {
			return err
		}
	}
	for _, step := range []func() error{repo.Snapshot, repo.Timestamp, repo.Commit} {
		if err := step(); err != nil {
			return err
		}
	}
	meta, err := repo.GetMeta()
	if err != nil {
		return err
	}
	os.Setenv("TUF_ROOT", filepath.Join(work, "cache"))
	return sigstore.Initialize(context.Background(), "file://"+filepath.Join(work, "repository"), meta["root.json"])
}

func verify(image, configFile, keyFile string) error {
	data, err := os.ReadFile(configFile)
	if err != nil {
		return err
	}
	var config v1beta1.ImageConfig
	if err := yaml.UnmarshalStrict(data, &config); err != nil {
		return err
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return err
	}
	ref, err := name.ParseReference(image)
	if err != nil {
		return err
	}
	validator, err := signature.NewCosignValidator(
		secret{data: map[string][]byte{"cosign.pub": key}},
		nil,
		"crossplane-system",
		"no service account",
	)
	if err != nil {
		return err
	}
	return validator.Validate(context.Background(), ref, config.Spec.Verification)
}
