package policy

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/estimatord/estimatord/internal/printable"
	"github.com/estimatord/estimatord/internal/resources"
)

// matcher is one way to name containers in a policy.
type matcher struct {
	noun string
	// find is what is wrong with a word, "" when a container may have it, and
	// what was probably meant, "" when that cannot be told.
	find func(word string) (wrong, meant string)
}

var (
	framework = matcher{"framework", findFramework}
	role      = matcher{"role", findRole}
	label     = matcher{"label", findLabel}
)

// neverMatches says why no container can ever match word, "" when one can. A
// protection that protects nothing must not pass for one.
func neverMatches(m matcher, word string) string {
	var wrong, meant string
	switch trimmed := strings.TrimSpace(word); {
	case word == "":
		return "is empty"
	case trimmed == "":
		return printable.Quote(word) + " is blank"
	case trimmed != word:
		wrong, meant = "no "+m.noun+" begins or ends with blanks", trimmed
		if w, better := m.find(trimmed); w != "" {
			meant = better
		}
	case strings.ContainsFunc(word, unicode.IsControl):
		wrong = "no " + m.noun + " has control characters"
	default:
		wrong, meant = m.find(word)
	}
	switch {
	case wrong == "":
		return ""
	case meant == "" || meant == word:
		return printable.Quote(word) + " can never match: " + wrong
	}
	return fmt.Sprintf("%s can never match: %s; did you mean %s?", printable.Quote(word), wrong, printable.Quote(meant))
}

const noPatterns = "patterns are not supported"

// findFramework refuses little: a name may be any text, an id has no blanks and
// slashes.
func findFramework(word string) (wrong, meant string) {
	if strings.Contains(word, "*") {
		return noPatterns + ", list each framework", ""
	}
	return "", ""
}

func findRole(word string) (wrong, meant string) {
	switch err := resources.CheckRole(word); {
	case err != nil:
		wrong = "it " + err.Error()
	case word != "*" && strings.Contains(word, "*"):
		wrong = noPatterns
	default:
		return "", ""
	}
	parts := strings.FieldsFunc(word, func(c rune) bool { return c == '/' })
	parts = slices.DeleteFunc(parts, func(part string) bool { return strings.Trim(part, "*") == "" })
	meant = strings.Join(parts, "/")
	if resources.CheckRole(meant) != nil || strings.Contains(meant, "*") {
		return wrong, ""
	}
	return wrong + "; a role includes those below it", meant
}

func findLabel(word string) (wrong, meant string) {
	key, value, exact := strings.Cut(word, "=")
	trimmedKey, trimmedValue := strings.TrimSpace(key), strings.TrimSpace(value)
	switch {
	case trimmedKey == "":
		return "it has no key (key or key=value)", ""
	case !strings.Contains(key, "*") && strings.Contains(value, "*"):
		return noPatterns + "; a key alone matches any value", trimmedKey
	case strings.Contains(word, "*"):
		return noPatterns, ""
	case key != trimmedKey || exact && value != trimmedValue:
		return "it has blanks around =", trimmedKey + "=" + trimmedValue
	}
	return "", ""
}
