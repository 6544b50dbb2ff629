// Package provider is the local stand-in for provider-aws: SIMULATED, local
// only. It reconciles the namespaced managed resources of the API groups that
// it is given, *.aws.m.upbound.io, by the pinned provider's own definitions.
//
// What happens to an object of a kind depends on the kind:
//
//   - Queue (sqs) and Bucket (s3) are realised in the local AWS: created,
//     observed, mended when they drift, changed with the spec, deleted.
//   - Every other kind is recorded. Once created it is observed as its
//     spec.forProvider with a fixture of ./fixtures laid over it; identifiers
//     follow from namespace and name. Nothing exists, which is the reason
//     (Simulated) and the message of each of its True conditions.
//
// The life of an object is crossplane-runtime's managed reconciler, the one
// that provider-aws runs: finalizer, conditions, annotations, management
// policies and the pause annotation are therefore the real ones.
//
// [Config.Fail] has AWS fail to create a kind, as it may: a node group without
// capacity, a NAT gateway without internet gateway. Like provider-aws, it says
// Ready of them.
//
// What provider-aws does and this does not:
//
//   - It looks at no ProviderConfig: the endpoint is the process's.
//   - It resolves no reference and no selector: a field of the spec that
//     provider-aws would fill in from another object stays empty, and nobody
//     waits for that object. Where a status must show what a reference leads to,
//     its fixture makes it up of the other object's name.
//   - spec.initProvider is not read, nothing is late-initialised, and there are
//     no connection details.
//   - A Bucket's tags are not kept; its region is not the local AWS's to check.
//     What configures a bucket does not wait for it.
//   - A LaunchTemplate stays at version 1.
//
// Kinds come and go with their definitions: what a group holds is asked for
// again and again, and a kind has its controller from when it is first seen. A
// controller whose kind is gone waits until it is back.
//
// It knows nothing of Crossplane's packages and of composite resources.
package provider

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/crossplane/crossplane-runtime/v2/pkg/logging"
	"github.com/crossplane/crossplane-runtime/v2/pkg/reconciler/managed"
	"github.com/crossplane/crossplane-runtime/v2/pkg/resource"
	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// Config is what a provider is told.
type Config struct {
	// Groups are the API groups whose managed resources it reconciles.
	Groups []string
	// Endpoint is the local AWS's URL.
	Endpoint string
	// Account is part of the simulated ARNs.
	Account string
	// Health is the address of /healthz and /readyz.
	Health string
	// Poll is how often a queue or a bucket that is in order is looked at again,
	// and so how long drift lasts at most.
	Poll time.Duration
	// Fail are kinds of which what is created from now on fails on AWS: some of
	// [Failing].
	Fail []string
}

// Failing are the kinds that can fail.
func Failing() ([]string, error) {
	fixtures, err := readFixtures()
	return failing(fixtures), err
}

const (
	// discoverEvery is how soon after its definition a kind is served.
	discoverEvery = 2 * time.Second
	// What fails is tried again after these, doubling from one to the other.
	firstRetry, lastRetry = 200 * time.Millisecond, 20 * time.Second
	workers               = 2 // per kind
	// What is simulated does not drift.
	simulatedPoll = time.Hour
)

// Run reconciles until ctx is over.
func Run(ctx context.Context, cluster *rest.Config, config Config, log *slog.Logger) error {
	fixtures, err := readFixtures()
	if err != nil {
		return err
	}
	cluster = rest.CopyConfig(cluster)
	cluster.QPS = -1 // the API server shares itself out; waiting here only makes it slow
	// It warns of Crossplane's finalizer, at each object.
	cluster.WarningHandler = rest.NoWarnings{}
	groups, err := discovery.NewDiscoveryClientForConfig(cluster)
	if err != nil {
		return fmt.Errorf("connect to the cluster: %w", err)
	}
	m, err := manager.New(cluster, manager.Options{
		Logger:                 logr.FromSlogHandler(log.Handler()),
		Metrics:                server.Options{BindAddress: "0"},
		HealthProbeBindAddress: config.Health,
	})
	if err != nil {
		return fmt.Errorf("connect to the cluster: %w", err)
	}
	p := &provider{
		Manager: m, config: config, log: log, groups: groups, externals: newExternals(config, fixtures),
		started: map[schema.GroupVersionKind]bool{},
	}
	if err := errors.Join(
		m.AddHealthzCheck("process", healthz.Ping),
		m.AddReadyzCheck("discovery", p.ready),
		m.Add(manager.RunnableFunc(p.serve)),
	); err != nil {
		return err
	}
	return m.Start(ctx)
}

// provider runs a controller for each kind that it has seen.
type provider struct {
	manager.Manager

	config    Config
	log       *slog.Logger
	groups    discovery.DiscoveryInterface
	externals externals
	started   map[schema.GroupVersionKind]bool
	looked    atomic.Bool
}

func (p *provider) ready(*http.Request) error {
	if !p.looked.Load() {
		return errors.New("the API groups were not looked at yet")
	}
	return nil
}

