// Package cluster is the local cluster as seen from the machine. It starts the supervisor
// in its namespaces, links it to the machine, finds a running one, and removes everything
// that an ended one leaves. It must not know what runs inside.
package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/tail"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/supervisor"
)

// SuperviseCommand is the hidden subcommand that runs the supervisor. Its
// options arrive as JSON in the environment variable OptionsVariable.
const (
	SuperviseCommand = "supervise"
	OptionsVariable  = "SALES_EVENTS_SUPERVISOR"
)

// Process identifies the supervisor. The process id alone is not enough, since the kernel
// reuses ids.
type Process struct {
	PID int
	// Started is the start time in clock ticks since boot: field 22 of
	// /proc/<pid>/stat, see proc(5).
	Started string
}

// Running returns the supervisor that the pid file names, if it still runs.
func Running(paths layout.Paths) (Process, bool) {
	data, err := os.ReadFile(paths.PIDFile())
	if err != nil {
		return Process{}, false
	}
	var p Process
	if _, err := fmt.Sscan(string(data), &p.PID, &p.Started); err != nil {
		return Process{}, false
	}
	return p, p.alive()
}

// Other finds a cluster on this machine with another cache folder than that of paths:
// another user's, or the same user's under sudo.
func Other(paths layout.Paths) (cache string, found bool) {
	link, err := netlink.LinkByName(layout.HostLink)
	if err != nil || link.Attrs().Alias == paths.LinkAlias() {
		return "", false
	}
	return link.Attrs().Alias, true
}

func (p Process) alive() bool {
	started, state := startTime(p.PID)
	return started != "" && started == p.Started && state != "Z"
}

func startTime(pid int) (started, state string) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", ""
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 20 {
		return "", ""
	}
	return fields[19], fields[0]
}

// Cluster is a supervisor that this process has started. Until Detach it ends
// with this process.
type Cluster struct {
	Process
	paths  layout.Paths
	tether io.WriteCloser
	ended  chan struct{}
}

// Start removes what an earlier cluster left and starts a new one. It returns when the
// supervisor's process runs and is linked; WaitServing waits until it answers.
func Start(paths layout.Paths, opts supervisor.Options) (*Cluster, error) {
	if err := Stop(paths); err != nil {
		return nil, err
	}
	for _, dir := range []string{paths.State(), paths.Logs(), paths.Blobs(), paths.Programs()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("make the state folder: %w", err)
		}
	}
	if err := recordMachine("/", paths.Machine()); err != nil {
		return nil, err
	}
	opts.State, opts.Engines, opts.Blobs = paths.State(), paths.Engines(), paths.Blobs()
	options, err := json.Marshal(opts)
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(paths.Logs(), "supervisor.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close()

	cmd := exec.Command("/proc/self/exe", SuperviseCommand)
	cmd.Env = append(os.Environ(), OptionsVariable+"="+string(options))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = read, log, log
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: supervisor.Namespaces, Setsid: true}
	if err := cmd.Start(); err != nil {
		write.Close()
		return nil, fmt.Errorf("start the supervisor in its own namespaces (it needs CAP_SYS_ADMIN): %w", err)
	}
	started, _ := startTime(cmd.Process.Pid)
	c := &Cluster{Process: Process{PID: cmd.Process.Pid, Started: started}, paths: paths, tether: write, ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(c.ended)
	}()
	if err := os.WriteFile(paths.PIDFile(), fmt.Appendln(nil, c.PID, c.Started), 0o644); err != nil {
		return nil, errors.Join(err, Stop(paths))
	}
	if err := link(paths, c.PID); err != nil {
		return nil, errors.Join(err, Stop(paths))
	}
	return c, nil
}

// Detach lets the cluster outlive this process.
func (c *Cluster) Detach() error {
	if _, err := c.tether.Write([]byte{'\n'}); err != nil {
		return fmt.Errorf("let go of the cluster: %w", err)
	}
	return c.tether.Close()
}

// Guard runs a part of the start and cancels it when the cluster ends. A part that lost
// its connections fails in many ways, often before the end of the cluster is known, so
// the cause of the end is the error.
func (c *Cluster) Guard(ctx context.Context, part func(context.Context) error) error {
	guarded, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-c.ended:
			cancel(c.failure())
		case <-guarded.Done():
		}
	}()
	err := part(guarded)
	if err == nil {
		return nil
	}
	select {
	case <-guarded.Done():
	case <-time.After(10 * time.Second): // its programs end first, on a busy machine within seconds
	}
	if guarded.Err() != nil && ctx.Err() == nil {
		return context.Cause(guarded)
	}
	return err
}

// failure returns why the cluster ended: the supervisor's own error from its log or, if
// it was killed, the log's last lines.
func (c *Cluster) failure() error {
	file := filepath.Join(c.paths.Logs(), "supervisor.log")
	log, err := os.ReadFile(file)
	_, said, found := strings.Cut("\n"+string(log), "\nerror: ")
	if err != nil || !found {
		said = "the supervisor was killed; its last lines:\n" + tail.File(file, 8)
	}
	return fmt.Errorf("the cluster ended while it started: %s", strings.TrimSpace(said))
}

