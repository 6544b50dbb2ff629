package faultsim

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/smithy-go"

	"github.com/mystique-unicorn/sales-events/apps/consumer/worker"
)

// variant is a consumer with one bug: the real worker, with a queue or a store that
// behaves as this bug would.
type variant struct {
	name   string
	breaks invariant
	wrap   func(o outside) (worker.Queue, worker.Store)
}

// outside is a consumer's queue and store.
type outside struct {
	worker.Queue
	worker.Store
	visibility time.Duration
	over       <-chan struct{}
}

// queue is a Queue with some of its methods replaced.
type queue struct {
	worker.Queue
	receive func(ctx context.Context, limit int, wait, visibility time.Duration) ([]worker.Message, error)
	delete  func(ctx context.Context, messages []worker.Message) ([]worker.Failure, error)
	hide    func(ctx context.Context, messages []worker.Message, times []time.Duration) ([]worker.Failure, error)
}

// Receive implements worker.Queue.
func (q queue) Receive(ctx context.Context, limit int, wait, visibility time.Duration) ([]worker.Message, error) {
	if q.receive == nil {
		return q.Queue.Receive(ctx, limit, wait, visibility)
	}
	return q.receive(ctx, limit, wait, visibility)
}

// Delete implements worker.Queue.
func (q queue) Delete(ctx context.Context, messages []worker.Message) ([]worker.Failure, error) {
	if q.delete == nil {
		return q.Queue.Delete(ctx, messages)
	}
	return q.delete(ctx, messages)
}

// Hide implements worker.Queue.
func (q queue) Hide(ctx context.Context, messages []worker.Message, times []time.Duration) ([]worker.Failure, error) {
	if q.hide == nil {
		return q.Queue.Hide(ctx, messages, times)
	}
	return q.hide(ctx, messages, times)
}

// store is a Store that consists of one function.
type store func(ctx context.Context, key, body string) (bool, error)

// Put implements worker.Store.
func (s store) Put(ctx context.Context, key, body string) (bool, error) { return s(ctx, key, body) }

// all reports whether all times are d.
func all(times []time.Duration, d time.Duration) bool {
	return !slices.ContainsFunc(times, func(t time.Duration) bool { return t != d })
}

var date = regexp.MustCompile(`/dt=\d{4}_\d\d_\d\d`)

