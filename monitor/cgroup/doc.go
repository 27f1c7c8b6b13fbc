// Package cgroup finds the containers of a Mesos agent in the cgroup file
// system and reads them.
//
// Invariants:
//   - It only reads. Nothing is created, written, moved or removed.
//   - A container is its id and the inode of its cgroup directory. A directory
//     of the same name with another inode is another container.
//   - Reading a container that is known allocates nothing and, while the budget
//     of file descriptors lasts, opens nothing.
//   - What a user's task can do below its own cgroup (the agent gives it the
//     directory) costs a bounded number of descriptors.
package cgroup
