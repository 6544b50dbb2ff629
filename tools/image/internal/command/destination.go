package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/image"
)

// destination writes the images of a run.
type destination interface {
	write(ctx context.Context, images []built, progress io.Writer) error
}

// destination returns the destination that the flags name. It finds mistakes in it now,
// before minutes of building.
func (o options) destination() (destination, error) {
	var flags []string
	for flag, value := range map[string]string{"--registry": o.registry, "--layout": o.layout, "--tarball": o.tarball} {
		if value != "" {
			flags = append(flags, flag)
		}
	}
	switch {
	case len(flags) == 0:
		return nil, errors.New("no destination: name one of --registry, --layout and --tarball; see `image --help`")
	case len(flags) > 1:
		return nil, errors.New("more than one destination: name one of --registry, --layout and --tarball")
	case o.insecure && o.registry == "":
		return nil, errors.New("--insecure needs --registry")
	case o.registry != "":
		return openRegistry(o.registry, o.insecure)
	case o.layout != "":
		layout, err := image.OpenLayout(o.layout)
		return layoutFolder{layout}, err
	default:
		return openTarball(o.tarball, len(o.platforms))
	}
}

type registry struct{ insecure bool }

func openRegistry(host string, insecure bool) (registry, error) {
	if strings.Contains(host, "://") {
		return registry{}, fmt.Errorf("--registry %s: leave out the scheme; plain http is --insecure", host)
	}
	if _, err := name.NewRepository(strings.TrimSuffix(host, "/")+"/image", name.StrictValidation); err != nil {
		return registry{}, fmt.Errorf("--registry %s is not HOST or HOST/FOLDER, such as ghcr.io/mystique-unicorn or localhost:5000: %w",
			host, err)
	}
	return registry{insecure}, nil
}

func (r registry) write(ctx context.Context, images []built, progress io.Writer) error {
	for _, i := range images {
		start := time.Now()
		if err := image.Push(ctx, i.ref(), i.Artifact, r.insecure); err != nil {
			return fmt.Errorf("push %s: %w", i.ref(), err)
		}
		fmt.Fprintf(progress, "  pushed %s in %.1f s\n", i.ref(), time.Since(start).Seconds())
	}
	return nil
}

type layoutFolder struct{ image.Layout }

func (l layoutFolder) write(_ context.Context, images []built, progress io.Writer) error {
	for _, i := range images {
		if err := l.Put(i.ref(), i.Artifact); err != nil {
			return err
		}
		fmt.Fprintf(progress, "  wrote %s to %s\n", i.ref(), l.Layout)
	}
	return nil
}

type tarball string

func openTarball(file string, platforms int) (tarball, error) {
	if platforms > 1 {
		return "", errors.New("a docker tarball holds one platform per image: write several with --layout DIR")
	}
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		return "", fmt.Errorf("--tarball %s is a folder: name a file", file)
	}
	if _, err := os.Stat(filepath.Dir(file)); err != nil {
		return "", fmt.Errorf("--tarball %s: make its folder first: %w", file, err)
	}
	return tarball(file), nil
}

func (t tarball) write(_ context.Context, images []built, progress io.Writer) error {
	artifacts := map[string]image.Artifact{}
	for _, i := range images {
		artifacts[i.ref()] = i.Artifact
	}
	if err := image.WriteTarball(string(t), artifacts); err != nil {
		return err
	}
	fmt.Fprintf(progress, "  wrote %s\n", t)
	return nil
}
