package main

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// inspect prints images with their configurations and files, and keeps the
// last one's program as the file $WORK/program. From a registry and from an image
// layout it reads by digest what standard input names, one NAME@DIGEST a line,
// as the command prints it.
//
//	inspect registry
//	inspect layout DIR
//	inspect tarball FILE NAME
func inspect() {
	if err := inspectIn(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func inspectIn(args []string) error {
	switch args[0] {
	case "registry":
		return eachNamed(func(ref name.Digest, _ v1.Hash) error {
			descriptor, err := remote.Get(ref)
			if err != nil {
				return err
			}
			if !descriptor.MediaType.IsIndex() {
				return printed(descriptor.Image())
			}
			return printedIndex(descriptor.ImageIndex())
		})
	case "layout":
		index, err := layout.ImageIndexFromPath(args[1])
		if err != nil {
			return err
		}
		return eachNamed(func(_ name.Digest, digest v1.Hash) error { return inLayout(index, digest) })
	default:
		tag, err := name.NewTag(args[2])
		if err != nil {
			return err
		}
		return printed(tarball.ImageFromPath(args[1], &tag))
	}
}

func eachNamed(visit func(name.Digest, v1.Hash) error) error {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		ref, err := name.NewDigest(lines.Text())
		if err != nil {
			return err
		}
		digest, err := v1.NewHash(ref.DigestStr())
		if err != nil {
			return err
		}
		fmt.Println("image", ref.Context().Name())
		if err := visit(ref, digest); err != nil {
			return err
		}
	}
	return lines.Err()
}

func inLayout(index v1.ImageIndex, digest v1.Hash) error {
	manifest, err := index.IndexManifest()
	if err != nil {
		return err
	}
	at := slices.IndexFunc(manifest.Manifests, func(d v1.Descriptor) bool { return d.Digest == digest })
	if at < 0 {
		return fmt.Errorf("%s is not in the layout", digest)
	}
	descriptor := manifest.Manifests[at]
	fmt.Println("reference", descriptor.Annotations["org.opencontainers.image.ref.name"])
	if descriptor.MediaType.IsIndex() {
		return printedIndex(index.ImageIndex(digest))
	}
	return printed(index.Image(digest))
}

func printedIndex(index v1.ImageIndex, err error) error {
	if err != nil {
		return err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return err
	}
	fmt.Println("index of", len(manifest.Manifests))
	for _, descriptor := range manifest.Manifests {
		fmt.Println("for", descriptor.Platform)
		if err := printed(index.Image(descriptor.Digest)); err != nil {
			return err
		}
	}
	return nil
}

func printed(img v1.Image, err error) error {
	if err != nil {
		return err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return err
	}
	fmt.Println("platform", config.Platform())
	fmt.Println("user", config.Config.User)
	fmt.Println("entrypoint", config.Config.Entrypoint)
	for _, label := range slices.Sorted(maps.Keys(config.Config.Labels)) {
		fmt.Printf("label %s=%s\n", label, config.Config.Labels[label])
	}
	files := mutate.Extract(img)
	defer files.Close()
	for archive := tar.NewReader(files); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		fmt.Println("file", header.Name, header.FileInfo().Mode())
		content, err := io.ReadAll(archive)
		if err != nil {
			return err
		}
		if err := os.WriteFile(os.ExpandEnv("$WORK/program"), content, 0o755); err != nil {
			return err
		}
	}
}
