// Command provider is the local stand-in for provider-aws, the controller in
// the local cluster's provider packages: SIMULATED, local only.
//
// It realises SQS queues and S3 buckets in the local AWS; every other kind is
// recorded and observed from fixtures, which its conditions say. See package
// tools/local/internal/provider for what it does and lacks.
//
// Flags, and the environment variables that stand in for them:
//
//	-group     PROVIDER_GROUP    API group to reconcile, or several with commas; required
//	-endpoint  AWS_ENDPOINT_URL  the local AWS, http://localaws.localaws.svc.cluster.local:4566
//	-account   AWS_ACCOUNT_ID    account in simulated ARNs, 000000000000
//	-health    HEALTH_ADDRESS    address of /healthz and /readyz, :8081
//	-fail      PROVIDER_FAIL     kinds that AWS fails to create from now on, NATGateway or NodeGroup
//	-poll                        how long drift lasts at most, 10s
//	-kubeconfig KUBECONFIG       outside a cluster only
//
// The rights that it needs in the cluster are those that Crossplane gives a
// provider for the kinds of its package:
//
//   - apiGroups: [the group]
//     resources: ["*"]          # and so each kind's status and finalizers
//     verbs: [get, list, watch, update, patch]
//
// and discovery, which every authenticated account has. It reads and writes
// nothing else: no Secrets, no events, no leases. One replica: two would work
// against each other.
//
// Its log is JSON on the standard output. It exits 0 when it was asked to end,
// 1 when it failed and 2 when a flag is wrong.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"github.com/mystique-unicorn/sales-events/tools/local/internal/provider"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run returns the exit code.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	config, kubeconfig, err := parse(args, getenv, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintf(stderr, "provider: %v\n", err)
		return 2
	}
	log := slog.New(slog.NewJSONHandler(stdout, nil))
	klog.SetSlogLogger(log)
	if err := start(ctx, config, kubeconfig, log); err != nil {
		log.Error("provider failed", "error", err)
		return 1
	}
	return 0
}

func start(ctx context.Context, config provider.Config, kubeconfig string, log *slog.Logger) error {
	cluster, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return fmt.Errorf("find the cluster (outside of one, set -kubeconfig): %w", err)
	}
	return provider.Run(ctx, cluster, config, log)
}

var (
	group   = regexp.MustCompile(`^([a-z0-9-]+\.)?aws\.m\.upbound\.io$`)
	account = regexp.MustCompile(`^[0-9]{12}$`)
)

func parse(args []string, getenv func(string) string, stderr io.Writer) (provider.Config, string, error) {
	flags := flag.NewFlagSet("provider", flag.ContinueOnError)
	flags.SetOutput(stderr)
	groups := flags.String("group", getenv("PROVIDER_GROUP"), "API `group` to reconcile, such as sqs.aws.m.upbound.io; several with commas (required)")
	endpoint := flags.String("endpoint", cmp.Or(getenv("AWS_ENDPOINT_URL"), "http://localaws.localaws.svc.cluster.local:4566"), "`URL` of the local AWS")
	accountID := flags.String("account", cmp.Or(getenv("AWS_ACCOUNT_ID"), "000000000000"), "`account` in simulated ARNs")
	health := flags.String("health", cmp.Or(getenv("HEALTH_ADDRESS"), ":8081"), "`address` of /healthz and /readyz")
	poll := flags.Duration("poll", 10*time.Second, "how long drift lasts at most")
	fail := flags.String("fail", getenv("PROVIDER_FAIL"), "`kinds` that AWS fails to create from now on, with commas: NATGateway, NodeGroup")
	kubeconfig := flags.String("kubeconfig", getenv("KUBECONFIG"), "kubeconfig `file`, outside a cluster")
	if err := flags.Parse(args); err != nil {
		return provider.Config{}, "", err
	}
	config := provider.Config{Groups: strings.Split(*groups, ","), Endpoint: *endpoint, Account: *accountID, Health: *health, Poll: *poll}
	if *fail != "" {
		config.Fail = strings.Split(*fail, ",")
	}
	return config, *kubeconfig, check(config, flags.Args())
}

// check names every mistake at once.
func check(config provider.Config, rest []string) error {
	var mistakes []error
	if len(rest) > 0 {
		mistakes = append(mistakes, fmt.Errorf("unexpected argument %q: everything is set by flags, see -help", rest[0]))
	}
	for _, name := range config.Groups {
		if !group.MatchString(name) {
			mistakes = append(mistakes, fmt.Errorf("-group %q: must be a group of namespaced managed resources, such as sqs.aws.m.upbound.io", name))
		}
	}
	if at, err := url.Parse(config.Endpoint); err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Host == "" {
		mistakes = append(mistakes, fmt.Errorf("-endpoint %q: must be a URL such as http://127.0.0.1:4566", config.Endpoint))
	}
	if !account.MatchString(config.Account) {
		mistakes = append(mistakes, fmt.Errorf("-account %q: must be twelve digits", config.Account))
	}
	can, err := provider.Failing()
	if err != nil {
		mistakes = append(mistakes, err)
	}
	for _, kind := range config.Fail {
		if !slices.Contains(can, kind) {
			mistakes = append(mistakes, fmt.Errorf("-fail %q: must be one of %s", kind, strings.Join(can, ", ")))
		}
	}
	if config.Poll <= 0 {
		mistakes = append(mistakes, fmt.Errorf("-poll %s: must be more than nothing", config.Poll))
	}
	return errors.Join(mistakes...)
}
