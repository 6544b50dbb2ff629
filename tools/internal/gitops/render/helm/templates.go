package helm

import (
	"context"
	"fmt"
	"runtime/metrics"
	"strings"
	"text/template"
	"time"

	"github.com/Masterminds/sprig/v3"
	"github.com/google/uuid"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/engine"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/kustomize"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/limits"
)

// The limits for executing a chart's templates.
var (
	maxTemplateTime   = 30 * time.Second
	maxTemplateMemory = uint64(256 << 20) // bytes, beyond what is in use before
)

// execute executes the templates of a chart. An endless template cannot be stopped. One
// that exceeds a limit is abandoned, and the error is not a Refusal: it must end the
// process.
func execute(ctx context.Context, c *Chart, values common.Values) (map[string]string, error) {
	defer kustomize.Alone()()
	type outcome struct {
		files map[string]string
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		files, err := engine.Engine{CustomTemplateFuncs: deterministicFuncs()}.Render(c.Chart, values)
		done <- outcome{files, err}
	}()
	before, ticker := heapInUse(), time.NewTicker(20*time.Millisecond)
	defer ticker.Stop()
	for start := time.Now(); ; {
		select {
		case o := <-done:
			return o.files, o.err
		case <-ctx.Done():
			return nil, Runaway{ctx.Err()}
		case <-ticker.C:
		}
		if time.Since(start) > maxTemplateTime || heapInUse() > before+maxTemplateMemory {
			return nil, Runaway{fmt.Errorf("the templates of chart %s take more than %s or %d MB: look for a loop without end",
				c.Name(), maxTemplateTime, maxTemplateMemory>>20)}
		}
	}
}

// Runaway is the error for abandoned templates.
type Runaway struct{ error }

// Unwrap returns the underlying error.
func (r Runaway) Unwrap() error { return r.error }

// heapInUse returns the memory in use. A stack may grow to half a gigabyte before Go ends
// the process.
func heapInUse() uint64 {
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64() + samples[1].Value.Uint64()
}

// certificate is the result of Helm's functions for certificates.
type certificate struct{ Cert, Key string }

// deterministicFuncs replaces two kinds of Helm's functions: those with another result at
// each rendering, so that renderings can be compared, and those that take as much memory
// as the template asks for.
func deterministicFuncs() template.FuncMap {
	text := func(...any) string { return kustomize.Encrypted }
	pair := func(...any) certificate { return certificate{kustomize.Encrypted, kustomize.Encrypted} }
	same := map[string]func(int, string) string{}
	functions := template.FuncMap{
		"randAlphaNum": fill("a"), "randAlpha": fill("a"), "randAscii": fill("a"), "randNumeric": fill("0"), "randBytes": fill("a"),
		"randInt": func(low, _ int) int { return low },
		"shuffle": func(s string) string { return s },
		"uuidv4":  uuid.Nil.String,
		"now":     func() time.Time { return time.Unix(0, 0).UTC() },
		"bcrypt":  text, "htpasswd": text, "encryptAES": text, "genPrivateKey": text,
		"genCA": pair, "genCAWithKey": pair, "genSelfSignedCert": pair, "genSelfSignedCertWithKey": pair,
		"genSignedCert": pair, "genSignedCertWithKey": pair, "buildCustomCert": pair,
	}
	for _, name := range []string{"repeat", "indent", "nindent"} {
		same[name], _ = sprig.TxtFuncMap()[name].(func(int, string) string)
		functions[name] = func(count int, s string) (string, error) {
			if count < 0 || count > limits.MaxFile || count*max(1, len(s)) > limits.MaxFile {
				return "", fmt.Errorf("%s %d of %d bytes: more than any API server takes", name, count, len(s))
			}
			return same[name](count, s), nil
		}
	}
	return functions
}

func fill(with string) func(int) (string, error) {
	return func(count int) (string, error) {
		if count < 0 || count > limits.MaxFile {
			return "", fmt.Errorf("%d random characters: more than any API server takes", count)
		}
		return strings.Repeat(with, count), nil
	}
}
