package printable

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

// hostile are C0, C1, bidirectional and invisible characters, and what is none.
const hostile = "a\x1b[31m\u009b31m\u202eb\u2066\u200b\u00ad\ufeff\U000e0001 ü 語\n"

func TestText(t *testing.T) {
	if got, want := Text(hostile), "a?[31m?31m?b????? ü 語\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestJSONSaysTheSameWithPrintedCharactersOnly(t *testing.T) {
	check := func(t interface{ Fatalf(string, ...any) }, s string) {
		var out strings.Builder
		if err := json.NewEncoder(JSON(&out)).Encode(s); err != nil {
			t.Fatalf("%v", err)
		}
		text := strings.TrimSuffix(out.String(), "\n")
		if i := strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
			t.Fatalf("%q holds %q", text, text[i:])
		}
		var back string
		if err := json.Unmarshal([]byte(text), &back); err != nil || back != s {
			t.Fatalf("%q came back as %q, %v", s, back, err)
		}
	}
	check(t, hostile)
	rapid.Check(t, func(t *rapid.T) { check(t, rapid.String().Draw(t, "s")) })
}

func TestQuote(t *testing.T) {
	for text, want := range map[string]string{
		"plain": `"plain"`, "a\x1b[2J\n\u202e\u0085": `"a\x1b[2J\n\u202e\u0085"`,
		strings.Repeat("x", 61): `"` + strings.Repeat("x", 60) + `"...`,
	} {
		if got := Quote(text); got != want {
			t.Errorf("Quote(%q) = %s, want %s", text, got, want)
		}
	}
}

func TestWrap(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "one": "one", "one two three": "one|two|three", "a b c d e f": "a b c|d e f", "incomprehensible": "incom|prehe|nsibl|e",
		"a incomprehensible b": "a|incom|prehe|nsibl|e b", "äöü ß": "äöü ß",
	} {
		if got := strings.Join(Wrap(strings.Fields(text), 5), "|"); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
