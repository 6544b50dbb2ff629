// Command ssm-agent makes sure that the SSM agent runs on its node. It runs as a
// DaemonSet on managed nodes, so that operators reach every node without SSH, whatever
// its image.
//
// It inspects the node once, and reports the result in its log and its readiness; then it
// idles until SIGTERM. It inspects, below HOST_ROOT:
//
//   - The agent runs if a process in the node's own PID namespace was started as
//     amazon-ssm-agent; a process in a container does not count.
//   - It is present if its program is at the path of the package or of the snap.
//   - Otherwise it is missing.
//
// With MODE=check, the default, that is all: it changes nothing, needs no privilege, and
// is ready after the inspection.
//
// With MODE=install it is ready once the agent runs. It starts an agent that is present.
// If the agent is missing, it first installs it, from the package for the node's region,
// after verifying AWS's signature. A script on the node, install.sh, does both, because
// it outlives the pod:
//
//  1. The program writes the script and the public key to /var/lib/ssm-agent-installer.
//  2. If crond runs, it adds an entry to /etc/cron.d that starts the script, and is
//     removed before it does. Otherwise it asks systemd, through the system bus, to start
//     the script as a transient unit, ssm-agent-installer.service.
//  3. The script claims the boot by creating a folder with the name of the kernel's
//     boot_id. It does its work and leaves the result in the folder.
//  4. The program waits for the result and then for the agent.
//
// So there is one attempt in each boot. Steps 1 and 2 can be repeated, by a pod that
// replaces one that died in between. Only one script can create the folder of step 3, and
// a script ends if its boot is over. A failed attempt is not repeated until the next
// boot: the reason is in this program's log, the details are in the node's journal.
//
// The privilege of this mode comes from three mounts: a process that may write to
// /etc/cron.d, or ask systemd to run a program, is root on the node. That is why the
// namespace enforces no Pod Security. The pod runs as user 0, because cron and systemd
// check the user. It needs nothing else: no capability, no host namespace and no
// privileged container, which entering the node's namespaces would need. The node runs
// the script and downloads the package, so the pod needs no network.
//
// It installs only RPM packages. It can start a snap but not install one. It does not
// support Bottlerocket, which runs the agent in a container of its own.
//
// It exits 0 if it was asked to end, 1 if it cannot inspect the node, and 2 if a setting
// is wrong.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/mystique-unicorn/sales-events/apps/ssm-agent/config"
	"github.com/mystique-unicorn/sales-events/internal/observe"
)

func main() {
	c, err := config.Parse(os.LookupEnv)
	if err != nil {
		fmt.Fprintf(os.Stderr, "ssm-agent: settings:\n%v\n", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	log := slog.New(slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{Level: c.LogLevel}))
	err = run(ctx, c, log)
	stop()
	if err != nil {
		log.Error("ssm-agent failed", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, c config.Config, log *slog.Logger) error {
	server, err := observe.Start(ctx, c.Address, metrics.NewSet(), log)
	if err != nil {
		return err
	}
	node := host{root: c.HostRoot}
	found, err := node.agent()
	if err != nil {
		return err
	}
	log.Info("looked for the agent", "state", found.state, "path", found.path, "pid", found.pid)
	if c.Mode == config.Install && found.state != running {
		err = repair(ctx, c, node, found, log)
	}
	switch {
	case ctx.Err() != nil:
		log.Info("asked to end before the agent ran")
		return nil
	case err != nil:
		log.Error("the agent does not run", "error", err)
	default:
		server.SetReady(true)
	}
	<-ctx.Done()
	return nil
}

// repair returns nil once the agent runs.
func repair(ctx context.Context, c config.Config, node host, found agent, log *slog.Logger) error {
	key, err := os.ReadFile(c.KeyFile)
	if err != nil {
		return fmt.Errorf("read SIGNING_KEY_FILE: %w", err)
	}
	i := installer{
		host: node, key: key, fingerprint: c.Fingerprint,
		region: c.Region, arch: runtime.GOARCH,
		timeout: c.Timeout, poll: time.Second,
		systemd: startTransient, log: log,
	}
	return i.repair(ctx, found)
}
