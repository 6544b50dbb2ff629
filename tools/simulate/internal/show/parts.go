package show

import (
	"fmt"
	"io"

	"github.com/mystique-unicorn/sales-events/tools/internal/scenario/parts"
)

// Parts lists the modelled parts.
func Parts(out io.Writer, p parts.Parts) error {
	for _, line := range p.Lines() {
		if _, err := fmt.Fprintf(out, "%-14s %s\n%14s local: %s\n%14s AWS: %s\n", line.Part, line.Value, "", line.Local, "",
			line.AWS); err != nil {
			return err
		}
	}
	return nil
}