var variants = []variant{
	{"deletes what it receives before it stores it", storedFirst, func(o outside) (worker.Queue, worker.Store) {
		return queue{Queue: o, receive: func(ctx context.Context, limit int, wait, visibility time.Duration) ([]worker.Message, error) {
			messages, err := o.Receive(ctx, limit, wait, visibility)
			if len(messages) > 0 {
				_, _ = o.Delete(ctx, messages)
			}
			return messages, err
		}}, o
	}},
	{"has no heartbeat", heldUntilDone, func(o outside) (worker.Queue, worker.Store) {
		var failed sync.Map // by body: messages that will be hidden after a failure
		return queue{Queue: o, hide: func(ctx context.Context, messages []worker.Message, times []time.Duration) ([]worker.Failure, error) {
				for _, m := range messages {
					if _, ok := failed.Load(m.Body); ok || !all(times, o.visibility) {
						return o.Hide(ctx, messages, times)
					}
				}
				return nil, nil
			}}, store(func(ctx context.Context, key, body string) (bool, error) {
				taken, err := o.Put(ctx, key, body)
				if err != nil {
					failed.Store(body, true)
				}
				return taken, err
			})
	}},
	{"drops its batch when it is asked to end", nothingLeft, func(o outside) (worker.Queue, worker.Store) {
		return queue{Queue: o, hide: func(ctx context.Context, messages []worker.Message, times []time.Duration) ([]worker.Failure, error) {
			if all(times, 0) {
				return nil, nil
			}
			return o.Hide(ctx, messages, times)
		}}, o
	}},
	{"acknowledges its batch when it is asked to end", storedFirst, func(o outside) (worker.Queue, worker.Store) {
		return queue{Queue: o, hide: func(ctx context.Context, messages []worker.Message, times []time.Duration) ([]worker.Failure, error) {
			if all(times, 0) {
				return o.Delete(ctx, messages)
			}
			return o.Hide(ctx, messages, times)
		}}, o
	}},
	{"has keys without the date", storedFirst, func(o outside) (worker.Queue, worker.Store) {
		return o, store(func(ctx context.Context, key, body string) (bool, error) {
			return o.Put(ctx, date.ReplaceAllString(key, ""), body)
		})
	}},
	{"has keys with the date on which it stores", storedFirst, func(o outside) (worker.Queue, worker.Store) {
		return o, store(func(ctx context.Context, key, body string) (bool, error) {
			return o.Put(ctx, date.ReplaceAllString(key, time.Now().UTC().Format("/dt=2006_01_02")), body)
		})
	}},
	{"treats an existing key (412) as a failure", deadLettered, func(o outside) (worker.Queue, worker.Store) {
		return o, store(func(ctx context.Context, key, body string) (bool, error) {
			taken, err := o.Put(ctx, key, body)
			if taken {
				err = errors.New("412 Precondition Failed")
			}
			return false, err
		})
	}},
	{"stores a duplicate beside the first", storedOnce, func(o outside) (worker.Queue, worker.Store) {
		return o, store(func(ctx context.Context, key, body string) (bool, error) {
			taken, err := o.Put(ctx, key, body)
			if taken {
				return o.Put(ctx, strings.Replace(key, ".json", "-2.json", 1), body)
			}
			return taken, err
		})
	}},
	{"deletes with the first receipt handle that it had", heldUntilDone, func(o outside) (worker.Queue, worker.Store) {
		var handles sync.Map // by message id
		return queue{Queue: o, delete: func(ctx context.Context, messages []worker.Message) ([]worker.Failure, error) {
			old := slices.Clone(messages)
			for i, m := range old {
				first, _ := handles.LoadOrStore(m.ID, m.Handle)
				old[i].Handle = first.(string)
			}
			return o.Delete(ctx, old)
		}, receive: func(ctx context.Context, limit int, wait, visibility time.Duration) ([]worker.Message, error) {
			messages, err := o.Receive(ctx, limit, wait, visibility)
			for _, m := range messages {
				handles.LoadOrStore(m.ID, m.Handle)
			}
			return messages, err
		}}, o
	}},
	{"quarantines what it cannot store at the moment (503 SlowDown)", storedFirst, func(o outside) (worker.Queue, worker.Store) {
		var bodies sync.Map // the messages by body
		return queue{Queue: o, receive: func(ctx context.Context, limit int, wait, visibility time.Duration) ([]worker.Message, error) {
				messages, err := o.Receive(ctx, limit, wait, visibility)
				for _, m := range messages {
					bodies.Store(m.Body, m)
				}
				return messages, err
			}}, store(func(ctx context.Context, key, body string) (bool, error) {
				taken, err := o.Put(ctx, key, body)
				var answer smithy.APIError
				if errors.As(err, &answer) && answer.ErrorCode() == "SlowDown" {
					m, _ := bodies.Load(body)
					return false, o.Quarantine(ctx, m.(worker.Message), err.Error())
				}
				return taken, err
			})
	}},
	{"hands back without delay what it cannot store", deadLettered, func(o outside) (worker.Queue, worker.Store) {
		return queue{Queue: o, hide: func(ctx context.Context, messages []worker.Message, times []time.Duration) ([]worker.Failure, error) {
			now := slices.Clone(times)
			for i, t := range times {
				if t > o.visibility {
					now[i] = 0
				}
			}
			return o.Hide(ctx, messages, now)
		}}, o
	}},
	{"has more in hand than its limit", inHandBounded, func(o outside) (worker.Queue, worker.Store) {
		return queue{Queue: o, receive: func(ctx context.Context, _ int, wait, visibility time.Duration) ([]worker.Message, error) {
			first, err := o.Receive(ctx, worker.MaxBatch, wait, visibility)
			if err != nil {
				return nil, err
			}
			second, _ := o.Receive(ctx, worker.MaxBatch, 0, visibility)
			return append(first, second...), nil
		}}, o
	}},
	{"counts each message twice", totalIsExact, func(o outside) (worker.Queue, worker.Store) {
		return queue{Queue: o, receive: func(ctx context.Context, limit int, wait, visibility time.Duration) ([]worker.Message, error) {
			messages, err := o.Receive(ctx, limit, wait, visibility)
			return append(messages, messages...), err
		}}, o
	}},
	{"stops receiving after an error", drained, func(o outside) (worker.Queue, worker.Store) {
		var failed sync.Once
		broken := make(chan struct{})
		return queue{Queue: o, receive: func(ctx context.Context, limit int, wait, visibility time.Duration) ([]worker.Message, error) {
			select {
			case <-broken:
				<-ctx.Done()
			default:
			}
			messages, err := o.Receive(ctx, limit, wait, visibility)
			if err != nil {
				failed.Do(func() { close(broken) })
			}
			return messages, err
		}}, o
	}},
	{"when asked to end, waits for its calls without limit", endsInTime, func(o outside) (worker.Queue, worker.Store) {
		return o, store(func(ctx context.Context, key, body string) (bool, error) {
			return o.Put(context.WithoutCancel(ctx), key, body)
		})
	}},
	{"leaves a goroutine with each batch", noLeak, func(o outside) (worker.Queue, worker.Store) {
		return queue{Queue: o, receive: func(ctx context.Context, limit int, wait, visibility time.Duration) ([]worker.Message, error) {
			go func() { <-o.over }()
			return o.Receive(ctx, limit, wait, visibility)
		}}, o
	}},
}

// TestWrongConsumers checks that the simulation can fail. Each wrong consumer breaks its
// invariant, and each invariant of consumers is broken by one of them.
func TestWrongConsumers(t *testing.T) {
	ofTheSimulation(t)
	const limit = 300
	caught := make([]int, len(variants)) // the first seed that shows each variant's bug
	t.Run("all", func(t *testing.T) {
		for i := range variants {
			t.Run(strings.ReplaceAll(variants[i].name, " ", "_"), func(t *testing.T) {
				t.Parallel()
				for caught[i] < limit && !simulate(t, caught[i], &variants[i]).broke(variants[i].breaks) {
					caught[i]++
				}
				if caught[i] == limit {
					t.Errorf("no seed below %d catches the consumer that %s: it must break %q", limit, variants[i].name, variants[i].breaks)
				}
			})
		}
	})
	t.Logf("%-55s %4s  %s", "a consumer that", "seed", "breaks")
	for i, v := range variants {
		t.Logf("%-55s %4d  %s", v.name, caught[i], v.breaks)
	}
	for _, i := range ofConsumers {
		if !slices.ContainsFunc(variants, func(v variant) bool { return v.breaks == i }) {
			t.Errorf("no wrong consumer breaks %q", i)
		}
	}
}
