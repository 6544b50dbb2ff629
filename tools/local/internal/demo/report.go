package demo

import (
	"bytes"
	_ "embed" // the report's page
	"encoding/json"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
)

//go:embed report.html.tmpl
var reportText string

var reportPage = template.Must(template.New("report").Parse(reportText))

// render makes the report's files: the verdict as JSON, the chart as SVG, and
// both as one page that needs nothing else.
func render(v Verdict) (map[string][]byte, error) {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("render report.json: %w", err)
	}
	svg := chart(v.Samples)
	var page bytes.Buffer
	err = reportPage.Execute(&page, map[string]any{
		// The chart is made of numbers and of names in this package.
		"Chart": template.HTML(svg), "Figures": v.figures(), "OK": v.OK, "Note": v.Note, "Reasons": v.Reasons,
	})
	if err != nil {
		return nil, fmt.Errorf("render report.html: %w", err)
	}
	return map[string][]byte{"report.json": append(data, '\n'), "report.svg": []byte(svg), "report.html": page.Bytes()}, nil
}

func writeReport(dir string, v Verdict) error {
	files, err := render(v)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the report folder: %w", err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
	}
	return nil
}
