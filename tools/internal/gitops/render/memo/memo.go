// Package memo makes the value of each key once, also for concurrent callers. It knows
// nothing of the values.
package memo

import "sync"

// Memo makes the value of each key only once, also for concurrent callers. The zero
// value is empty.
type Memo[K comparable, V any] struct {
	mutex sync.Mutex
	made  map[K]func() (V, error)
}

// Get returns the value of a key, and makes it unless it is there. An error is kept like
// a value.
func (o *Memo[K, V]) Get(key K, make func() (V, error)) (V, error) {
	return o.maker(key, make)()
}

func (o *Memo[K, V]) maker(key K, make func() (V, error)) func() (V, error) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	maker, known := o.made[key]
	if !known {
		if o.made == nil {
			o.made = map[K]func() (V, error){}
		}
		maker = sync.OnceValues(make)
		o.made[key] = maker
	}
	return maker
}
