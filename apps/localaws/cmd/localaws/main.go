// Command localaws serves the part of AWS that this system uses, on one port and in
// memory, for the local cluster. It simulates AWS; package localaws says what it keeps
// and what it lacks.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws"
)

func main() {
	// Most of the heap is messages and objects that stay. With GOGC=100 a million of them
	// would take twice their size.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stderr)
	stop()
	os.Exit(code)
}

const gcPercent = 50

// grace is how long writing the last answers may take after SIGTERM.
const grace = 5 * time.Second

// run returns the exit code: 2 for wrong flags or a wrong configuration, 1 if the server
// failed.
func run(ctx context.Context, args []string, stderr io.Writer) int {
	flags := flag.NewFlagSet("localaws", flag.ContinueOnError)
	flags.SetOutput(stderr)
	file := flags.String("config", "", "YAML `file` that declares what the account has (required)")
	address := flags.String("addr", ":4566", "`address` to listen on")
	admin := flags.String("admin", "", "`address` of the admin endpoint, for faults, the table of calls and recordings; none without")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	faults := &localaws.Faults{}
	server, err := load(*file, faults, flags.Args())
	if err != nil {
		fmt.Fprintf(stderr, "localaws: %v\n", err)
		return 2
	}
	endpoints := []endpoint{{"-addr", *address, server}}
	if *admin != "" {
		endpoints = append(endpoints, endpoint{"-admin", *admin, server.Admin()})
	}
	if err := serve(ctx, endpoints, slog.New(slog.NewJSONHandler(stderr, nil))); err != nil {
		fmt.Fprintf(stderr, "localaws: %v\n", err)
		return 1
	}
	return 0
}

func load(file string, faults *localaws.Faults, rest []string) (*localaws.Server, error) {
	if len(rest) > 0 {
		return nil, fmt.Errorf("unexpected argument %q: everything is set by flags, see -help", rest[0])
	}
	if file == "" {
		return nil, errors.New("-config is missing: name the YAML file that declares what the account has")
	}
	config, err := localaws.LoadConfig(file)
	if err != nil {
		return nil, err
	}
	return localaws.New(config, localaws.WithFaults(faults))
}

// endpoint is a handler, and the address from a flag that it listens on.
type endpoint struct {
	flag, address string
	handler       http.Handler
}

// serve returns when ctx is done or an endpoint failed. Long polls then end at once with
// an empty answer: the messages end with this process anyway.
func serve(ctx context.Context, endpoints []endpoint, log *slog.Logger) error {
	failed := make(chan error, len(endpoints))
	var servers []*http.Server
	for _, e := range endpoints {
		listener, err := net.Listen("tcp", e.address)
		if err != nil {
			return fmt.Errorf("%s %s: %w", e.flag, e.address, err)
		}
		server := &http.Server{
			Handler:           e.handler,
			ReadHeaderTimeout: 10 * time.Second,
			BaseContext:       func(net.Listener) context.Context { return ctx },
		}
		servers = append(servers, server)
		go func() { failed <- server.Serve(listener) }()
		log.Info("serving", "address", listener.Addr().String(), "flag", e.flag)
	}
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	end(ctx, servers)
	log.Info("ended")
	return nil
}

// end waits until the last answers are written.
func end(ctx context.Context, servers []*http.Server) {
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	for _, server := range servers {
		if err := server.Shutdown(ending); err != nil {
			_ = server.Close() // a client that reads no answer must not keep the process
		}
	}
}
