// Package supervisor is the inside of the local cluster: the first process of new
// network, mount, PID, IPC and UTS namespaces. It starts the control plane and the node
// as its children, and serves the OCI registry and the Git server itself. When it ends,
// for whatever reason, the kernel ends the namespaces and everything in them. Only the
// state folder and empty cgroups are left to remove.
//
// It fails as a whole: if a child ends, the cluster ends, and the error has the last
// lines of the child's log. Restart is the one exception. It must not know Flux, the
// workloads or the checkout.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/mystique-unicorn/sales-events/tools/local/internal/capability"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/pki"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/supervisor/config"
)

// Options says where the supervisor finds the programs that it runs. Folders are paths on
// the machine.
type Options struct {
	State, Engines, Blobs string
	// Programs maps an engine's name to its folder below Engines.
	Programs map[string]string
	// SandboxImage is the image of the pods' sandbox container.
	SandboxImage string
}

// Namespaces are the clone flags with which the supervisor's process must start.
const Namespaces = unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS

// Restart makes the supervisor kill the API server and start it again, as an upgrade of
// the control plane or a lack of memory would.
const Restart = unix.SIGHUP

// Run sets up the namespaces, starts everything and blocks until ctx is done or something
// ends. It reads tether to its end: if the starting process dies before it has written a
// byte, the cluster ends.
func Run(ctx context.Context, opts Options, tether io.Reader, log *slog.Logger) error {
	if os.Getpid() != 1 {
		return errors.New("the supervisor is the first process of its own namespaces: start the cluster with `make up`")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go watchTether(tether, cancel)

	blobs, err := openTree(opts.Blobs)
	if err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(layout.NodeName)); err != nil {
		return fmt.Errorf("name the node: %w", err)
	}
	if err := setUpMounts(opts.State, opts.Engines); err != nil {
		return err
	}
	if err := attach(blobs, layout.Inside+"-blobs"); err != nil {
		return err
	}
	if err := setUpNetwork(); err != nil {
		return err
	}
	if err := writeFiles(opts); err != nil {
		return err
	}
	go reapOrphans(ctx)

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return serveRegistry(ctx, layout.Inside+"-blobs", log) })
	group.Go(func() error { return serveGit(ctx, filepath.Join(layout.Inside, "git"), log) })
	restart := make(chan os.Signal, 1)
	signal.Notify(restart, Restart)
	defer signal.Stop(restart)
	runner := &runner{group: group, ctx: ctx, log: log, dir: layout.Inside, restart: restart}
	if err := runner.startAll(opts); err != nil {
		return err
	}
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return context.Cause(ctx)
}

// watchTether ends the cluster if the pipe from the starting process closes before the
// byte that releases the cluster.
func watchTether(tether io.Reader, cancel context.CancelCauseFunc) {
	if n, _ := tether.Read(make([]byte, 1)); n == 0 {
		cancel(errors.New("the command that started the cluster ended before the cluster was up"))
	}
}

func writeFiles(opts Options) error {
	for _, dir := range []string{"logs", "git", "tmp", "etcd", "kubelet", "pods", "cni"} {
		if err := os.MkdirAll(filepath.Join(layout.Inside, dir), 0o755); err != nil {
			return err
		}
	}
	if err := pki.Write(filepath.Join(layout.Inside, "pki")); err != nil {
		return err
	}
	capabilities, err := capability.Effective()
	if err != nil {
		return fmt.Errorf("read the capabilities: %w", err)
	}
	return config.Write(filepath.Join(layout.Inside, "config"), config.Values{
		SandboxImage:      opts.SandboxImage,
		CNI:               opts.bin("cni"),
		Containerd:        opts.bin("containerd"),
		Runc:              opts.bin("runc"),
		ProxyMode:         proxyMode(),
		CanRaiseResources: capabilities.Has(unix.CAP_SYS_RESOURCE),
		AppArmor:          exists("/sys/module/apparmor"),
	})
}

func (o Options) bin(engine string) string {
	return filepath.Join(layout.InsideEngines, o.Programs[engine])
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// reapOrphans reaps the processes that the kernel hands to the first process of a PID
// namespace when they end, such as containerd's shims. A child of this program is reaped
// by the code that started it within milliseconds, so one that is still a zombie after a
// second is an orphan.
func reapOrphans(ctx context.Context) {
	seen := map[int]bool{}
	for ctx.Err() == nil {
		time.Sleep(time.Second)
		zombies := map[int]bool{}
		for _, pid := range zombieChildren() {
			if seen[pid] {
				_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
				continue
			}
			zombies[pid] = true
		}
		seen = zombies
	}
}

func zombieChildren() []int {
	var pids []int
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		// The command's name is in parentheses and may contain any character.
		_, rest, found := strings.Cut(string(data[strings.LastIndexByte(string(data), ')'):]), ") ")
		var state string
		var parent, pid int
		if !found {
			continue
		}
		if _, err := fmt.Sscan(rest, &state, &parent); err != nil || state != "Z" || parent != 1 {
			continue
		}
		if _, err := fmt.Sscan(filepath.Base(filepath.Dir(file)), &pid); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
