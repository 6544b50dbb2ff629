package schema

import (
	"encoding/base64"
	"math"
	"time"

	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kube-openapi/pkg/validation/strfmt"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema/definition"
)

// goFormats are the formats of Kubernetes' own types: a description for messages, and a
// check whether a string can be decoded.
var goFormats = map[string]struct {
	meaning string
	decodes func(string) error
}{
	definition.FormatQuantity: {"a quantity, such as 100m or 64Mi", func(text string) error {
		_, err := resource.ParseQuantity(text)
		return err
	}},
	definition.FormatBytes: {"base64", func(text string) error {
		_, err := base64.StdEncoding.DecodeString(text)
		return err
	}},
	definition.FormatTime: {"a time, such as 2006-01-02T15:04:05Z", func(text string) error {
		_, err := time.Parse(time.RFC3339, text)
		return err
	}},
}

// formats are goFormats and the formats that CustomResourceDefinitions may use.
var formats = func() strfmt.Registry {
	registry := strfmt.NewFormats()
	for name, format := range goFormats {
		// The Go type does not matter, because formats only check strings.
		registry.Add(name, new(strfmt.Password), func(text string) bool { return format.decodes(text) == nil })
	}
	return registry
}()

// meaningOf returns the description of a format in messages.
func meaningOf(format string) string {
	if known, ok := goFormats[format]; ok {
		return known.meaning
	}
	return "the format " + format
}

var stripUnsupported = validation.StripUnsupportedFormatsPostProcessorForVersion(environment.DefaultCompatibilityVersion())

// supportedFormats removes the formats that an API server ignores, and corrects how
// kube-openapi treats the others.
func supportedFormats(s *spec.Schema) error {
	if _, ok := goFormats[s.Format]; !ok {
		if err := stripUnsupported(s); err != nil {
			return err
		}
	}
	switch {
	case s.Format == definition.FormatQuantity:
		// The Go type also accepts a number.
		s.Type = spec.StringOrArray{"string", "integer", "number"}
	case s.Type.Contains("integer"), s.Type.Contains("number"):
		// The errors about these formats do not contain the value, so limits replace
		// them.
		if s.Format == "int32" {
			narrow(s, math.MinInt32, math.MaxInt32)
		}
		s.Format = ""
	case s.Format != "" && s.Type.Contains("string") && s.Not == nil:
		// kube-openapi accepts a list as a string with a format.
		s.Not = &spec.Schema{SchemaProps: spec.SchemaProps{Type: spec.StringOrArray{"array"}}}
	}
	return nil
}

// narrow limits a number to a range.
func narrow(s *spec.Schema, least, most float64) {
	if s.Minimum == nil || *s.Minimum < least {
		s.Minimum, s.ExclusiveMinimum = &least, false
	}
	if s.Maximum == nil || *s.Maximum > most {
		s.Maximum, s.ExclusiveMaximum = &most, false
	}
}
