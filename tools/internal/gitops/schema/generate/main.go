// Command generate packs the schemas that validate uses into one file. They come from the
// modules that tools/engines pins: from Kubernetes' OpenAPI documents, and from the
// CustomResourceDefinitions of the other projects.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/pins"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema/definition"
)

// upstream is a pinned module, with the reader for its kinds.
type upstream struct {
	name, pins, module string
	read               reader
}

// reader returns the definitions of a module.
type reader func(ctx context.Context, pinned pins.Pins, module string) ([]definition.Definition, error)

var upstreams = []upstream{
	{"kubernetes", "kubernetes", "k8s.io/kubernetes", tree(kubernetes)},
	{"source-controller", "flux", "github.com/fluxcd/source-controller", crds("config/crd/bases/*.yaml")},
	{"kustomize-controller", "flux", "github.com/fluxcd/kustomize-controller", crds("config/crd/bases/*.yaml")},
	{"helm-controller", "flux", "github.com/fluxcd/helm-controller", crds("config/crd/bases/*.yaml")},
	{"notification-controller", "flux-apis", "github.com/fluxcd/notification-controller/api", withOperatorKinds(types)},
	{"image-reflector-controller", "flux-apis", "github.com/fluxcd/image-reflector-controller/api", types},
	{"image-automation-controller", "flux-apis", "github.com/fluxcd/image-automation-controller/api", types},
	{"source-watcher", "flux-apis", "github.com/fluxcd/source-watcher/api/v2", types},
	{"keda", "keda", "github.com/kedacore/keda/v2", crds("config/crd/bases/*.yaml")},
	{"crossplane", "crossplane", "github.com/crossplane/crossplane/v2", crds("cluster/crds/*.yaml")},
	// The provider has a thousand kinds. These are the namespaced kinds of the services
	// that this repository composes.
	{"provider-aws", "provider-aws", "github.com/upbound/provider-aws/v2", crds(
		"package/crds/aws.m.upbound.io_*.yaml",
		"package/crds/cloudwatch.aws.m.upbound.io_*.yaml",
		"package/crds/cloudwatchlogs.aws.m.upbound.io_*.yaml",
		"package/crds/ec2.aws.m.upbound.io_*.yaml",
		"package/crds/eks.aws.m.upbound.io_*.yaml",
		"package/crds/iam.aws.m.upbound.io_*.yaml",
		"package/crds/s3.aws.m.upbound.io_*.yaml",
		"package/crds/sns.aws.m.upbound.io_*.yaml",
		"package/crds/sqs.aws.m.upbound.io_*.yaml",
	)},
	// The projects that other people's clusters have most often.
	{"argo-rollouts", "definitions", "github.com/argoproj/argo-rollouts", crds("manifests/crds/*-crd.yaml")},
	{"cert-manager", "definitions", "github.com/cert-manager/cert-manager", crds("deploy/crds/*.yaml")},
	{"cilium", "definitions", "github.com/cilium/cilium", crds(
		"pkg/k8s/apis/cilium.io/client/crds/v2/*.yaml", "pkg/k8s/apis/cilium.io/client/crds/v2alpha1/*.yaml",
	)},
	{"cloudnative-pg", "definitions", "github.com/cloudnative-pg/cloudnative-pg", crds("config/crd/bases/*.yaml")},
	{"external-secrets", "definitions", "github.com/external-secrets/external-secrets", crds(
		"config/crds/bases/external-secrets.io_*.yaml", "config/crds/bases/generators.external-secrets.io_*.yaml",
	)},
	// Fields of the experimental channel are allowed: manifests do not show which channel
	// the cluster has.
	{"gateway-api", "definitions", "sigs.k8s.io/gateway-api", crds(
		"config/crd/experimental/gateway.networking.k8s.io_[^v]*.yaml", "config/crd/experimental/gateway.networking.x-k8s.io_*.yaml",
	)},
	{"grafana-operator", "definitions", "github.com/grafana/grafana-operator/v5", crds("config/crd/bases/*.yaml")},
	{"karpenter", "definitions", "sigs.k8s.io/karpenter", crds("pkg/apis/crds/karpenter.sh_*.yaml")},
	{"karpenter-provider-aws", "definitions", "github.com/aws/karpenter-provider-aws", crds("pkg/apis/crds/karpenter.k8s.aws_*.yaml")},
	{"kyverno", "definitions", "github.com/kyverno/kyverno", crds("config/crds/kyverno/*.yaml", "config/crds/policies.kyverno.io/*.yaml")},
	{"prometheus-operator", "definitions", "github.com/prometheus-operator/prometheus-operator", crds(
		"example/prometheus-operator-crd/*.yaml",
	)},
}

func main() {
	engines := flag.String("engines", "tools/engines", "the folder with one go.mod per upstream project")
	out := flag.String("out", "schemas.zip", "the archive to write")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := generate(ctx, *engines, *out)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func generate(ctx context.Context, engines, out string) error {
	var sources []definition.Source
	for _, upstream := range upstreams {
		source, err := upstream.source(ctx, engines)
		if err != nil {
			return fmt.Errorf("%s: %w", upstream.name, err)
		}
		sources = append(sources, source)
	}
	var archive bytes.Buffer
	if err := definition.Write(&archive, sources); err != nil {
		return err
	}
	return os.WriteFile(out, archive.Bytes(), 0o644)
}

func (u upstream) source(ctx context.Context, engines string) (definition.Source, error) {
	pinned, err := pins.Read(filepath.Join(engines, u.pins))
	if err != nil {
		return definition.Source{}, err
	}
	version, err := pinned.VersionOf(u.module)
	if err != nil {
		return definition.Source{}, err
	}
	if err := u.checkLicence(ctx, pinned); err != nil {
		return definition.Source{}, err
	}
	definitions, err := u.read(ctx, pinned, u.module)
	if err != nil {
		return definition.Source{}, err
	}
	return definition.Source{Name: u.name, Pins: u.pins, Module: u.module, Version: version, Definitions: definitions}, nil
}

// checkLicence checks the module's licence. The archive is part of this repository, so
// everything in it must have this repository's licence.
func (u upstream) checkLicence(ctx context.Context, pinned pins.Pins) error {
	dir, err := pinned.SourceOf(ctx, u.module)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(dir, "LICENSE"))
	if err != nil {
		return err
	}
	if !apache.Match(text) {
		return fmt.Errorf("%s is not under the Apache License 2.0: its definitions may not be copied here", u.module)
	}
	return nil
}

var apache = regexp.MustCompile(`^\s*Apache License\s+Version 2\.0, January 2004\s`)

// tree makes a reader of definitions in a module's files.
func tree(read func(dir string) ([]definition.Definition, error)) reader {
	return func(ctx context.Context, pinned pins.Pins, module string) ([]definition.Definition, error) {
		dir, err := pinned.SourceOf(ctx, module)
		if err != nil {
			return nil, err
		}
		return read(dir)
	}
}
