//go:build e2e

package main

import (
	"context"
	"errors"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
)

// connect returns a client of the cluster, and the API server's certificate authority.
func connect(t *testing.T, paths layout.Paths) (client.Client, []byte) {
	t.Helper()
	rest, err := clientcmd.BuildConfigFromFlags("", paths.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(kustomizev1.AddToScheme(scheme), clientgoscheme.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(rest, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return tireless{c}, rest.CAData
}

// tireless is a client that repeats calls which the API server did not answer, as on a
// busy machine.
type tireless struct{ client.Client }

func (c tireless) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	return answered(func() error { return c.Client.Get(ctx, key, o, opts...) })
}

func (c tireless) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	return answered(func() error { return c.Client.List(ctx, list, opts...) })
}

// Create succeeds if an earlier call, which got no answer, created the object.
func (c tireless) Create(ctx context.Context, o client.Object, opts ...client.CreateOption) error {
	repeated := false
	return answered(func() error {
		err := c.Client.Create(ctx, o, opts...)
		if repeated && apierrors.IsAlreadyExists(err) {
			return nil
		}
		repeated = true
		return err
	})
}

func (c tireless) Patch(ctx context.Context, o client.Object, patch client.Patch, opts ...client.PatchOption) error {
	return answered(func() error { return c.Client.Patch(ctx, o, patch, opts...) })
}

func (c tireless) Delete(ctx context.Context, o client.Object, opts ...client.DeleteOption) error {
	return answered(func() error { return c.Client.Delete(ctx, o, opts...) })
}

// answered repeats a call until the API server answers it.
func answered(call func() error) error {
	return retry.OnError(wait.Backoff{Duration: time.Second, Factor: 1, Steps: 100}, unanswered, call)
}

// unanswered reports whether an error is about the call and not about the object: the
// connection was lost, or the API server was too busy.
func unanswered(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return !apimeta.IsNoMatchError(err)
	}
	return apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err) || apierrors.IsTooManyRequests(err) ||
		apierrors.IsServiceUnavailable(err) || apierrors.IsInternalError(err)
}
