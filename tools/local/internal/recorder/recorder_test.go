package recorder

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"

	"github.com/mystique-unicorn/sales-events/tools/internal/git"
	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
)

// TestPlan: the plan is the one in docs/simulate.md: 24 runs, half of them held out, with
// each shape and setting in both halves. The starts of each half are spread evenly over
// the HPA's period, and every shape is a trace of the local cluster's producer.
func TestPlan(t *testing.T) {
	names, waits := map[string]bool{}, map[bool][]time.Duration{}
	for _, p := range Plan() {
		names[p.Name()] = true
		waits[p.HeldOut()] = append(waits[p.HeldOut()], p.Wait)
		if _, err := os.Stat(filepath.Join("../../../../apps/producer/deploy/local/traces", p.Shape+".csv")); err != nil {
			t.Error(err)
		}
		if patch, err := patchOf(p.Setting); err != nil || (patch == "") != (p.Setting == Today) {
			t.Errorf("setting %s: %q, %v", p.Setting, patch, err)
		}
	}
	if len(names) != 24 || len(waits[true]) != 12 || !names["two-bursts-climb-2"] {
		t.Errorf("%d runs, %d held out: %v", len(names), len(waits[true]), names)
	}
	for heldOut, all := range waits {
		slices.Sort(all)
		for i, wait := range all {
			if want := period * time.Duration(2*i+1) / 24; wait != want {
				t.Errorf("held out %t: wait %d is %s, want %s", heldOut, i, wait, want)
			}
		}
	}
	if _, err := patchOf("tomorrow"); err == nil {
		t.Error("there is a setting tomorrow")
	}
}

// TestTree: the manifests are HEAD's with the patch of the setting, and the checkout does
// not change.
func TestTree(t *testing.T) {
	ctx, root, dir := t.Context(), t.TempDir(), t.TempDir()
	// machine-state.sh, which a test of the cluster may run at the same time, lists this
	// program's files in /tmp.
	t.Setenv("TMPDIR", t.TempDir())
	run := func(args ...string) string {
		out, err := git.Run(ctx, root, []string{
			"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@a", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@a",
		}, args...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	file := filepath.Join(root, filepath.FromSlash(patched))
	write := func(text string) {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run("init", "--quiet")
	write("- op: committed\n")
	run("add", ".")
	run("commit", "--quiet", "-m", "One")
	write("- op: changed\n")
	before := run("status", "--porcelain")
	if err := Tree(ctx, root, "length-100", dir); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(patched)))
	if err != nil || !strings.HasPrefix(string(got), "- op: committed\n") || !strings.Contains(string(got), `value: "100"`) {
		t.Errorf("the tree has %q, %v", got, err)
	}
	if after := run("status", "--porcelain"); after != before {
		t.Errorf("the checkout was %q and is %q", before, after)
	}
	if err := Tree(ctx, root, "tomorrow", t.TempDir()); err == nil {
		t.Error("there is a setting tomorrow")
	}
}

// TestLives: a pod that existed before, and one that is created, starts, becomes ready
// and is gone.
func TestLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		clients := fake.NewClientset(&corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "old", CreationTimestamp: metav1.NewTime(began.Add(-time.Minute))},
			Status:     corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}},
		})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		lives, err := Watch(ctx, clients, "n")
		if err != nil {
			t.Fatal(err)
		}
		pods := clients.CoreV1().Pods("n")
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "new"}}
		step := func(_ *corev1.Pod, err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		step(pods.Create(ctx, pod, metav1.CreateOptions{}))
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
		step(pods.UpdateStatus(ctx, pod, metav1.UpdateOptions{}))
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		step(pods.UpdateStatus(ctx, pod, metav1.UpdateOptions{}))
		step(nil, pods.Delete(ctx, "new", metav1.DeleteOptions{}))
		synctest.Wait() // until it has heard of all
		all := lives.Since(began)
		if len(all) != 2 || *all[0].Created > -59 || all[0].Gone != nil {
			t.Fatalf("%+v", all)
		}
		if p := all[1]; p.Created == nil || p.Started == nil || p.Ready == nil || p.Gone == nil || *p.Created < 0 || *p.Gone < *p.Ready {
			t.Errorf("the new pod: %+v", p)
		}
	})
}

// TestScales: the HPA of an earlier setting does not count as this setting's.
func TestScales(t *testing.T) {
	two, five, window := int32(2), int32(5), int32(15)
	s := scenario.Scenario{Trigger: scenario.Trigger{Target: 50}}
	s.ScaledObject.Spec.MinReplicaCount, s.ScaledObject.Spec.MaxReplicaCount = &two, &five
	behavior := &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleDown: &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: &window}}
	s.ScaledObject.Spec.Advanced = &kedav1alpha1.AdvancedConfig{
		HorizontalPodAutoscalerConfig: &kedav1alpha1.HorizontalPodAutoscalerConfig{Behavior: behavior},
	}
	h := &autoscalingv2.HorizontalPodAutoscaler{Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
		MinReplicas: &two, MaxReplicas: 5, Behavior: behavior,
		Metrics: []autoscalingv2.MetricSpec{{External: &autoscalingv2.ExternalMetricSource{
			Target: autoscalingv2.MetricTarget{AverageValue: resource.NewQuantity(50, resource.DecimalSI)},
		}}},
	}}
	if !Scales(h, s) {
		t.Error("the HPA of the setting is not known")
	}
	for name, change := range map[string]func(*autoscalingv2.HorizontalPodAutoscaler){
		"minimum": func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Spec.MinReplicas = &five },
		"maximum": func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Spec.MaxReplicas = 6 },
		"window":  func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Spec.Behavior = nil },
		"target": func(h *autoscalingv2.HorizontalPodAutoscaler) {
			h.Spec.Metrics[0].External.Target.AverageValue = resource.NewQuantity(100, resource.DecimalSI)
		},
	} {
		other := h.DeepCopy()
		change(other)
		if Scales(other, s) {
			t.Errorf("another %s is not seen", name)
		}
	}
}