// serve looks for new kinds until ctx is over.
func (p *provider) serve(ctx context.Context) error {
	for {
		if err := p.startNew(); err != nil {
			p.log.Warn("a kind is not served yet", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(discoverEvery):
		}
	}
}

func (p *provider) startNew() error {
	kinds, err := managedKinds(p.groups, p.config.Groups)
	if err != nil {
		return err
	}
	p.looked.Store(true)
	for _, kind := range kinds {
		if p.started[kind] {
			continue
		}
		if err := p.start(kind); err != nil {
			return fmt.Errorf("start %s: %w", kind.GroupKind(), err)
		}
		p.started[kind] = true
		p.log.Info("serving a kind", "kind", kind.Kind, "group", kind.Group, "simulated", !isRealised(kind.GroupKind()))
	}
	return nil
}

// managedKinds are the kinds of managed resources in the groups, in their
// preferred versions. A group without kinds has none.
func managedKinds(from discovery.DiscoveryInterface, groups []string) ([]schema.GroupVersionKind, error) {
	all, err := from.ServerGroups()
	if err != nil {
		return nil, fmt.Errorf("list the API groups: %w", err)
	}
	var kinds []schema.GroupVersionKind
	for _, group := range all.Groups {
		if !slices.Contains(groups, group.Name) {
			continue
		}
		found, err := from.ServerResourcesForGroupVersion(group.PreferredVersion.GroupVersion)
		if err != nil {
			return nil, fmt.Errorf("list the kinds of %s: %w", group.Name, err)
		}
		for _, r := range found.APIResources {
			if isManaged(r) {
				kinds = append(kinds, schema.GroupVersionKind{Group: group.Name, Version: group.PreferredVersion.Version, Kind: r.Kind})
			}
		}
	}
	return kinds, nil
}

// isManaged tells managed resources from ProviderConfigs and subresources.
func isManaged(r metav1.APIResource) bool {
	return slices.Contains(r.Categories, "managed") && !strings.Contains(r.Name, "/")
}

func (p *provider) start(kind schema.GroupVersionKind) error {
	name := strings.ToLower(kind.GroupKind().String())
	c, err := controller.New(name, p.Manager, controller.Options{
		Reconciler:              newReconciler(p.GetClient(), kind, p.externals, p.config.Poll, p.GetLogger()),
		RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry),
		MaxConcurrentReconciles: workers,
	})
	if err != nil {
		return err
	}
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(kind)
	return c.Watch(source.Kind[client.Object](p.GetCache(), object, &handler.EnqueueRequestForObject{}, resource.DesiredStateChanged()))
}

// newReconciler is crossplane-runtime's for one kind. A creation may be
// repeated for each of them, and no creation takes time to show.
func newReconciler(c client.Client, kind schema.GroupVersionKind, by externals, poll time.Duration, log logr.Logger) *managed.Reconciler {
	external, assigned := by.of(kind.GroupKind())
	if !isRealised(kind.GroupKind()) {
		poll = simulatedPoll
	}
	options := []managed.ReconcilerOption{
		managed.WithManagementPolicies(),
		managed.WithDeterministicExternalName(true),
		managed.WithCreationGracePeriod(0),
		managed.WithPollInterval(poll),
		managed.WithLogger(logging.NewLogrLogger(log.WithValues("kind", kind.Kind))),
		managed.WithTypedExternalConnector(managed.TypedExternalConnectorFn[*managedResource](
			func(context.Context, *managedResource) (managed.TypedExternalClient[*managedResource], error) {
				return external, nil
			})),
	}
	if assigned {
		options = append(options, managed.WithInitializers())
	}
	return managed.NewReconciler(access{kind: kind, client: c}, resource.ManagedKind(kind), options...)
}

// externals are what stands behind each kind.
type externals struct {
	clients

	simulated simulated
}

func newExternals(config Config, fixtures map[schema.GroupKind]fixture) externals {
	return externals{
		clients:   newClients(config.Endpoint),
		simulated: simulated{account: config.Account, fixtures: fixtures, fails: config.Fail},
	}
}

var (
	queueKind  = schema.GroupKind{Group: "sqs.aws.m.upbound.io", Kind: "Queue"}
	bucketKind = schema.GroupKind{Group: "s3.aws.m.upbound.io", Kind: "Bucket"}
)

// isRealised tells the kinds that the local AWS has.
func isRealised(kind schema.GroupKind) bool { return kind == queueKind || kind == bucketKind }

// of says what stands behind a kind, and whether that assigns the external
// name; elsewhere it is the object's name unless somebody set another.
func (e externals) of(kind schema.GroupKind) (external managed.TypedExternalClient[*managedResource], assigned bool) {
	switch kind {
	case queueKind:
		return queues{e.sqs}, true
	case bucketKind:
		return buckets{e.s3}, false
	}
	return e.simulated, e.simulated.fixtures[kind].ExternalName != ""
}
