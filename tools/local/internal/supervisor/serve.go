package supervisor

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"log/slog"
	"net"
	"net/http"
	"os"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/mystique-unicorn/sales-events/tools/local/internal/gitserver"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
)

// serveRegistry serves images on the node's address. Layers are files, which outlive the
// cluster; manifests are in memory.
func serveRegistry(ctx context.Context, blobs string, log *slog.Logger) error {
	handler := registry.New(registry.WithBlobHandler(layers(blobs)), registry.Logger(stdlog.New(io.Discard, "", 0)))
	return serve(ctx, "registry", layout.Registry, handler, log)
}

// serveGit serves the repositories below root for fetch and push.
func serveGit(ctx context.Context, root string, log *slog.Logger) error {
	return serve(ctx, "git", layout.Git, gitserver.Handler(root), log)
}

func serve(ctx context.Context, name, address string, handler http.Handler, log *slog.Logger) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("serve %s: %w", name, err)
	}
	server := &http.Server{Handler: handler}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	log.Info("serving", "server", name, "address", address)
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", name, err)
	}
	return ctx.Err()
}

func certPool(file string) (*x509.CertPool, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return pool, nil
}
