package supervisor

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/tail"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
)

const apiServerName = "kube-apiserver"

// child is one program of the control plane or node.
type child struct {
	name string
	path string
	args []string
	env  []string // in addition to the supervisor's
}

// startAll starts the programs in the order of their dependencies: those that need the
// API server start when it answers.
func (r *runner) startAll(opts Options) error {
	for _, c := range storeAndRuntime(opts) {
		if err := r.start(c); err != nil {
			return err
		}
	}
	answers, err := apiServer()
	if err != nil {
		return err
	}
	if err := r.waitFor(answers); err != nil {
		return err
	}
	for _, c := range clients(opts) {
		if err := r.start(c); err != nil {
			return err
		}
	}
	return nil
}

func storeAndRuntime(opts Options) []child {
	kubernetes, pki := opts.bin("kubernetes"), layout.Inside+"/pki/"
	return []child{
		{name: "etcd", path: opts.bin("etcd") + "/server", args: []string{
			"--name=" + layout.NodeName,
			"--data-dir=" + layout.Inside + "/etcd",
			"--listen-client-urls=http://127.0.0.1:2379",
			"--advertise-client-urls=http://127.0.0.1:2379",
			"--listen-peer-urls=http://127.0.0.1:2380",
			"--initial-advertise-peer-urls=http://127.0.0.1:2380",
			"--initial-cluster=" + layout.NodeName + "=http://127.0.0.1:2380",
			// etcd's data ends with the cluster, so it need not be synced to the disk.
			"--unsafe-no-fsync",
			"--log-level=warn",
		}},
		{
			name: "containerd",
			path: opts.bin("containerd") + "/containerd",
			args: []string{"--config=" + layout.Inside + "/config/containerd.toml"},
		},
		// While definitions are installed kube-apiserver allocates far more than it keeps. With the
		// default GOGC it would spend a fifth of its time on garbage collection.
		{name: apiServerName, path: kubernetes + "/" + apiServerName, env: []string{"GOGC=300", "GOMEMLIMIT=1GiB"}, args: []string{
			"--etcd-servers=http://127.0.0.1:2379",
			"--bind-address=" + layout.NodeAddress,
			"--advertise-address=" + layout.NodeAddress,
			"--secure-port=6443",
			"--tls-cert-file=" + pki + "apiserver.crt",
			"--tls-private-key-file=" + pki + "apiserver.key",
			"--client-ca-file=" + pki + "ca.crt",
			"--kubelet-client-certificate=" + pki + "apiserver-kubelet-client.crt",
			"--kubelet-client-key=" + pki + "apiserver-kubelet-client.key",
			"--kubelet-certificate-authority=" + pki + "ca.crt",
			"--kubelet-preferred-address-types=InternalIP",
			"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
			"--service-account-key-file=" + pki + "sa.pub",
			"--service-account-signing-key-file=" + pki + "sa.key",
			"--service-cluster-ip-range=" + layout.ServiceCIDR,
			"--authorization-mode=Node,RBAC",
			"--allow-privileged=true",
			"--enable-admission-plugins=NodeRestriction",
			// For KEDA's aggregated external metrics API.
			"--requestheader-client-ca-file=" + pki + "ca.crt",
			"--requestheader-allowed-names=front-proxy-client",
			"--requestheader-extra-headers-prefix=X-Remote-Extra-",
			"--requestheader-group-headers=X-Remote-Group",
			"--requestheader-username-headers=X-Remote-User",
			"--proxy-client-cert-file=" + pki + "front-proxy-client.crt",
			"--proxy-client-key-file=" + pki + "front-proxy-client.key",
			"--enable-aggregator-routing=true",
			"--endpoint-reconciler-type=master-count",
			"--cert-dir=" + layout.Inside + "/tmp/apiserver",
		}},
	}
}

