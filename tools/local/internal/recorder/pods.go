package recorder

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"

	"github.com/mystique-unicorn/sales-events/tools/internal/recording"
	"github.com/mystique-unicorn/sales-events/tools/internal/report"
)

// Lives are the lives of a namespace's pods. Its times are those at which it received
// each change, because Kubernetes records only whole seconds.
type Lives struct {
	mu   sync.Mutex
	pods map[string]*life
}

// life has a zero time for each event that did not happen.
type life struct{ created, started, ready, gone time.Time }

// Watch follows the pods of a namespace until the context ends.
func Watch(ctx context.Context, clients kubernetes.Interface, namespace string) (*Lives, error) {
	there, err := clients.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list the pods of %s: %w", namespace, err)
	}
	l := &Lives{pods: map[string]*life{}}
	for i := range there.Items {
		pod := &there.Items[i]
		l.see(watch.Modified, pod, pod.CreationTimestamp.Time)
	}
	events, err := clients.CoreV1().Pods(namespace).Watch(ctx, metav1.ListOptions{ResourceVersion: there.ResourceVersion})
	if err != nil {
		return nil, fmt.Errorf("watch the pods of %s: %w", namespace, err)
	}
	go func() {
		defer events.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case e, open := <-events.ResultChan():
				if !open {
					return
				}
				if pod, ok := e.Object.(*corev1.Pod); ok {
					l.see(e.Type, pod, time.Now())
				}
			}
		}
	}()
	return l, nil
}

func (l *Lives) see(kind watch.EventType, pod *corev1.Pod, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.pods[pod.Name]
	if p == nil {
		p = &life{created: at}
		l.pods[pod.Name] = p
	}
	first := func(moment *time.Time) {
		if moment.IsZero() {
			*moment = at
		}
	}
	if kind == watch.Deleted {
		first(&p.gone)
		return
	}
	for _, status := range pod.Status.ContainerStatuses {
		if status.State.Running != nil {
			first(&p.started)
		}
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			first(&p.ready)
		}
	}
}

// Since returns the pods in the order of their creation, with times in seconds since
// began.
func (l *Lives) Since(began time.Time) []recording.Pod {
	l.mu.Lock()
	defer l.mu.Unlock()
	order := slices.SortedFunc(maps.Keys(l.pods), func(a, b string) int {
		return cmp.Or(l.pods[a].created.Compare(l.pods[b].created), cmp.Compare(a, b))
	})
	seconds := func(at time.Time) *float64 {
		if at.IsZero() {
			return nil
		}
		s := report.Millis(at.Sub(began).Seconds())
		return &s
	}
	all := []recording.Pod{}
	for _, name := range order {
		p := l.pods[name]
		all = append(all, recording.Pod{
			Created: seconds(p.created), Started: seconds(p.started), Ready: seconds(p.ready), Gone: seconds(p.gone),
		})
	}
	return all
}
