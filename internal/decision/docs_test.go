package decision_test

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/qos"
)

// The page of the log names every field of a record, of an offer and of a
// decision.
func TestDocsNameEveryField(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference/decision-log.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range []any{decision.Record{}, estimator.ResourceOffer{}, estimator.Allocated{}, estimator.Estimate{}, qos.Decision{}} {
		for _, f := range reflect.VisibleFields(reflect.TypeOf(of)) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name != "" && name != "-" && !strings.Contains(string(page), "`"+name+"`") {
				t.Errorf("docs/reference/decision-log.md lacks `%s` of %T", name, of)
			}
		}
	}
}
