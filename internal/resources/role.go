package resources

import (
	"errors"
	"fmt"
	"strings"
)

// anyRole is the role of what is reserved to nobody.
const anyRole = "*"

// roleSpace are the characters that no role contains (src/common/roles.cpp).
const roleSpace = "\b\t\n\v\f\r \x7f"

// CheckRole says what keeps role from being the name of a role; "*" is one
// (src/common/roles.cpp:85, validate). The error continues a sentence that
// begins with the role: "is empty".
func CheckRole(role string) error {
	switch {
	case role == "":
		return errors.New("is empty")
	case role == anyRole:
		return nil
	case strings.ContainsAny(role, roleSpace):
		return errors.New("contains whitespace or a control character")
	}
	for part := range strings.SplitSeq(role, "/") {
		switch {
		case part == "":
			return errors.New("starts or ends with a slash or has two in a row")
		case part == "." || part == ".." || part == anyRole:
			return fmt.Errorf("has the component %q", part)
		case part[0] == '-':
			return errors.New("has a component that starts with a dash")
		}
	}
	return nil
}
