package config

// Suggest is " (did you mean x?)" for the known word that is nearest to word,
// "" when none is near enough to have been meant.
func Suggest(word string, known []string) string {
	return didYouMean(nearest(word, known))
}

// didYouMean asks for another word, if there is one.
func didYouMean(word string) string {
	if word == "" {
		return ""
	}
	return " (did you mean " + word + "?)"
}

// nearest is the known word that word is most likely a misspelling of: at most
// a third of it, or one letter, is wrong.
func nearest(word string, known []string) string {
	best, at := "", max(1, len(word)/3)+1
	for _, k := range known {
		if d := distance(word, k); d < at {
			best, at = k, d
		}
	}
	return best
}

// distance is the number of letters to insert, delete or replace to make b
// from a (Levenshtein). Long words are not compared: nobody misspells those.
func distance(a, b string) int {
	const longest = 64
	if len(a) > longest || len(b) > longest {
		return longest
	}
	var row [longest + 1]int
	for j := range len(b) + 1 {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
