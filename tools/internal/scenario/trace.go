package scenario

import (
	"encoding/csv"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/producer/trace"
)

// LoadTrace reads a producer's trace, or a metric that CloudWatch has exported as CSV:
// rows of a time and a value, after header rows.
func LoadTrace(file string) (trace.Trace, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	t, err := trace.Parse(file, strings.NewReader(string(text)))
	if err == nil {
		return t, nil
	}
	if exported, isExport, exportErr := cloudWatch(file, string(text)); isExport {
		return exported, exportErr
	}
	return nil, err
}

// layouts are the time formats of CloudWatch's console and API.
var layouts = []string{
	time.RFC3339, "2006/01/02 15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04:05", "01/02/2006 15:04",
	"2006/01/02 15:04",
}

// cloudWatch reads an export; isExport is false if no row begins with a time.
func cloudWatch(file, text string) (t trace.Trace, isExport bool, err error) {
	reader := csv.NewReader(strings.NewReader(text))
	reader.FieldsPerRecord = -1
	rows, err := reader.ReadAll()
	if err != nil {
		return nil, false, err
	}
	type point struct {
		at       time.Time
		messages int
	}
	var points []point
	for number, row := range rows {
		if len(row) < 2 {
			continue
		}
		at, ok := parseTime(row[0])
		if !ok {
			continue
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(row[1]), 64)
		if strings.TrimSpace(row[1]) == "" {
			value, err = 0, nil // a period without data
		}
		if err != nil || value < 0 {
			return nil, true, fmt.Errorf("%s: row %d: %q is no count of messages", file, number+1, row[1])
		}
		points = append(points, point{at, int(value)})
	}
	if len(points) < 2 {
		return nil, len(points) > 0, fmt.Errorf("%s: an export needs two rows with a time at least: their distance is the period", file)
	}
	period := points[1].at.Sub(points[0].at)
	for n, p := range points {
		if n > 0 {
			if period = p.at.Sub(points[n-1].at); period <= 0 {
				return nil, true, fmt.Errorf("%s: %s is not after %s: sort the rows by time", file, p.at.Format(time.RFC3339),
					points[n-1].at.Format(time.RFC3339))
			}
			t[n-1].Seconds = int(period.Seconds())
		}
		t = append(t, trace.Interval{Seconds: int(period.Seconds()), Messages: p.messages})
	}
	if t.Messages() == 0 {
		return nil, true, fmt.Errorf("%s: no row has a message", file)
	}
	return t, true, nil
}

func parseTime(text string) (time.Time, bool) {
	for _, layout := range layouts {
		if at, err := time.Parse(layout, strings.TrimSpace(text)); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}
