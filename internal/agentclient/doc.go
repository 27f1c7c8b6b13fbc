// Package agentclient asks the agent itself, by its operator API, for what the
// module's report lacks: which flags it runs with, how its frameworks are called,
// and what it says that containers use.
//
// An agent's answer is input from outside: it is read with limits on its size and
// time, on a goroutine of its own, and what is malformed in it is absent. Nothing
// waits for it, and nothing needs it: without an answer the daemon works as it
// does without agent_url.
package agentclient
