package s3

import (
	"bytes"
	"cmp"
	"crypto/md5"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"unique"

	"github.com/google/btree"
	"github.com/johannesboyne/gofakes3"
)

// store stores buckets and objects for gofakes3, without versions. gofakes3's own store
// keeps each request's headers with its object, which takes four times the space of a
// small one, and lists headers as metadata that AWS does not.
type store struct {
	now func() time.Time
	// hashesOnly keeps an object's size and hash, not its body.
	hashesOnly bool

	mu      sync.RWMutex
	buckets map[string]*bucket
}

type bucket struct {
	created  time.Time
	objects  *btree.BTreeG[*object] // by key
	settings *bucketSettings
}

// object is immutable: a write makes a new one.
type object struct {
	key         string
	body        []byte
	size        int64
	hash        [md5.Size]byte
	modified    int64 // seconds since 1970, S3's resolution
	contentType unique.Handle[string]
	metadata    map[string]string // by header; nil if there is none
}

func newStore(now func() time.Time, hashesOnly bool) *store {
	return &store{now: now, hashesOnly: hashesOnly, buckets: map[string]*bucket{}}
}

// ListBuckets implements gofakes3.Backend.
func (s *store) ListBuckets() ([]gofakes3.BucketInfo, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []gofakes3.BucketInfo
	for _, name := range slices.Sorted(maps.Keys(s.buckets)) {
		found = append(found, gofakes3.BucketInfo{Name: name, CreationDate: gofakes3.NewContentTime(s.buckets[name].created)})
	}
	return found, nil
}

// CreateBucket implements gofakes3.Backend.
func (s *store) CreateBucket(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buckets[name] != nil {
		return gofakes3.ResourceError(gofakes3.ErrBucketAlreadyExists, name)
	}
	byKey := func(a, b *object) bool { return a.key < b.key }
	s.buckets[name] = &bucket{created: s.now(), objects: btree.NewG(64, byKey), settings: newBucketSettings()}
	return nil
}

// BucketExists implements gofakes3.Backend.
func (s *store) BucketExists(name string) (bool, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.buckets[name] != nil, nil
}

// DeleteBucket implements gofakes3.Backend.
func (s *store) DeleteBucket(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucket(name)
	if err != nil {
		return err
	}
	if b.objects.Len() > 0 {
		return gofakes3.ResourceError(gofakes3.ErrBucketNotEmpty, name)
	}
	delete(s.buckets, name)
	return nil
}

// ForceDeleteBucket implements gofakes3.Backend.
func (s *store) ForceDeleteBucket(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.bucket(name)
	delete(s.buckets, name)
	return err
}

func (s *store) bucket(name string) (*bucket, error) {
	if b := s.buckets[name]; b != nil {
		return b, nil
	}
	return nil, gofakes3.BucketNotFound(name)
}

func (s *store) object(bucket, key string) (*object, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, err := s.bucket(bucket)
	if err != nil {
		return nil, err
	}
	o, ok := b.objects.Get(&object{key: key})
	if !ok {
		return nil, gofakes3.KeyNotFound(key)
	}
	return o, nil
}

// HeadObject implements gofakes3.Backend.
func (s *store) HeadObject(bucket, key string) (*gofakes3.Object, error) {
	o, err := s.object(bucket, key)
	if err != nil {
		return nil, err
	}
	return o.answer(nil), nil
}

// GetObject implements gofakes3.Backend.
func (s *store) GetObject(bucket, key string, request *gofakes3.ObjectRangeRequest) (*gofakes3.Object, error) {
	o, err := s.object(bucket, key)
	if err != nil {
		return nil, err
	}
	if s.hashesOnly && o.size > 0 {
		return nil, gofakes3.ErrorMessage(gofakes3.ErrNotImplemented, "this server keeps size and hash of an object, not its body")
	}
	part, err := request.Range(o.size)
	if err != nil {
		return nil, err
	}
	body := o.body
	if part != nil {
		body = body[part.Start : part.Start+part.Length]
	}
	answer := o.answer(body)
	answer.Range = part
	return answer, nil
}

func (o *object) answer(body []byte) *gofakes3.Object {
	metadata := map[string]string{"Last-Modified": time.Unix(o.modified, 0).In(gmt).Format(http.TimeFormat)}
	maps.Copy(metadata, o.metadata)
	if kind := o.contentType.Value(); kind != "" {
		metadata["Content-Type"] = kind
	}
	return &gofakes3.Object{Name: o.key, Metadata: metadata, Size: o.size, Hash: o.hash[:], Contents: io.NopCloser(bytes.NewReader(body))}
}

