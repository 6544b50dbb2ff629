package world

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sort"
	"strconv"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kubernetes/pkg/controller"

	"github.com/mystique-unicorn/sales-events/apps/consumer/worker"
)

// fleet is the scaled workload: its pods, and their nodes. Kubernetes' own ranking
// decides which pod is removed first; the time of a pod's start is a modelled part.
type fleet struct {
	world *world

	mu      sync.Mutex
	wanted  int32
	pods    []*pod // pods that are not asked to end
	created int
	nodes   []*node
	booting int
	ending  int
	running sync.WaitGroup
}

// node is a node with its pods.
type node struct {
	name string
	pods int
	// starts is when the last of its starting pods has started, busy until when its cores
	// have work.
	starts, busy time.Time
}

// pod is one of the workload's.
type pod struct {
	name string
	// object is the pod in the form that Kubernetes ranks.
	object *corev1.Pod
	node   *node
	ctx    context.Context
	ask    context.CancelFunc
	ready  bool
}

func newFleet(w *world) *fleet {
	f := &fleet{world: w}
	for range w.scenario.Parts.Nodes.Count {
		f.addNode()
	}
	return f
}

func (f *fleet) addNode() {
	f.nodes = append(f.nodes, &node{name: "node-" + strconv.Itoa(len(f.nodes)+1)})
}

// count returns the number of wanted pods, of pods, and of ready pods.
func (f *fleet) count() (wanted, pods, ready int32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.pods {
		if p.ready {
			ready++
		}
	}
	return f.wanted, int32(len(f.pods)), ready
}

// compute uses the cores of a node for a message, one message after the other: idle pods
// leave their share to others. It returns how long that takes. Another consumer has all
// its time as service time, and uses no cores here.
func (f *fleet) compute(n *node) time.Duration {
	part, now := f.world.scenario.Parts, time.Now()
	if f.world.scenario.Consumer.Service != nil || part.Nodes.Processors <= 0 {
		return 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if n.busy.Before(now) {
		n.busy = now
	}
	n.busy = n.busy.Add(time.Duration(float64(part.Processor) / part.Nodes.Processors))
	return n.busy.Sub(now)
}

// pending returns how many pods have no node.
func (f *fleet) pending() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.pods {
		if p.node == nil {
			n++
		}
	}
	return n
}

// scale sets the number of the workload's pods to n.
func (f *fleet) scale(n int32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wanted = n
	for int32(len(f.pods)) < n {
		f.create()
	}
	if surplus := len(f.pods) - int(n); surplus > 0 {
		f.remove(surplus)
	}
	f.schedule()
}

func (f *fleet) create() {
	f.created++
	name := "consumer-" + strconv.Itoa(f.created)
	ctx, ask := context.WithCancel(f.world.ctx)
	p := &pod{name: name, ctx: ctx, ask: ask, object: &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, CreationTimestamp: metav1.Now(),
			// Among otherwise equal pods the smaller UID goes first, so that chance
			// decides.
			UID: types.UID(fmt.Sprintf("%.16f", f.world.dice.Share("uid "+name))),
		},
		Status: corev1.PodStatus{Phase: corev1.PodPending},
	}}
	f.pods = append(f.pods, p)
}

// remove asks pods to end, in the order of a ReplicaSet.
func (f *fleet) remove(n int) {
	onNode := map[*node]int{}
	for _, p := range f.pods {
		if p.ready {
			onNode[p.node]++
		}
	}
	ranked := controller.ActivePodsWithRanks{Now: metav1.Now()}
	byName := map[string]*pod{}
	for _, p := range f.pods {
		byName[p.name] = p
		ranked.Pods, ranked.Rank = append(ranked.Pods, p.object), append(ranked.Rank, onNode[p.node])
	}
	sort.Sort(ranked)
	for _, object := range ranked.Pods[:n] {
		p := byName[object.Name]
		p.ask()
		f.pods = slices.DeleteFunc(f.pods, func(other *pod) bool { return other == p })
		if p.node == nil {
			continue
		}
		f.ending++
	}
}

// schedule assigns pods without a node to nodes with room, and asks for more nodes.
func (f *fleet) schedule() {
	missed := 0
	for _, p := range f.pods {
		if p.node != nil {
			continue
		}
		n := slices.MinFunc(f.nodes, func(a, b *node) int { return a.pods - b.pods })
		if n.pods >= f.world.scenario.Parts.Nodes.Pods {
			missed++
			continue
		}
		f.start(p, n)
	}
	f.boot(missed)
}

// boot makes an autoscaler add nodes for pods without one.
func (f *fleet) boot(missed int) {
	nodes := f.world.scenario.Parts.Nodes
	for missed -= f.booting * nodes.Pods; missed > 0 && len(f.nodes)+f.booting < nodes.Max; missed -= nodes.Pods {
		f.booting++
		f.running.Go(func() {
			if !f.world.sleep(f.world.ctx, nodes.Boot) {
				return
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			f.booting--
			f.addNode()
			f.schedule()
		})
	}
}

// start starts a pod on a node. A node starts its pods one after another, so the pod
// waits for earlier ones.
func (f *fleet) start(p *pod, n *node) {
	part := f.world.scenario.Parts
	p.node = n
	p.object.Spec.NodeName = n.name
	n.pods++
	at := time.Now().Add(part.PodStart.At(f.world.dice.Share("start " + p.name)))
	if next := n.starts.Add(part.PodNext); at.Before(next) {
		at = next
	}
	n.starts = at
	f.running.Go(func() {
		if f.world.sleep(p.ctx, time.Until(at)) {
			f.work(p)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		n.pods--
		if !slices.Contains(f.pods, p) {
			f.ending--
		}
		f.schedule()
	})
}

// work runs a pod's program, from its start to its end.
func (f *fleet) work(p *pod) {
	s := f.world.scenario
	probe := s.Consumer.ProbeDelay + time.Duration(f.world.dice.Share("probe "+p.name)*float64(s.Consumer.ProbePeriod))
	f.mu.Lock()
	p.object.Status.Phase = corev1.PodRunning
	f.mu.Unlock()
	f.running.Go(func() {
		if f.world.sleep(p.ctx, probe) {
			f.mu.Lock()
			defer f.mu.Unlock()
			p.ready = true
			p.object.Status.Conditions = []corev1.PodCondition{
				{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Now()},
			}
		}
	})
	c := f.world.newClient(p.name)
	c.node = p.node
	worker.New(s.Consumer.Settings, c, c, s.Queue.Visibility, slog.New(slog.DiscardHandler), metrics.NewSet()).Run(p.ctx)
}
