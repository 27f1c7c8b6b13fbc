// Package demo shows the main job on real containers, and is the end-to-end
// test: it runs the real daemon as a process of its own, an embedded agent
// beside it, and a story:
//
//  1. A regular service uses a part of what it was allocated; slack is offered.
//  2. A best-effort hog is launched on the offer; the service keeps its CPU.
//  3. The service's load rises to its allocation; the offer falls to nothing
//     and the hog is preempted; the service gets what it asks for.
//
// What the viewer sees of the daemon comes from the daemon: its answers to the
// agent and the record of each tick, as its operator socket gives it. What a task
// got is what the kernel counts for its cgroup. Each point of the story is checked, and Run says what was
// expected and seen where one did not come out.
package demo
