package qos

// Limit is the highest threshold of s that makes sense; exclusive: the
// threshold must be below it.
func (s Signal) Limit() (most float64, exclusive bool) {
	row := signalOf(s)
	if row == nil {
		return 0, false
	}
	return row.most, row.unit == share && row.most == 1
}

// Unit says what s is measured in, for people: "share" or "number".
func (s Signal) Unit() string {
	if row := signalOf(s); row != nil && row.unit == share {
		return "share"
	}
	return "number"
}
