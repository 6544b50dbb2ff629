// Package memo makes a thing for each key once, for callers at the same time too. It
// knows nothing of the things.
package memo

import "sync"

// Memo makes a thing for each key, and only once, for callers at the same time
// too. The zero value has made nothing.
type Memo[K comparable, V any] struct {
	mutex sync.Mutex
	made  map[K]func() (V, error)
}

// Get is the thing of a key, made now unless it is there. An error is kept like
// a thing.
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