// PutObject implements gofakes3.Backend. It checks the conditions and writes under one
// lock: a consumer may rely on that for its idempotence.
func (s *store) PutObject(
	bucket, key string, headers map[string]string, input io.Reader, size int64, conditions *gofakes3.PutConditions,
) (gofakes3.PutObjectResult, error) {
	o, err := s.read(key, headers, input, size)
	if err != nil {
		return gofakes3.PutObjectResult{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucket(bucket)
	if err != nil {
		return gofakes3.PutObjectResult{}, err
	}
	if conditions != nil {
		current := &gofakes3.ConditionalObjectInfo{}
		if old, ok := b.objects.Get(o); ok {
			current.Exists, current.Hash = true, old.hash[:]
		}
		if err := gofakes3.CheckPutConditions(conditions, current); err != nil {
			return gofakes3.PutObjectResult{}, err
		}
	}
	o.modified = s.now().Unix()
	b.objects.ReplaceOrInsert(o)
	return gofakes3.PutObjectResult{}, nil
}

// read returns an object from a request, without holding the lock.
func (s *store) read(key string, headers map[string]string, input io.Reader, size int64) (*object, error) {
	o := &object{key: strings.Clone(key), size: size, contentType: unique.Make(headers["Content-Type"])}
	for name, value := range headers {
		if strings.HasPrefix(name, "X-Amz-Meta-") || name == "Content-Disposition" || name == "Content-Encoding" {
			if o.metadata == nil {
				o.metadata = map[string]string{}
			}
			o.metadata[name] = value
		}
	}
	if !s.hashesOnly {
		body, err := gofakes3.ReadAll(input, size)
		if err != nil {
			return nil, err
		}
		o.body, o.hash = body, md5.Sum(body)
		return o, nil
	}
	hash := md5.New()
	n, err := io.Copy(hash, input)
	if err != nil {
		return nil, err
	}
	if n != size {
		return nil, gofakes3.ErrIncompleteBody
	}
	hash.Sum(o.hash[:0])
	return o, nil
}

// CopyObject implements gofakes3.Backend.
func (s *store) CopyObject(fromBucket, fromKey, toBucket, toKey string, headers map[string]string) (gofakes3.CopyObjectResult, error) {
	return gofakes3.CopyObject(s, fromBucket, fromKey, toBucket, toKey, headers)
}

// DeleteObject implements gofakes3.Backend.
func (s *store) DeleteObject(bucket, key string) (gofakes3.ObjectDeleteResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucket(bucket)
	if err == nil {
		b.objects.Delete(&object{key: key})
	}
	return gofakes3.ObjectDeleteResult{}, err
}

// DeleteMulti implements gofakes3.Backend.
func (s *store) DeleteMulti(bucket string, keys ...string) (gofakes3.MultiDeleteResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out gofakes3.MultiDeleteResult
	b, err := s.bucket(bucket)
	if err != nil {
		return out, err
	}
	for _, key := range keys {
		b.objects.Delete(&object{key: key})
		out.Deleted = append(out.Deleted, gofakes3.ObjectID{Key: key})
	}
	return out, nil
}

// ListBucket implements gofakes3.Backend.
func (s *store) ListBucket(name string, prefix *gofakes3.Prefix, page gofakes3.ListBucketPage) (*gofakes3.ObjectList, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, err := s.bucket(name)
	if err != nil {
		return nil, err
	}
	if prefix == nil {
		prefix = &gofakes3.Prefix{}
	}
	l := listing{prefix: prefix.Prefix, delimiter: prefix.Delimiter, after: page.Marker, limit: page.MaxKeys, out: gofakes3.NewObjectList()}
	for from, more := max(l.prefix, l.after), page.MaxKeys > 0; more; {
		from, more = l.walk(b.objects, from)
	}
	return l.out, nil
}

// listing is a page of a bucket's keys while it is made.
type listing struct {
	prefix, delimiter, after string
	limit                    int64
	last                     string // the key or common prefix listed last
	out                      *gofakes3.ObjectList
}

// walk lists keys from a key on, until it comes to a common prefix, whose keys it skips.
// It returns the first key after them, and whether to continue there.
func (l *listing) walk(objects *btree.BTreeG[*object], from string) (next string, more bool) {
	objects.AscendGreaterOrEqual(&object{key: from}, func(o *object) bool {
		if !strings.HasPrefix(o.key, l.prefix) {
			return false
		}
		common := l.common(o.key)
		entry := cmp.Or(common, o.key)
		if entry <= l.after && l.after != "" {
			next, more = common+"\xff", common != ""
			return !more
		}
		if l.limit == 0 {
			l.out.IsTruncated, l.out.NextMarker = true, l.last
			return false
		}
		l.limit--
		l.last = entry
		if common != "" {
			l.out.AddPrefix(common)
			next, more = common+"\xff", true // no UTF-8 has that byte
			return false
		}
		l.out.Add(&gofakes3.Content{
			Key: o.key, LastModified: gofakes3.NewContentTime(time.Unix(o.modified, 0)), ETag: gofakes3.FormatETag(o.hash[:]), Size: o.size,
		})
		return true
	})
	return next, more
}

// common returns the part of a key up to the first delimiter after the prefix, if there
// is a delimiter.
func (l *listing) common(key string) string {
	if l.delimiter == "" {
		return ""
	}
	i := strings.Index(key[len(l.prefix):], l.delimiter)
	if i < 0 {
		return ""
	}
	return key[:len(l.prefix)+i+len(l.delimiter)]
}