// WaitServing waits until the registry and the Git server answer.
func (c *Cluster) WaitServing(ctx context.Context) error {
	return poll(ctx, "registry and Git server", func() bool {
		return answers(layout.Registry) && answers(layout.Git)
	})
}

// WaitAPI waits until the API server is ready.
func (c *Cluster) WaitAPI(ctx context.Context, client *http.Client) error {
	return poll(ctx, "API server", func() bool {
		response, err := client.Get("https://" + layout.APIServer + "/readyz")
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}

// WaitFile waits until the supervisor has written a file.
func (c *Cluster) WaitFile(ctx context.Context, path string) error {
	return poll(ctx, "file "+path, func() bool {
		_, err := os.Stat(path)
		return err == nil
	})
}

func answers(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

func poll(ctx context.Context, what string, ready func() bool) error {
	for !ready() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the %s: %w", what, context.Cause(ctx))
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}

// link connects the machine with the supervisor's network namespace, and routes pods and
// services there. The kernel removes both with the namespace. The link's alias says whose
// it is. A cache folder has at most one cluster, and so has a machine, since there is one
// set of addresses.
func link(paths layout.Paths, pid int) error {
	veth := &netlink.Veth{
		LinkAttrs:     netlink.LinkAttrs{Name: layout.HostLink},
		PeerName:      layout.ClusterLink,
		PeerNamespace: netlink.NsPid(pid),
	}
	if err := netlink.LinkAdd(veth); err != nil {
		return fmt.Errorf("link the cluster's network to the machine: %w", err)
	}
	if err := netlink.LinkSetAlias(veth, paths.LinkAlias()); err != nil {
		return fmt.Errorf("mark %s as this cluster's: %w", layout.HostLink, err)
	}
	address, err := netlink.ParseAddr(layout.HostUplink)
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(veth, address); err != nil {
		return fmt.Errorf("address %s: %w", layout.HostLink, err)
	}
	if err := netlink.LinkSetUp(veth); err != nil {
		return fmt.Errorf("bring %s up: %w", layout.HostLink, err)
	}
	for _, cidr := range []string{layout.PodCIDR, layout.ServiceCIDR} {
		_, destination, err := net.ParseCIDR(cidr)
		if err != nil {
			return err
		}
		if err := netlink.RouteAdd(&netlink.Route{LinkIndex: veth.Index, Dst: destination, Gw: net.ParseIP(layout.ClusterVia)}); err != nil {
			return fmt.Errorf("route %s to the cluster: %w", cidr, err)
		}
	}
	return nil
}

// Stop ends the cluster if it runs. It removes the state folder and the empty cgroups of
// the containers, and restores what the cluster's programs changed on the machine outside
// of its namespaces. It is safe to repeat.
func Stop(paths layout.Paths) error {
	if p, ok := Running(paths); ok {
		if err := unix.Kill(p.PID, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("end the supervisor %d: %w", p.PID, err)
		}
		for deadline := time.Now().Add(30 * time.Second); p.alive(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				return fmt.Errorf("the supervisor %d did not end", p.PID)
			}
		}
	}
	if err := removeLink(paths); err != nil {
		return err
	}
	if err := removeCgroups(paths); err != nil {
		return err
	}
	if err := restoreMachine("/", paths.Machine()); err != nil {
		return err
	}
	if err := os.RemoveAll(paths.State()); err != nil {
		return fmt.Errorf("remove the state folder: %w", err)
	}
	return nil
}

// removeLink removes the machine's end of the uplink, and with it the routes, without
// waiting for the kernel to end the namespace at the other end. It keeps the link of
// another user's cluster.
func removeLink(paths layout.Paths) error {
	link, err := netlink.LinkByName(layout.HostLink)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err == nil && link.Attrs().Alias != paths.LinkAlias() {
		return nil
	}
	if err == nil {
		err = netlink.LinkDel(link)
	}
	if err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("remove the link %s: %w", layout.HostLink, err)
	}
	return nil
}

// removeCgroups removes the cgroups named after the containers that containerd
// knew when it ended, and their parent once it is empty.
func removeCgroups(paths layout.Paths) error {
	tasks, err := os.ReadDir(filepath.Join(paths.State(), "containerd", "state", "io.containerd.runtime.v2.task", "k8s.io"))
	if err != nil {
		return nil // it never ran a container
	}
	parents, err := cgroupParents()
	if err != nil {
		return err
	}
	for _, parent := range parents {
		for _, task := range tasks {
			if err := removeCgroup(filepath.Join(parent, task.Name())); err != nil {
				return err
			}
		}
		_ = os.Remove(parent) // others may have containers there
	}
	return nil
}

func cgroupParents() ([]string, error) {
	var parents []string
	for _, pattern := range []string{"/sys/fs/cgroup/k8s.io", "/sys/fs/cgroup/*/k8s.io"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return nil, err
		}
		parents = append(parents, found...)
	}
	return parents, nil
}

// removeCgroup removes one cgroup. Its processes are dead, but the kernel may take a
// moment to remove them from it, on a busy machine many seconds.
func removeCgroup(path string) error {
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		err := unix.Rmdir(path)
		if err == nil || errors.Is(err, unix.ENOENT) {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return fmt.Errorf("remove the cgroup %s: %w", path, err)
		}
	}
}

// String returns the process id.
func (p Process) String() string { return strconv.Itoa(p.PID) }
