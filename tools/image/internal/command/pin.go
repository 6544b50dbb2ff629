package command

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/image"
	"github.com/mystique-unicorn/sales-events/tools/internal/build/overlay"
)

// overlays are the folders that pin each image, by the image's name.
type overlays map[string][]string

// overlays returns the folders that --pin names. An image that no folder pins is an
// error, and so is a folder that pins none of the images.
func (o options) overlays(specs []image.Spec) (overlays, error) {
	if len(o.pin) == 0 {
		return nil, nil
	}
	if o.registry == "" {
		return nil, errors.New("--pin needs --registry: what is pinned must be there to be pulled")
	}
	pinned := map[string][]overlay.Pin{}
	for _, dir := range o.pin {
		var err error
		if pinned[dir], err = overlay.Pins(dir); err != nil {
			return nil, fmt.Errorf("--pin: %w", err)
		}
	}
	found, used := overlays{}, map[string]bool{}
	for _, spec := range specs {
		var missing []error
		for _, dir := range o.pin {
			if _, err := overlay.Of(pinned[dir], dir, spec.Name); err != nil {
				missing = append(missing, fmt.Errorf("--pin: %w", err))
				continue
			}
			found[spec.Name], used[dir] = append(found[spec.Name], dir), true
		}
		if len(found[spec.Name]) == 0 {
			return nil, errors.Join(missing...)
		}
	}
	for _, dir := range o.pin {
		if !used[dir] {
			return nil, fmt.Errorf("--pin: %s pins none of the images that this builds", dir)
		}
	}
	return found, nil
}

func (p overlays) write(name, digest string, progress io.Writer) error {
	for _, dir := range p[name] {
		changed, err := overlay.Set(dir, name, digest)
		if err != nil {
			return fmt.Errorf("pin %s: %w", name, err)
		}
		if len(changed) == 0 {
			fmt.Fprintf(progress, "  %s pins this digest already\n", dir)
		}
		for _, file := range changed {
			fmt.Fprintf(progress, "  pinned in %s\n", file)
		}
	}
	return nil
}

// metadata returns the content of the file that --crossplane-package names.
func (o options) metadata(programs []program) ([]byte, error) {
	if o.crossplanePackage == "" {
		return nil, nil
	}
	if len(programs) != 1 {
		return nil, fmt.Errorf("--crossplane-package needs exactly one image, and this builds %d", len(programs))
	}
	data, err := os.ReadFile(o.crossplanePackage)
	if err != nil {
		return nil, fmt.Errorf("--crossplane-package: %w", err)
	}
	return data, nil
}
