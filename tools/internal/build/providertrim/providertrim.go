// Package providertrim generates the source of a provider-aws that reconciles only the
// kinds of a ManagedResourceActivationPolicy. It is upstream's code in one program:
// compiling all of upstream's source takes hours and 20 GB.
//
// [Generate] works on three modules: provider-aws, the fork of Terraform's AWS provider
// with which it was released, and the SDK of EC2. It writes copies without the parts that
// the program does not need:
//
//  1. Each kind leads to its Terraform resource, and the resource to the service package
//     that has it. This package contains no service's name.
//  2. Starting at the program's main package, it follows the names that each declaration
//     mentions, across packages. Packages are copied as a whole, except those that grow
//     with the number of AWS's services: see isShaken.
//  3. Lists of everything, such as the list of all service packages, do not count as
//     mentions: an entry stays only if something else needs what it names. The table
//     rules has these lists.
//  4. The schemas of Terraform's resources, which are data, are reduced to those of the
//     kinds.
//
// It decides by names and not by types, so it keeps more than necessary. It fails on a
// form that it does not know: a list with another structure, a rule that never applied, a
// resource that no service has. If it leaves out too much, the program does not compile.
// The same input gives the same bytes.
//
// The package must not know clusters or images, nor how the source is built.
package providertrim

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/modfile"
	gomodule "golang.org/x/mod/module"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/pins"
)

const (
	providerPath  = "github.com/upbound/provider-aws/v2"
	terraformPath = "github.com/hashicorp/terraform-provider-aws"
	ec2Path       = "github.com/aws/aws-sdk-go-v2/service/ec2"

	// Program is the import path of the generated main package.
	Program = providerPath + "/cmd/provider"
)

// The folders of the copies.
const (
	providerFolder  = "provider-aws"
	terraformFolder = "terraform-provider-aws"
	ec2Folder       = "aws-sdk-ec2"
)

// Generate writes the source for these kinds, each in the form plural.group, into a new
// folder out. The folder of pinned has a go.mod that pins the modules, and the program's
// main.go. It returns the folder of the module that has the program.
func Generate(ctx context.Context, pinned pins.Pins, activated []string, out string) (dir string, err error) {
	var from sources
	if from.provider, err = pinned.SourceOf(ctx, providerPath); err != nil {
		return "", err
	}
	if err := checkFork(pinned.Dir, from.provider); err != nil {
		return "", err
	}
	if from.terraform, err = pinned.SourceOf(ctx, terraformPath); err != nil {
		return "", err
	}
	if from.main, err = os.ReadFile(filepath.Join(pinned.Dir, "main.go")); err != nil {
		return "", fmt.Errorf("read the program of engine %s: %w: restore it with git", pinned.Name, err)
	}
	dir = filepath.Join(out, providerFolder)
	if err := writeModules(from, out); err != nil {
		return "", err
	}
	// provider-aws's go.sum has the checksums of everything that it links.
	if from.ec2, err = (pins.Pins{Name: pinned.Name, Dir: dir}).SourceOf(ctx, ec2Path); err != nil {
		return "", err
	}
	return dir, generate(from, activated, out)
}

// sources are the folders of the three modules, and of the program.
type sources struct {
	provider, terraform, ec2 string
	main                     []byte
}

func generate(from sources, activated []string, out string) error {
	services, err := readServices(from.terraform)
	if err != nil {
		return err
	}
	kinds, err := resolve(from.provider, services, activated)
	if err != nil {
		return err
	}
	p, err := newProgram(from, services, kinds)
	if err != nil {
		return err
	}
	if err := p.trace(); err != nil {
		return err
	}
	if err := p.complete(); err != nil {
		return err
	}
	if err := replaceEC2(out, from.ec2); err != nil {
		return err
	}
	return p.write(out)
}

// checkFork returns an error if the fork of Terraform's provider is not the one with
// which provider-aws was released.
func checkFork(engine, provider string) error {
	ours, err := forkOf(engine)
	if err != nil {
		return err
	}
	upstreams, err := forkOf(provider)
	if err != nil {
		return err
	}
	if ours != upstreams {
		return fmt.Errorf("%s replaces %s with %s, provider-aws with %s: replace it likewise, and copy that version's sums from its go.sum",
			filepath.Join(engine, "go.mod"), terraformPath, ours, upstreams)
	}
	return nil
}

func forkOf(dir string) (gomodule.Version, error) {
	mod, err := readMod(dir)
	if err != nil {
		return gomodule.Version{}, err
	}
	for _, replace := range mod.Replace {
		if replace.Old.Path == terraformPath {
			return replace.New, nil
		}
	}
	return gomodule.Version{}, fmt.Errorf("%s replaces no %s: provider-aws is made of a fork", filepath.Join(dir, "go.mod"), terraformPath)
}

func readMod(dir string) (*modfile.File, error) {
	file := filepath.Join(dir, "go.mod")
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return modfile.Parse(file, data, nil)
}

// writeModules writes the go.mod of provider-aws and of the fork, provider-aws's with a
// replacement by the copy of the fork, and the checksums.
func writeModules(from sources, out string) error {
	for folder, dir := range map[string]string{terraformFolder: from.terraform, providerFolder: from.provider} {
		if err := os.MkdirAll(filepath.Join(out, folder), 0o755); err != nil {
			return err
		}
		if err := copyFile(filepath.Join(dir, "go.mod"), filepath.Join(out, folder, "go.mod")); err != nil {
			return err
		}
	}
	if err := copyFile(filepath.Join(from.provider, "go.sum"), filepath.Join(out, providerFolder, "go.sum")); err != nil {
		return err
	}
	return replace(out, terraformPath, terraformFolder)
}

// replaceEC2 replaces the SDK's pin with the copy, and makes the program the module's
// only tool.
func replaceEC2(out, dir string) error {
	if err := os.MkdirAll(filepath.Join(out, ec2Folder), 0o755); err != nil {
		return err
	}
	if err := copyFile(filepath.Join(dir, "go.mod"), filepath.Join(out, ec2Folder, "go.mod")); err != nil {
		return err
	}
	return replace(out, ec2Path, ec2Folder)
}

// replace makes the copy of provider-aws use another copy.
func replace(out, path, folder string) error {
	dir := filepath.Join(out, providerFolder)
	mod, err := readMod(dir)
	if err != nil {
		return err
	}
	if err := mod.AddReplace(path, "", "../"+folder, ""); err != nil {
		return err
	}
	for _, tool := range mod.Tool {
		if err := mod.DropTool(tool.Path); err != nil {
			return err
		}
	}
	if err := mod.AddTool(Program); err != nil {
		return err
	}
	mod.Cleanup()
	data, err := mod.Format()
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "go.mod"), data, 0o644)
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o644)
}

// Not a pattern, because it would include the tests, which do not change the result.
//
//go:embed data.go kinds.go package.go program.go providertrim.go rules.go unit.go write.go
var own embed.FS

// Version returns a text that changes with this package: another generator may generate
// another source.
func Version() string {
	h := sha256.New()
	// Walking embedded files has a fixed order, and cannot fail.
	_ = fs.WalkDir(own, ".", func(name string, entry fs.DirEntry, _ error) error {
		if entry.IsDir() {
			return nil
		}
		data, err := own.ReadFile(name)
		fmt.Fprintln(h, name, len(data))
		h.Write(data)
		return err
	})
	return hex.EncodeToString(h.Sum(nil))
}
