// Command provider is provider-aws with the kinds that this repository composes, in one
// program: the controllers, the clients and Terraform's resources are upstream's. Package
// tools/internal/build/providertrim puts this file into provider-aws's own module, whose
// internal packages it imports, and lists the kinds beside it.
//
// Upstream has a program for each API group. This one takes the groups by a flag. It has no
// cluster-scoped kinds, no webhooks, which only these need, no change logs and no metrics
// of its own. Flags that upstream has too keep their names, and can be set by the
// environment as there: PROVIDER_POLL is -poll.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	stdlog "log"
	"os"
	"slices"
	"strings"
	"time"

	xpcontroller "github.com/crossplane/crossplane-runtime/v2/pkg/controller"
	"github.com/crossplane/crossplane-runtime/v2/pkg/feature"
	"github.com/crossplane/crossplane-runtime/v2/pkg/gate"
	"github.com/crossplane/crossplane-runtime/v2/pkg/logging"
	"github.com/crossplane/crossplane-runtime/v2/pkg/ratelimiter"
	"github.com/crossplane/crossplane-runtime/v2/pkg/reconciler/customresourcesgate"
	"github.com/crossplane/upjet/v2/pkg/controller"
	"github.com/hashicorp/terraform-provider-aws/xpprovider"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	namespacedapis "github.com/upbound/provider-aws/v2/apis/namespaced"
	"github.com/upbound/provider-aws/v2/config"
	resolverapis "github.com/upbound/provider-aws/v2/internal/apis"
	"github.com/upbound/provider-aws/v2/internal/clients"
	"github.com/upbound/provider-aws/v2/internal/controller/namespaced/providerconfig"
	"github.com/upbound/provider-aws/v2/internal/features"
)

// configGroup is the API group of the provider's own configuration.
const configGroup = "aws.m.upbound.io"

// settings are the flags.
type settings struct {
	debug           bool
	poll, sync      time.Duration
	rate            int
	metrics, health string
	groups          []string
}

func main() {
	if err := run(ctrl.SetupSignalHandler()); err != nil {
		fmt.Fprintln(os.Stderr, "provider:", err)
		os.Exit(1)
	}
}

// parse reads the flags, or where one is not given, the variable of its name.
func parse() (settings, error) {
	var s settings
	flag.BoolVar(&s.debug, "debug", false, "log each reconciliation")
	flag.DurationVar(&s.poll, "poll", 10*time.Minute, "how often a resource is held against AWS")
	flag.DurationVar(&s.sync, "sync", time.Hour, "how often every resource is reconciled")
	flag.IntVar(&s.rate, "max-reconcile-rate", 100, "reconciliations a second, and of each kind at a time")
	flag.StringVar(&s.metrics, "metrics-bind-address", ":8080", "`address` of /metrics")
	flag.StringVar(&s.health, "health-probe-bind-addr", ":8081", "`address` of /healthz and /readyz")
	groups := flag.String("group", "", "API `groups` to reconcile, with commas, "+configGroup+" for the configurations; all where it is empty")
	var mistakes []error
	flag.VisitAll(func(f *flag.Flag) {
		name := "PROVIDER_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if value, set := os.LookupEnv(name); set {
			if err := f.Value.Set(value); err != nil {
				mistakes = append(mistakes, fmt.Errorf("%s=%s: %w", name, value, err))
			}
		}
	})
	flag.Parse()
	if *groups != "" {
		s.groups = strings.Split(*groups, ",")
	}
	if len(mistakes) > 0 {
		return s, errors.Join(mistakes...)
	}
	return s, s.check()
}

