// Package attest makes two statements about an image: an SBOM in CycloneDX, from the
// build information that Go puts into every program, and a signature in cosign's format.
// Both are images of their own. They belong beside the image that they are about, under a
// tag that follows from its digest.
//
// The package writes nothing and must not know registries.
package attest

import (
	"archive/tar"
	"bytes"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"runtime/debug"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// SBOMMediaType is the media type of an SBOM.
const SBOMMediaType = types.MediaType("application/vnd.cyclonedx+json")

// SBOM returns an image that holds the SBOM of an image with one Go program. It names
// that image as its subject, for registries that list referrers.
func SBOM(of v1.Image) (v1.Image, error) {
	program, err := programOf(of)
	if err != nil {
		return nil, err
	}
	info, err := buildinfo.Read(bytes.NewReader(program))
	if err != nil {
		return nil, fmt.Errorf("read what the program is built of: %w", err)
	}
	var document bytes.Buffer
	if err := cdx.NewBOMEncoder(&document, cdx.BOMFileFormatJSON).SetPretty(true).Encode(bill(info)); err != nil {
		return nil, err
	}
	subject, err := partial.Descriptor(of)
	if err != nil {
		return nil, err
	}
	holder := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), SBOMMediaType)
	holder, err = mutate.Append(holder, mutate.Addendum{Layer: static.NewLayer(document.Bytes(), SBOMMediaType)})
	if err != nil {
		return nil, err
	}
	return mutate.Subject(holder, *subject).(v1.Image), nil
}

// programOf returns the program that an image runs.
func programOf(img v1.Image) ([]byte, error) {
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	if len(config.Config.Entrypoint) == 0 {
		return nil, errors.New("the image runs no program")
	}
	wanted := strings.TrimPrefix(config.Config.Entrypoint[0], "/")
	layers, err := img.Layers()
	if err != nil {
		return nil, err
	}
	for _, layer := range layers {
		content, err := fileIn(layer, wanted)
		if err != nil || content != nil {
			return content, err
		}
	}
	return nil, fmt.Errorf("the image has no %s", wanted)
}

// fileIn returns a file of a layer; nil if the layer lacks it.
func fileIn(layer v1.Layer, wanted string) ([]byte, error) {
	stream, err := layer.Uncompressed()
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	files := tar.NewReader(stream)
	for {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if strings.TrimPrefix(path.Clean("/"+header.Name), "/") == wanted && header.Typeflag == tar.TypeReg {
			return io.ReadAll(files)
		}
	}
}

// bill lists a program's modules in the order of its build information, which the go
// command sorts. It has no time and no serial number, so that the same program gives the
// same bill.
func bill(info *debug.BuildInfo) *cdx.BOM {
	main := componentOf(&info.Main, cdx.ComponentTypeApplication)
	main.Name = info.Path
	version := strings.TrimPrefix(strings.Fields(info.GoVersion + " ")[0], "go")
	components := []cdx.Component{{
		Type: cdx.ComponentTypeLibrary, Name: "std", Version: version,
		PackageURL: "pkg:golang/std@" + version, BOMRef: "pkg:golang/std@" + version,
	}}
	if info.Path != info.Main.Path && info.Main.Version != "(devel)" && info.Main.Version != "" {
		components = append(components, componentOf(&info.Main, cdx.ComponentTypeLibrary))
		main.BOMRef = info.Path // unlike its module's, which has the version
	}
	for _, module := range info.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		components = append(components, componentOf(module, cdx.ComponentTypeLibrary))
	}
	var needs []string
	for _, component := range components {
		needs = append(needs, component.BOMRef)
	}
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Component: &main}
	bom.Components = &components
	bom.Dependencies = &[]cdx.Dependency{{Ref: main.BOMRef, Dependencies: &needs}}
	return bom
}

func componentOf(module *debug.Module, kind cdx.ComponentType) cdx.Component {
	purl := "pkg:golang/" + module.Path
	component := cdx.Component{Type: kind, Name: module.Path}
	if module.Version != "" && module.Version != "(devel)" {
		component.Version = module.Version
		purl += "@" + url.QueryEscape(module.Version)
	}
	component.PackageURL, component.BOMRef = purl, purl
	// The checksum of the module's files, as in go.sum.
	if sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(module.Sum, "h1:")); err == nil && len(sum) > 0 {
		component.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(sum)}}
	}
	return component
}
