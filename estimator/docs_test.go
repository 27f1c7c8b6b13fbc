package estimator_test

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/reason"
)

// TestDocs holds the page for operators to the tables in the code.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile("../docs/internals/estimators.md")
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	words = append(words, estimator.Modes()...)
	for _, c := range []reason.Code{
		reason.Slack, reason.Cap, reason.NoSlack, reason.CountedInFull, reason.UsedOutside, reason.Learning, reason.RaiseStep, reason.DeadBand, reason.Hold, reason.Stopped, reason.Fixed, reason.Noop,
		reason.NoAgent, reason.StaleUsage, reason.NoSamples, reason.NoHost, reason.StaleSamples,
	} {
		words = append(words, string(c))
	}
	for _, of := range []any{estimator.UsageConfig{}, estimator.GovernorConfig{}} {
		for _, field := range reflect.VisibleFields(reflect.TypeOf(of)) {
			words = append(words, field.Name)
		}
	}
	for _, w := range words {
		if !strings.Contains(string(page), "`"+w+"`") {
			t.Errorf("docs/internals/estimators.md does not mention `%s`", w)
		}
	}
}
