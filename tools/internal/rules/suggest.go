package rules

import (
	"fmt"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/spelling"
)

// didYouMean is the fix of a name that does not exist: the nearest one that
// does, or the general advice.
func didYouMean(name string, candidates []string, otherwise string) string {
	if meant := spelling.Nearest(name, candidates); meant != "" {
		return fmt.Sprintf("did you mean %s?", meant)
	}
	return otherwise
}
