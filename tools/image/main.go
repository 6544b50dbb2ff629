// Command image builds an OCI image of Go main packages without Docker and
// pushes it: a static binary on an empty base, for one platform or several.
//
//	go run ./tools/image --registry ghcr.io/mystique-unicorn --tag v1 ./apps/producer ./apps/consumer
//
// It prints one reference by digest per image and exits 0, 1 when a build or a
// push failed, 2 when the command line is wrong.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/mystique-unicorn/sales-events/tools/internal/image"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	flags.SetOutput(stderr)
	registry := flags.String("registry", "", "registry and folder to push to, such as ghcr.io/mystique-unicorn (required)")
	tag := flags.String("tag", "latest", "tag of the images; manifests pin the digest that is printed")
	platforms := flags.String("platform", "", "comma-separated platforms, such as linux/amd64,linux/arm64 (default this machine's)")
	insecure := flags.Bool("insecure", false, "push by plain http")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if *registry == "" || flags.NArg() == 0 {
		fmt.Fprintln(stderr, "error: name --registry and at least one main package, such as ./apps/producer")
		return 2
	}
	for _, pkg := range flags.Args() {
		spec := image.Spec{Name: path.Base(pkg), Tag: *tag, Package: pkg, Dir: "."}
		if *platforms != "" {
			spec.Platforms = strings.Split(*platforms, ",")
		}
		if err := publish(ctx, spec, *registry, *insecure, stdout, stderr); err != nil {
			fmt.Fprintln(stderr, "error:", err)
			return 1
		}
	}
	return 0
}

func publish(ctx context.Context, spec image.Spec, registry string, insecure bool, stdout, stderr io.Writer) error {
	start := time.Now()
	fmt.Fprintf(stderr, "building %s\n", spec.Package)
	artifact, err := image.Build(ctx, spec)
	defer artifact.Close()
	if err != nil {
		return err
	}
	digest, err := artifact.Digest()
	if err != nil {
		return err
	}
	ref := registry + "/" + spec.Name
	if err := image.Push(ctx, ref+":"+spec.Tag, artifact, insecure); err != nil {
		return fmt.Errorf("push %s: %w", ref, err)
	}
	fmt.Fprintf(stderr, "  pushed in %.1f s\n", time.Since(start).Seconds())
	fmt.Fprintf(stdout, "%s@%s\n", ref, digest)
	return nil
}