func run(ctx context.Context) error {
	s, err := parse()
	if err != nil {
		return err
	}
	log := s.logger()
	manager, err := s.manager()
	if err != nil {
		return err
	}
	options, err := s.options(ctx, log)
	if err != nil {
		return err
	}
	// A kind starts when its definition is there.
	if err := customresourcesgate.Setup(manager, options.Options); err != nil {
		return err
	}
	for _, kind := range kinds {
		if s.reconciles(kind.group) {
			if err := kind.setup(manager, options); err != nil {
				return err
			}
		}
	}
	if s.reconciles(configGroup) {
		if err := providerconfig.SetupGated(manager, options); err != nil {
			return err
		}
	}
	return manager.Start(ctx)
}

// check refuses groups of which nothing is in this program: a pod would be ready and do
// nothing.
func (s settings) check() error {
	known := []string{configGroup}
	for _, kind := range kinds {
		known = append(known, kind.group)
	}
	slices.Sort(known)
	for _, group := range s.groups {
		if !slices.Contains(known, group) {
			return fmt.Errorf("-group %q: must be some of %s", group, strings.Join(slices.Compact(known), ", "))
		}
	}
	if s.rate < 1 || s.poll <= 0 || s.sync <= 0 {
		return errors.New("-max-reconcile-rate, -poll and -sync must be more than 0")
	}
	return nil
}

func (s settings) reconciles(group string) bool {
	return len(s.groups) == 0 || slices.Contains(s.groups, group)
}

// logger keeps Terraform and, but for debugging, controller-runtime quiet, as upstream does.
func (s settings) logger() logging.Logger {
	stdlog.Default().SetOutput(io.Discard)
	log := zap.New(zap.UseDevMode(s.debug))
	ctrl.SetLogger(zap.New(zap.WriteTo(io.Discard)))
	if s.debug {
		ctrl.SetLogger(log)
	}
	return logging.NewLogrLogger(log.WithName("provider-aws"))
}

// manager knows the types of all kinds, reconciled or referred to.
func (s settings) manager() (ctrl.Manager, error) {
	cluster, err := ctrl.GetConfig()
	if err != nil {
		return nil, fmt.Errorf("find the cluster: %w", err)
	}
	manager, err := ctrl.NewManager(ratelimiter.LimitRESTConfig(cluster, s.rate), ctrl.Options{
		Cache:                  cache.Options{SyncPeriod: &s.sync},
		Metrics:                metricsserver.Options{BindAddress: s.metrics},
		HealthProbeBindAddress: s.health,
	})
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	return manager, errors.Join(
		manager.AddHealthzCheck("process", healthz.Ping),
		manager.AddReadyzCheck("process", healthz.Ping),
		namespacedapis.AddToScheme(manager.GetScheme()),
		resolverapis.BuildScheme(namespacedapis.AddToSchemes),
		apiextensionsv1.AddToScheme(manager.GetScheme()),
	)
}

// options are those of every controller.
func (s settings) options(ctx context.Context, log logging.Logger) (controller.Options, error) {
	framework, sdk, err := xpprovider.GetProvider(ctx)
	if err != nil {
		return controller.Options{}, fmt.Errorf("make Terraform's provider: %w", err)
	}
	provider, err := config.GetProviderNamespaced(ctx, framework, sdk, false, false)
	if err != nil {
		return controller.Options{}, fmt.Errorf("configure the kinds: %w", err)
	}
	options := controller.Options{
		Options: xpcontroller.Options{
			Logger:                  log,
			GlobalRateLimiter:       ratelimiter.NewGlobal(s.rate),
			PollInterval:            s.poll,
			MaxConcurrentReconciles: s.rate,
			Features:                &feature.Flags{},
			Gate:                    new(gate.Gate[schema.GroupVersionKind]),
		},
		Provider:              provider,
		SetupFn:               clients.SelectTerraformSetup(&clients.SetupConfig{Logger: log, TerraformProvider: provider.TerraformProvider}),
		PollJitter:            s.poll / 20,
		OperationTrackerStore: controller.NewOperationStore(log),
	}
	options.Features.Enable(features.EnableBetaManagementPolicies)
	return options, nil
}
