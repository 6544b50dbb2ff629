// Package memo computes the value of each key only once, even for concurrent callers. It
// must not know the values.
package memo

import "sync"

// Memo computes the value of each key only once, even for concurrent callers. The zero
// value is empty.
type Memo[K comparable, V any] struct {
	mutex sync.Mutex
	made  map[K]func() (V, error)
}

// Get returns the value of a key, and computes it the first time. An error is kept like a
// value.
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
