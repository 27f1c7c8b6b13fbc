package cgroup

// maxNameLength is NAME_MAX, which a directory's name cannot exceed.
const maxNameLength = 255

// separator is the directory between a container and those nested in it
// (src/slave/containerizer/mesos/constants.hpp, CGROUP_SEPARATOR).
const separator = "mesos"

// isContainerID reports whether a directory below the agent's root, or below a
// separator, can be a container: what is not a valid Mesos container id is not
// (src/slave/validation.cpp, validateContainerId; src/common/validation.cpp,
// validateID), nor are the directories the agent makes for itself.
func isContainerID(name []byte, mode Mode) bool {
	if len(name) == 0 || len(name) > maxNameLength {
		return false
	}
	for _, c := range name {
		if c <= ' ' || c == 0x7f || c == '.' || c == '/' || c == '\\' {
			return false
		}
	}
	switch string(name) {
	case separator:
		return false
	case "agent", "leaf": // v2: the agent's own cgroup; where processes are
		return mode != V2
	case "slave": // v1: the agent's own cgroup
		return mode == V2
	}
	return true
}