func clients(opts Options) []child {
	kubernetes, pki := opts.bin("kubernetes"), layout.Inside+"/pki/"
	kubeconfigs := func(name string) []string {
		file := pki + name + ".kubeconfig"
		return []string{
			"--kubeconfig=" + file, "--authentication-kubeconfig=" + file, "--authorization-kubeconfig=" + file,
			"--leader-elect=false", "--bind-address=127.0.0.1", "--cert-dir=" + layout.Inside + "/tmp/" + name,
		}
	}
	return []child{
		{name: "kube-controller-manager", path: kubernetes + "/kube-controller-manager", args: append(kubeconfigs("kube-controller-manager"),
			"--service-account-private-key-file="+pki+"sa.key",
			"--root-ca-file="+pki+"ca.crt",
			"--cluster-signing-cert-file="+pki+"ca.crt",
			"--cluster-signing-key-file="+pki+"ca.key",
			"--use-service-account-credentials=true",
			// Before the first controller it creates a ServiceAccount and a token
			// for each. At the default of 20 calls a second that takes four seconds.
			"--kube-api-qps=100", "--kube-api-burst=200",
		)},
		{name: "kube-scheduler", path: kubernetes + "/kube-scheduler", args: kubeconfigs("kube-scheduler")},
		{name: "kube-proxy", path: kubernetes + "/kube-proxy", args: []string{"--config=" + layout.Inside + "/config/kube-proxy.yaml"}},
		{name: "kubelet", path: kubernetes + "/kubelet", args: []string{
			"--config=" + layout.Inside + "/config/kubelet.yaml",
			"--kubeconfig=" + pki + "kubelet.kubeconfig",
			"--root-dir=" + layout.Inside + "/kubelet",
			"--cert-dir=" + layout.Inside + "/tmp/kubelet",
			"--hostname-override=" + layout.NodeName,
			"--node-ip=" + layout.NodeAddress,
		}},
	}
}

// proxyMode returns the mode in which kube-proxy writes its rules.
func proxyMode() string {
	if _, err := exec.LookPath("nft"); err == nil {
		return "nftables"
	}
	return "iptables"
}

type runner struct {
	group *errgroup.Group
	ctx   context.Context
	log   *slog.Logger
	dir   string // holds the logs and the programs' working files
	// restart kills the API server and starts it again, for each value received.
	restart <-chan os.Signal
}

// start runs a program with its output in its own log file. If the program ends, the
// whole group ends with an error, as the package comment says, unless restart asked for
// it.
func (r *runner) start(c child) error {
	restart := r.restart
	if c.name != apiServerName {
		restart = nil
	}
	cmd, ended, err := r.run(c)
	if err != nil {
		return err
	}
	r.group.Go(func() error {
		for {
			select {
			case err := <-ended:
				return err
			case <-restart:
			}
			_ = cmd.Process.Kill()
			<-ended
			if cmd, ended, err = r.run(c); err != nil {
				return err
			}
		}
	})
	return nil
}

// run starts a program. The channel receives the error with which it ends.
func (r *runner) run(c child) (*exec.Cmd, <-chan error, error) {
	logFile := filepath.Join(r.dir, "logs", c.name+".log")
	out, err := os.OpenFile(logFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, nil, fmt.Errorf("open the log of %s: %w", c.name, err)
	}
	cmd := exec.CommandContext(r.ctx, c.path, c.args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Dir = r.dir
	cmd.Env = slices.Concat(os.Environ(), []string{"TMPDIR=" + r.dir + "/tmp", "HOME=" + r.dir + "/tmp"}, c.env)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		out.Close()
		return nil, nil, fmt.Errorf("start %s: %w", c.name, err)
	}
	r.log.Info("started", "program", c.name, "pid", cmd.Process.Pid)
	ended := make(chan error, 1)
	go func() {
		defer out.Close()
		_ = cmd.Wait()
		if r.ctx.Err() != nil {
			ended <- r.ctx.Err()
			return
		}
		ended <- fmt.Errorf("%s ended (%s); its last lines:\n%s", c.name, cmd.ProcessState, tail.File(logFile, 8))
	}()
	return cmd, ended, nil
}

// apiServer asks the API server whether it is ready.
func apiServer() (ready func() bool, err error) {
	pool, err := certPool(filepath.Join(layout.Inside, "pki", "ca.crt"))
	if err != nil {
		return nil, err
	}
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	return func() bool {
		response, err := client.Get("https://" + layout.APIServer + "/readyz")
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	}, nil
}

// waitFor waits until ready, or until a program ends. It has no time limit of its own:
// the caller that starts the cluster sets one, and ends the cluster.
func (r *runner) waitFor(ready func() bool) error {
	for !ready() {
		select {
		case <-r.ctx.Done():
			return r.group.Wait()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}
