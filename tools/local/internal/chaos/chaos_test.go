package chaos

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/mystique-unicorn/sales-events/apps/localaws"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
)

func pod(namespace, name, label, value string, running bool) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(name), Labels: map[string]string{label: value}}}
	status := corev1.ContainerStatus{ContainerID: "containerd://" + name, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{}}}
	if running {
		status.State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	}
	p.Status.ContainerStatuses = []corev1.ContainerStatus{status}
	return p
}

// All faults happen, in order, and at the end the local AWS, the real one, works again.
func TestChaos(t *testing.T) {
	const name = "app.kubernetes.io/name"
	client := fake.NewClientset(
		pod("sales-events-consumer-ns", "runs", name, "consumer", true), pod("sales-events-consumer-ns", "waits", name, "consumer", false),
		pod("keda", "operator", "app", "keda-operator", true), pod("keda", "adapter", "app", "keda-metrics-apiserver", true),
		pod("localaws", "aws", name, "localaws", true),
	)
	faults := &localaws.Faults{}
	aws, err := localaws.New(localaws.Config{Region: "eu-west-1", AccountID: "000000000000", Buckets: []string{"events"}}, localaws.WithFaults(faults))
	if err != nil {
		t.Fatal(err)
	}
	server, admin := httptest.NewServer(aws), httptest.NewServer(fault.Handler(faults))
	defer server.Close()
	defer admin.Close()

	var mu sync.Mutex
	var did, said []string
	note := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		did = append(did, what)
	}
	c, err := start(t.Context(), &Chaos{
		opts: Options{
			Client: client, Seed: 1, RestartAPIServer: func() error { note("restart"); return nil },
			Say: func(format string, _ ...any) { said = append(said, format) },
		},
		admin: admin.URL, every: 10 * time.Millisecond, pause: 10 * time.Millisecond,
		signal: func(id string, s unix.Signal) error { note(unix.SignalName(s) + " " + id); return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	for i := range 400 {
		c.Observe(float64(i) / 400)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, server.URL+"/events/key", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			failed++ // the answer is lost
			continue
		}
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if response.StatusCode == http.StatusServiceUnavailable {
			failed++
		}
		time.Sleep(time.Millisecond)
	}
	for over := false; !over; time.Sleep(20 * time.Millisecond) { // until the last fault is over
		mu.Lock()
		over = slices.Contains(did, "SIGCONT aws")
		mu.Unlock()
	}
	summary, err := c.Stop(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	hits := summary.Faults["S3:PUT SlowDown"] + summary.Faults["S3:PUT lost"] + summary.Faults["S3:PUT done, answer lost"]
	if failed == 0 || hits < failed || len(summary.Blows) != 3 || len(said) != 3 {
		t.Errorf("%d calls failed, %+v, said %q", failed, summary, said)
	}
	kills := 0
	did = slices.DeleteFunc(did, func(what string) bool {
		if what == "SIGKILL runs" {
			kills++
		}
		return what == "SIGKILL runs"
	})
	if kills == 0 || kills != summary.Kills || !slices.Equal(did, []string{"restart", "SIGSTOP aws", "SIGCONT aws"}) {
		t.Errorf("%d kills of %d, and %q", kills, summary.Kills, did)
	}
	left, err := client.CoreV1().Pods("keda").List(t.Context(), metav1.ListOptions{})
	if err != nil || len(left.Items) != 1 || left.Items[0].Name != "adapter" {
		t.Errorf("of KEDA are left %d pods, %v", len(left.Items), err)
	}
	if n := faults.Left("S3:PUT"); n != 0 {
		t.Errorf("%d faults are left", n)
	}
	data, err := call(t.Context(), http.MethodGet, admin.URL, nil)
	if err != nil || !strings.Contains(string(data), `"faults": []`) {
		t.Errorf("faults are left: %s, %v", data, err)
	}
}

// A stopped local AWS continues, even if the run is interrupted meanwhile.
func TestInterruptedPause(t *testing.T) {
	client := fake.NewClientset(pod("localaws", "aws", "app.kubernetes.io/name", "localaws", true))
	ctx, cancel := context.WithCancel(t.Context())
	var did []unix.Signal
	c := &Chaos{opts: Options{Client: client}, pause: time.Hour, signal: func(_ string, s unix.Signal) error {
		did = append(did, s)
		cancel()
		return nil
	}}
	if err := c.pauseAWS(ctx); err != nil || !slices.Equal(did, []unix.Signal{unix.SIGSTOP, unix.SIGCONT}) {
		t.Errorf("signals %v, %v", did, err)
	}
}

// A fault that fails is an error at the end, and does not prevent the next ones.
func TestBlowThatFails(t *testing.T) {
	admin := httptest.NewServer(fault.Handler(&localaws.Faults{}))
	defer admin.Close()
	done := make(chan struct{})
	c, err := start(t.Context(), &Chaos{
		opts:  Options{Client: fake.NewClientset(), RestartAPIServer: func() error { return errors.New("no") }, Say: func(string, ...any) { close(done) }},
		admin: admin.URL, every: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Observe(0.5)
	<-done
	summary, err := c.Stop(t.Context())
	if err == nil || !strings.Contains(err.Error(), "the API server was killed and started again: no") || len(summary.Blows) != 1 {
		t.Errorf("%+v, %v", summary, err)
	}
}

func TestProcesses(t *testing.T) {
	proc := t.TempDir()
	for pid, cgroups := range map[string]string{
		"10": "0::/kubepods.slice/kubepods-besteffort.slice/cri-containerd-abc.scope\n",
		"11": "0::/kubepods/besteffort/pod1/def\n",
		"12": "9:name=systemd:/k8s.io/abc\n8:pids:/k8s.io/abc\n",
		"13": "0::/user.slice\n",
	} {
		if err := os.Mkdir(filepath.Join(proc, pid), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(proc, pid, "cgroup"), []byte(cgroups), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if pids, err := processes(proc, "abc"); err != nil || !slices.Equal(pids, []int{10, 12}) {
		t.Errorf("processes %v, %v", pids, err)
	}
	if err := signalContainer("no such container", 0); err == nil || !strings.Contains(err.Error(), "no process") {
		t.Errorf("a container of another machine: %v", err)
	}
}
