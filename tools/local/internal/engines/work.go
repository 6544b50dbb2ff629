package engines

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/tail"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/progress"
)

// work is what is to be compiled. It estimates the remaining time from the size of the
// sources.
type work struct {
	log     *progress.Log
	start   time.Time
	engines int           // to be built
	begun   int           // built, or being built
	user    time.Duration // CPU time in user mode

	// packages are each engine's packages, by import path.
	packages map[*Engine]map[string]source
	// compiled are the packages that need not be compiled again.
	compiled map[source]bool
	// total and done are bytes of sources.
	total, done int64
}

// source is one package at one version. Engines that use the same one share its compiled
// form.
type source struct {
	path, version string
	size          int64
}

// plan lists the packages from which the engines are compiled, and fetches the sources
// that the module cache lacks.
func plan(ctx context.Context, engines []*Engine, log *progress.Log) (*work, error) {
	w := &work{log: log, engines: len(engines), packages: map[*Engine]map[string]source{}, compiled: map[source]bool{}}
	counted := map[source]bool{}
	for i, e := range engines {
		log.Doing("fetching the sources of the engines: %s, %d of %d", e.Name, i+1, len(engines))
		packages, err := e.sources(ctx)
		if err != nil {
			return nil, fmt.Errorf("fetch the sources of engine %s %s: %w", e.Name, e.Version, err)
		}
		w.packages[e] = packages
		for _, s := range packages {
			if !counted[s] {
				counted[s] = true
				w.total += s.size
			}
		}
	}
	log.Done("building %d engines from %d MB of Go, once: they stay in the cache", len(engines), w.total>>20)
	w.start = time.Now()
	return w, nil
}

// sources returns the packages from which the engine's programs are compiled, by import
// path.
func (e *Engine) sources(ctx context.Context) (map[string]source, error) {
	cmd := e.goCommand(ctx, os.TempDir(), compilers{1, 100}, "list", "-deps", "-json=ImportPath,Dir,GoFiles,Module", "tool")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("%w\n%s\nretry with `make up`: what is fetched is kept", err, tail.Lines(stderr.Bytes(), 15))
	}
	packages := map[string]source{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var listed struct {
			ImportPath, Dir string
			GoFiles         []string
			Module          *struct{ Version string }
		}
		if err := decoder.Decode(&listed); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, fmt.Errorf("read the list of packages: %w", err)
		}
		s := source{path: listed.ImportPath}
		if listed.Module != nil {
			s.version = listed.Module.Version
		}
		for _, file := range listed.GoFiles {
			if info, err := os.Stat(filepath.Join(listed.Dir, file)); err == nil {
				s.size += info.Size()
			}
		}
		packages[s.path] = s
	}
}

// watch follows the build of one engine in the output of `go build -v`: the import path
// of each package that it compiles.
type watch struct {
	work   *work
	engine *Engine
	start  time.Time
	said   []byte // output, without the import paths
	rest   []byte // the last line, as far as it has come
}

func (w *work) begin(e *Engine) *watch {
	w.begun++
	watch := &watch{work: w, engine: e, start: time.Now()}
	watch.show()
	return watch
}

// Write takes the go command's output.
func (w *watch) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		line, rest, found := bytes.Cut(w.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		w.rest = rest
		if s, known := w.work.packages[w.engine][string(line)]; known {
			w.work.compile(s)
			w.show()
			continue
		}
		w.said = append(append(w.said, line...), '\n')
	}
}

func (w *work) compile(s source) {
	if !w.compiled[s] {
		w.compiled[s] = true
		w.done += s.size
	}
}

func (w *watch) show() {
	w.work.log.Doing("engine %d of %d: %s %s, %d %% of all compiled%s",
		w.work.begun, w.work.engines, w.engine.Name, w.engine.Version, 100*w.work.done/max(1, w.work.total), w.work.left(time.Now()))
}

// left estimates the remaining time, once some work is done.
func (w *work) left(now time.Time) string {
	spent := now.Sub(w.start)
	if spent < 20*time.Second || w.done == 0 {
		return ""
	}
	left := time.Duration(float64(spent) * float64(w.total-w.done) / float64(w.done))
	return fmt.Sprintf(", about %.0f min left", math.Ceil(left.Minutes()))
}

// end counts all packages of the engine as compiled, including those that were compiled
// earlier. user is the CPU time in user mode, compilers and linkers included.
func (w *watch) end(user time.Duration) {
	for _, s := range w.work.packages[w.engine] {
		w.work.compile(s)
	}
	w.work.user += user
	w.work.log.Done(
		"built %s %s in %s, %d of %d",
		w.engine.Name,
		w.engine.Version,
		time.Since(w.start).Round(time.Second),
		w.work.begun,
		w.work.engines,
	)
}

func (w *work) end() {
	w.log.Done("built the engines in %s, with %.1f minutes of processor time", time.Since(w.start).Round(time.Second), w.user.Minutes())
}
