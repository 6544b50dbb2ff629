// Command ssm-agent makes sure that the SSM agent runs on its node. It is a
// DaemonSet on managed nodes, so that an operator reaches every node without
// SSH, whatever image the node was made from.
//
// It looks once, and its log and its readiness say what it found; then it
// idles until SIGTERM. What it looks at, all below HOST_ROOT:
//
//   - The agent runs if a process in the node's own PID namespace was started
//     as amazon-ssm-agent; one in a container does not count.
//   - It is present if its program is where the package or the snap puts it.
//   - Otherwise it is missing.
//
// With MODE=check, the default, that is all: it changes nothing, needs no
// privilege, and is ready once it has looked.
//
// With MODE=install it is ready once the agent runs. An agent that is present
// is started; one that is missing is installed first, from the package of the
// node's region, once the signature of AWS on it has been verified. Both are
// done by a script on the node, install.sh, which outlives the pod:
//
//  1. The script and the public key are put into /var/lib/ssm-agent-installer.
//  2. Where crond runs, an entry in /etc/cron.d starts the script, and removes
//     itself before it does. Elsewhere systemd starts it as a transient unit,
//     ssm-agent-installer.service, asked through the system bus.
//  3. The script claims the boot by making a folder called after the kernel's
//     boot_id, does its work, and leaves the result in there.
//  4. The program waits for the result and then for the agent.
//
// So there is one attempt per boot. Steps 1 and 2 give the same when they are
// done again, by a pod that replaces one that died in between; only one script
// can make the folder of step 3, and none makes that of another boot than the
// one that runs. A failed attempt stays failed until the next boot: its reason
// is in the log here and the details in the node's journal.
//
// The privilege of this mode is that of three mounts: who may write to
// /etc/cron.d or ask systemd to run a program is root on the node. That is why
// the namespace enforces no Pod Security. It takes user 0, because both check
// the user, and nothing else: no capability, no host namespace and no
// privileged container, which entering the node's namespaces would need. The
// script is run by the node and downloads from there, so the pod needs no
// network.
//
// It installs RPM packages. It knows nothing of snaps beyond how to start one,
// and nothing of Bottlerocket, which runs the agent in a container of its own.
//
// It exits 0 when it was asked to end, 1 when it cannot look, and 2 when a
// setting is wrong.
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
