package resources

import (
	"fmt"
	"strings"
)

// anyRole is the role of what is reserved to nobody.
const anyRole = "*"

// roleSpace are the characters that no role contains (src/common/roles.cpp).
const roleSpace = "\b\t\n\v\f\r \x7f"

// checkRole says whether role may name a role; "*" may
// (src/common/roles.cpp:85, validate).
func checkRole(role string) error {
	switch {
	case role == "":
		return fmt.Errorf("%w: empty role name", ErrSyntax)
	case role == anyRole:
		return nil
	case strings.ContainsAny(role, roleSpace):
		return fmt.Errorf("%w: role %q contains whitespace or a control character", ErrSyntax, role)
	}
	for part := range strings.SplitSeq(role, "/") {
		switch {
		case part == "":
			return fmt.Errorf("%w: role %q starts or ends with a slash or has two in a row", ErrSyntax, role)
		case part == "." || part == ".." || part == anyRole:
			return fmt.Errorf("%w: role %q has the component %q", ErrSyntax, role, part)
		case part[0] == '-':
			return fmt.Errorf("%w: role %q has a component that starts with a dash", ErrSyntax, role)
		}
	}
	return nil
}
